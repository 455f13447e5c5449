package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"signet/internal/deadline"
	"signet/internal/fault"
)

var (
	errBadURL  = fault.New(fault.Malformed, "path and query must be UTF-8 without NUL")
	errTooMany = fault.New(fault.TooMany, "too many requests; slow down")
)

// MaxBody refuses bodies of more than n bytes: at once where the length is
// declared, else when the handler has read so far.
func MaxBody(n int64) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength > n {
				w.Header().Set("Connection", "close") // instead of reading the rest
				Fail(w, r, &http.MaxBytesError{Limit: n})
				return
			}
			// MaxBytesReader asks its writer to close the connection; only net/http's own can.
			inner := w
			if rec, ok := w.(*recorder); ok {
				inner = rec.ResponseWriter
			}
			r.Body = http.MaxBytesReader(inner, r.Body, n)
			next.ServeHTTP(w, r)
		})
	}
}

// Deadline ends the context of each request after d. [Stream] lifts it.
func Deadline(d time.Duration) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, release := deadline.Within(context.WithValue(r.Context(), unlimitedKey{}, r.Context()), d)
			defer release()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

type unlimitedKey struct{}

// Stream prepares an answer without end, such as server-sent events: it lifts the
// request's deadline and the server's write timeout. The context ends when the
// client leaves or the server drains; the caller must set a write deadline of its
// own by http.ResponseController before each write, or slow clients hold it up.
func Stream(w http.ResponseWriter, r *http.Request) (context.Context, context.CancelFunc, error) {
	if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, nil, err
	}
	ctx := r.Context()
	if unlimited, ok := ctx.Value(unlimitedKey{}).(context.Context); ok {
		ctx = values{unlimited, ctx}
	}
	ctx, cancel := context.WithCancel(ctx)
	if draining, ok := ctx.Value(drainKey{}).(context.Context); ok {
		stop := context.AfterFunc(draining, cancel)
		return ctx, func() { stop(); cancel() }, nil
	}
	return ctx, cancel, nil
}

// values ends with its Context and has the values of another.
type values struct {
	context.Context
	from context.Context
}

func (v values) Value(key any) any { return v.from.Value(key) }

// Limiter decides whether a request may go on, and if not when it may be tried again.
type Limiter interface {
	Allow(r *http.Request) (retry time.Duration, ok bool)
}

// RateLimit answers 429 with Retry-After where l does not allow the request.
func RateLimit(l Limiter) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if retry, ok := l.Allow(r); !ok {
				Fail(w, r, errTooMany.After(max(retry, time.Second)))
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// CleanURL refuses paths and queries that no text column could keep: those with NUL
// or invalid UTF-8 once decoded.
func CleanURL(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !cleanURL(r) {
			Fail(w, r, errBadURL)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func cleanURL(r *http.Request) bool {
	if !cleanText(r.URL.Path) {
		return false
	}
	if r.URL.RawQuery == "" {
		return true
	}
	for key, list := range r.URL.Query() {
		if !cleanText(key) || !cleanText(strings.Join(list, "")) {
			return false
		}
	}
	return true
}

func cleanText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }
