package objects

import (
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Outcomes of requests.
const (
	outcomeDone    = "done"
	outcomeRefused = "refused" // the client was told why: 4xx
	outcomeFailed  = "failed"  // 5xx
)

// unnamed is the operation of requests that ask for none of the door's.
const unnamed = "other"

// Metrics count what is asked of the door.
type Metrics struct {
	requests *prometheus.CounterVec
	denials  *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	took     prometheus.Histogram
}

// deniedCodes are the codes of denials that are counted by name.
var deniedCodes = []string{
	"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "InvalidToken", "ExpiredToken", unnamed,
}

// NewMetrics registers the metrics of the door, each label at 0.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_objects_requests_total", Help: "Requests to the S3 API, by operation and outcome.",
		}, []string{"operation", "outcome"}),
		denials: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_objects_denials_total", Help: "Requests that did not prove their key or may not, by S3 error code.",
		}, []string{"code"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_objects_bytes_total", Help: "Bytes of objects that came in and went out.",
		}, []string{"direction"}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "signet_objects_request_seconds", Help: "Time of requests to the S3 API to the last byte, in seconds.",
			Buckets: []float64{0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 300},
		}),
	}
	names := []string{unnamed}
	for _, op := range operations() {
		names = append(names, op.name)
	}
	for _, name := range names {
		for _, outcome := range []string{outcomeDone, outcomeRefused, outcomeFailed} {
			m.requests.WithLabelValues(name, outcome)
		}
	}
	for _, code := range deniedCodes {
		m.denials.WithLabelValues(code)
	}
	for _, direction := range []string{"in", "out"} {
		m.bytes.WithLabelValues(direction)
	}
	r.MustRegister(m.requests, m.denials, m.bytes, m.took)
	return m
}

// observe counts a request that was answered with this status.
func (m *Metrics) observe(q *request, status int, took time.Duration) {
	if m == nil {
		return
	}
	name, outcome := unnamed, outcomeDone
	if q.op != nil {
		name = q.op.name
	}
	switch {
	case status >= http.StatusInternalServerError && status != http.StatusNotImplemented:
		outcome = outcomeFailed
	case status >= http.StatusBadRequest:
		outcome = outcomeRefused
	}
	m.requests.WithLabelValues(name, outcome).Inc()
	m.took.Observe(took.Seconds())
	if q.taken > 0 {
		m.bytes.WithLabelValues("in").Add(float64(q.taken))
	}
	if q.given > 0 {
		m.bytes.WithLabelValues("out").Add(float64(q.given))
	}
}

// deny counts a denial.
func (m *Metrics) deny(code string) {
	if m == nil {
		return
	}
	if !slices.Contains(deniedCodes, code) {
		code = unnamed
	}
	m.denials.WithLabelValues(code).Inc()
}
