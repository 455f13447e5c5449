// Package web is what every HTTP listener stands on: handlers that return their
// error, one table from fault kinds to statuses, middleware, the huma API under
// /api/v1, and a server that cuts slow clients and drains on stop.
//
// Put [Wrap] around the mux of a listener, [Handler] around each handler, and
// give both to a [Server].
package web

import (
	"context"
	"net/http"
	"slices"

	"signet/internal/ticket"
)

// Middleware puts work around a handler.
type Middleware func(http.Handler) http.Handler

// Chain puts the middleware around h; the first is the outermost.
func Chain(h http.Handler, list ...Middleware) http.Handler {
	for _, m := range slices.Backward(list) {
		h = m(h)
	}
	return h
}

// Handler makes an http.Handler of a function that returns its error, which is
// answered by [Fail]. A function that has begun its answer and then fails aborts
// the connection, so that the client does not take a part for the whole.
func Handler(f func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := recorderOf(w)
		if err := f(rec, r); err != nil {
			Fail(rec, r, err)
		}
	})
}

// Fail answers the request with err: a problem (see [ProblemOf]) in the form that
// [Errors] chose for this route, RFC 9457 JSON unless it chose another. What
// clients must not see is logged here, once.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	rec := recorderOf(w)
	p := ProblemOf(r.Context(), err)
	p.log(r.Context(), routeOf(r), err)
	switch {
	case p.Status == statusClientGone:
		rec.status = statusClientGone // for the access log; nobody reads an answer
	case rec.begun():
		panic(http.ErrAbortHandler)
	default:
		p.setHeaders(rec.Header())
		writerFrom(r.Context())(rec, r, p)
	}
}

// ErrorWriter writes the answer to a failed request. The headers that belong to
// the problem are set already.
type ErrorWriter func(w http.ResponseWriter, r *http.Request, p *Problem)

// Errors makes the routes below it answer their failures by write, for protocols
// that have a form of their own (S3 XML, OAuth JSON, pages).
func Errors(write ErrorWriter) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), writerKey{}, write)))
		})
	}
}

type writerKey struct{}

func writerFrom(ctx context.Context) ErrorWriter {
	if write, ok := ctx.Value(writerKey{}).(ErrorWriter); ok {
		return write
	}
	return WriteProblem
}

// Caller returns the verified caller of the request, or nil.
func Caller(r *http.Request) *ticket.Ticket { return ticket.From(r.Context()) }
