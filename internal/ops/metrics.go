package ops

import (
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry returns a registry of an instance's metrics, which has those of the
// Go runtime, of the process, and signet_build_info.
func NewRegistry(version string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "signet_build_info", Help: "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision(), "go": runtime.Version()},
	})
	build.Set(1)
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build)
	return reg
}

func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// HTTP counts the answers of listeners.
type HTTP struct {
	answers *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

// NewHTTP returns the metrics signet_http_requests_total, by listener and class of
// status, and signet_http_request_duration_seconds, by listener.
func NewHTTP(reg *prometheus.Registry) *HTTP {
	m := &HTTP{
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "signet_http_requests_total", Help: "HTTP requests answered.",
		}, []string{"listener", "class"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "signet_http_request_duration_seconds", Help: "Time from a request's header to the end of its answer.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"listener"}),
	}
	reg.MustRegister(m.answers, m.seconds)
	return m
}

// Of returns the observer for web.Options of a listener, whose series start at 0.
func (m *HTTP) Of(listener string) func(status int, took time.Duration) {
	seconds := m.seconds.WithLabelValues(listener)
	var classes [6]prometheus.Counter
	for i := 1; i < len(classes); i++ {
		classes[i] = m.answers.WithLabelValues(listener, strconv.Itoa(i)+"xx")
	}
	return func(status int, took time.Duration) {
		if class := status / 100; class >= 1 && class < len(classes) {
			classes[class].Inc()
		}
		seconds.Observe(took.Seconds())
	}
}
