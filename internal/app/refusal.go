package app

import (
	"log/slog"
	"net/http"
	"strconv"

	"signet/internal/audit"
	"signet/internal/web"
)

// recordRefusals puts answers with the status on record: who was refused what. The
// log samples them, since anybody can cause them.
func recordRefusals(l *audit.Log, status int) web.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen := &statusWriter{ResponseWriter: w}
			next.ServeHTTP(seen, r)
			if seen.status != status {
				return
			}
			err := l.RecordAlone(r.Context(), audit.Event{
				Action: "api.refuse", Target: r.Method + " " + r.URL.Path, Outcome: audit.Refused, Reason: strconv.Itoa(status),
			})
			if err != nil {
				slog.WarnContext(r.Context(), "refusal was not recorded", "error", err)
			}
		})
	}
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter

	status int
}

// WriteHeader implements [http.ResponseWriter].
func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
