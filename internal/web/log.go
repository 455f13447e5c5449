package web

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"signet/internal/ticket"
)

// AccessLog logs every answer: method, route, status, bytes, time. Query strings,
// headers and bodies stay out of it, for they hold codes and tokens.
// observe, where given, is told of each answer too.
func AccessLog(observe func(status int, took time.Duration)) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r, rec, began := withRoute(r), recorderOf(w), time.Now()
			defer func() { //nolint:contextcheck // the deferred function uses the request's
				req, took := ticket.RequestFrom(r.Context()), time.Since(began)
				slog.InfoContext(r.Context(), "request answered", "request", req.ID, "address", req.Address,
					"method", methodLabel(r.Method), "route", routeOf(r), "status", rec.status, "bytes", rec.bytes, "took", took)
				if observe != nil {
					observe(rec.status, took)
				}
			}()
			next.ServeHTTP(rec, r)
			if !rec.begun() {
				rec.status = http.StatusOK // what net/http answers for a handler that wrote nothing
			}
		})
	}
}

// methodLabel keeps invented methods out of logs and metrics.
func methodLabel(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// Recover answers 500 for a handler that panicked, and logs the stack.
func Recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := recorderOf(w)
		defer func() { //nolint:contextcheck // the deferred function uses the request's
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint // it is the panic's value, as net/http compares it
				panic(v) // the way to cut the connection; net/http knows it
			}
			slog.ErrorContext(r.Context(), "handler panicked", "request", ticket.RequestFrom(r.Context()).ID,
				"route", routeOf(r), "panic", v, "stack", string(debug.Stack()))
			if rec.begun() {
				panic(http.ErrAbortHandler)
			}
			p := ProblemOf(r.Context(), errInternal)
			p.setHeaders(rec.Header())
			writerFrom(r.Context())(rec, r, p)
		}()
		next.ServeHTTP(rec, r)
	})
}
