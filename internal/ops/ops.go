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
//	GET /health   200 while the process serves at all, with notes where operators should know something
//	GET /ready    200, or 503 where a check fails; names each check either way
//	GET /metrics  what reg gathers, and signet_dependency_up of each check
//
// notes may be nil; what it returns is for people to read.
func Routes(reg *prometheus.Registry, notes func() []string, checks ...Check) *http.ServeMux {
	p := newProbe(checks)
	reg.MustRegister(p)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		h := health{Status: "alive"}
		if notes != nil {
			h.Notes = notes()
		}
		answer(w, http.StatusOK, h)
	})
	mux.HandleFunc("GET /ready", p.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg}))
	return mux
}

// health is the body of /health.
type health struct {
	Status string   `json:"status"`          // alive
	Notes  []string `json:"notes,omitempty"` // such as a bypass that is on
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
