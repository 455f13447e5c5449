package web

import (
	"cmp"
	"net/http"
	"net/netip"
	"time"
)

const (
	defaultMaxBody  = 1 << 20
	defaultDeadline = 30 * time.Second
)

// Options is what differs between listeners.
type Options struct {
	Hosts    []string                             // names and origins that Host may be; see [Hosts]
	Proxies  []netip.Prefix                       // whose X-Forwarded-For and X-Request-Id are believed
	MaxBody  int64                                // bytes; 0 means 1 MiB, below 0 no cap (the handler has its own)
	Deadline time.Duration                        // of one request; 0 means 30 s, below 0 none
	Limiter  Limiter                              // nil allows everything
	Errors   ErrorWriter                          // nil answers RFC 9457 problems
	Observe  func(status int, took time.Duration) // is told of each answer; may be nil
	Inner    []Middleware                         // directly around the mux, such as [Authenticate]
	AnyURL   bool                                 // paths and queries need not be text; S3 keys are judged by their own rules
}

// Wrap puts the middleware of every listener around its mux, in the one order in
// which each can rely on those outside it. It fails where Hosts is malformed.
func Wrap(mux *http.ServeMux, o Options) (http.Handler, error) {
	return Around(routes(mux), o)
}

// Around is Wrap for what finds its routes itself, and names them in [http.Request.Pattern].
func Around(h http.Handler, o Options) (http.Handler, error) {
	hosts, err := Hosts(o.Hosts...)
	if err != nil {
		return nil, err
	}
	list := []Middleware{Identify(o.Proxies), AccessLog(o.Observe)}
	if o.Errors != nil {
		list = append(list, Errors(o.Errors))
	}
	list = append(list, Recover, SecurityHeaders, hosts)
	if o.Limiter != nil {
		list = append(list, RateLimit(o.Limiter))
	}
	if !o.AnyURL {
		list = append(list, CleanURL)
	}
	if o.MaxBody >= 0 {
		list = append(list, MaxBody(cmp.Or(o.MaxBody, defaultMaxBody)))
	}
	if o.Deadline >= 0 {
		list = append(list, Deadline(cmp.Or(o.Deadline, defaultDeadline)))
	}
	list = append(list, o.Inner...)
	return Chain(h, append(list, noteRoute)...), nil
}

// routes answers what no route matches in the form of the listener's errors,
// where the mux itself would answer plain text.
func routes(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		sink := &sink{header: http.Header{}}
		h.ServeHTTP(sink, r)
		if sink.status == http.StatusMethodNotAllowed {
			Fail(w, r, WithHeader(errMethod, "Allow", sink.header.Get("Allow")))
			return
		}
		Fail(w, r, errNoRoute)
	})
}

// sink keeps the status and headers of an answer that is not sent.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }
