// Package ops tells operators and their machines how an instance does: whether it
// lives, whether what it depends on answers, and its metrics.
package ops

import (
	"encoding/json"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Routes returns the mux of the operations listener, to be wrapped like any other:
//
//	GET /health   200 while the process serves at all
//	GET /ready    200, or 503 where a check fails; names each check either way
//	GET /metrics  what reg gathers, and signet_dependency_up of each check
func Routes(reg *prometheus.Registry, checks ...Check) *http.ServeMux {
	p := newProbe(checks)
	reg.MustRegister(p)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /ready", p.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg}))
	return mux
}

// readiness is the body of /ready.
type readiness struct {
	Status string   `json:"status"` // ready, or not ready
	Checks []result `json:"checks"` // in the order they were given
}

func (p *probe) ready(w http.ResponseWriter, r *http.Request) {
	body, status := readiness{"ready", p.results(r.Context())}, http.StatusOK
	for _, res := range body.Checks {
		if res.Status != statusOK {
			body.Status, status = "not ready", http.StatusServiceUnavailable
		}
	}
	answer(w, status, body)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}
