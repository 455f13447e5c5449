package web

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// What a server allows unless its options say otherwise.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 30 * time.Second
	maxHeader     = 64 << 10
	maxConns      = 4096
)

// ServerOptions is what differs between servers; zero values mean the defaults.
type ServerOptions struct {
	TLS           *tls.Config   // nil serves plain HTTP
	HeaderTimeout time.Duration // for a request's header: 5 s
	ReadTimeout   time.Duration // for a whole request: 30 s; below 0 none. Handlers may extend it by http.ResponseController
	WriteTimeout  time.Duration // from a request's header to the end of its answer: 60 s; below 0 none
	IdleTimeout   time.Duration // between requests: 2 min
	Drain         time.Duration // for work in hand on stop: 30 s
	MaxConns      int           // connections at a time: 4096
}

// Server serves one listener.
type Server struct {
	name     string
	listener net.Listener
	http     *http.Server
	drain    time.Duration
	draining context.Context
	stop     context.CancelFunc
}

// NewServer returns a server of h on l, which is plain TCP also where options name
// TLS. Name stands in its log lines.
//
// Clients that are slow with a header, a body or an answer are cut at the
// timeouts. Where connections are at their cap, the one that has been without a
// request in hand for longest makes room, so that slow clients cannot keep others out.
func NewServer(name string, l net.Listener, h http.Handler, o ServerOptions) *Server {
	draining, stop := context.WithCancel(context.Background())
	crowd := newCrowd(l, cmp.Or(o.MaxConns, maxConns))
	return &Server{
		name: name, listener: crowd, drain: cmp.Or(o.Drain, drainTimeout), draining: draining, stop: stop,
		http: &http.Server{
			Handler:           crowd.watch(h),
			TLSConfig:         o.TLS,
			ReadHeaderTimeout: cmp.Or(o.HeaderTimeout, headerTimeout),
			ReadTimeout:       max(0, cmp.Or(o.ReadTimeout, readTimeout)),
			WriteTimeout:      max(0, cmp.Or(o.WriteTimeout, writeTimeout)),
			IdleTimeout:       cmp.Or(o.IdleTimeout, idleTimeout),
			MaxHeaderBytes:    maxHeader,
			// What clients do wrong on the wire is theirs to notice.
			ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
			BaseContext: func(net.Listener) context.Context {
				return context.WithValue(context.Background(), drainKey{}, draining)
			},
			ConnContext: keepGuest,
		},
	}
}

type drainKey struct{}

// Run serves until ctx ends, then closes the listener, lets work in hand end for
// up to the drain time, and cuts what is left. It returns nil after a stop that
// ctx asked for.
func (s *Server) Run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.serve() }()
	select {
	case err := <-served:
		s.stop()
		return fmt.Errorf("serve %s on %s: %w", s.name, s.listener.Addr(), err)
	case <-ctx.Done():
	}
	s.stop() // streams end at once, other work goes on
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.drain)
	defer cancel()
	if err := s.http.Shutdown(limit); err != nil {
		slog.WarnContext(ctx, "requests cut at stop", "listener", s.name, "after", s.drain, "error", err)
		_ = s.http.Close() // everything that can be closed is
	}
	<-served //nolint:errcheck // what ended is the stop that was asked for
	return nil
}

func (s *Server) serve() error {
	if s.http.TLSConfig != nil {
		return s.http.ServeTLS(s.listener, "", "")
	}
	return s.http.Serve(s.listener)
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }
