package app

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"

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
				Action: "api.refuse", Target: r.Method + " " + withoutCode(r.URL.Path), Outcome: audit.Refused, Reason: strconv.Itoa(status),
			})
			if err != nil {
				slog.WarnContext(r.Context(), "refusal was not recorded", "error", err)
			}
		})
	}
}

// coded are the paths that end in a mailed code: whoever has one gets in, so that it
// stands in no log.
var coded = []string{"/setup/", "/login/link/"}

func withoutCode(path string) string {
	for _, p := range coded {
		if before, _, ok := strings.Cut(path, p); ok {
			return before + p + "{code}"
		}
	}
	return path
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
