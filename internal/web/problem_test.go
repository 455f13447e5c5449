package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"signet/internal/fault"
	"signet/internal/web"
)

func TestErrorsBecomeProblems(t *testing.T) {
	cases := []struct {
		name   string
		err    error
		status int
		word   string
	}{
		{"malformed", fault.New(fault.Malformed, "x"), 400, "malformed"},
		{"invalid", fault.New(fault.Invalid, "x"), 422, "invalid"},
		{"unauthorized", fault.New(fault.Unauthorized, "x"), 401, "unauthorized"},
		{"forbidden", fault.New(fault.Forbidden, "x"), 403, "forbidden"},
		{"not found", fault.New(fault.NotFound, "x"), 404, "not-found"},
		{"conflict", fault.New(fault.Conflict, "x"), 409, "conflict"},
		{"gone", fault.New(fault.Gone, "x"), 410, "gone"},
		{"too large", fault.New(fault.TooLarge, "x"), 413, "too-large"},
		{"too many", fault.New(fault.TooMany, "x"), 429, "too-many"},
		{"unavailable", fault.New(fault.Unavailable, "x"), 503, "unavailable"},
		{"timeout", fault.New(fault.Timeout, "x"), 504, "timeout"},
		{"no space", fault.New(fault.NoSpace, "x"), 507, "no-space"},
		{"internal fault", fault.New(fault.Internal, "secret"), 500, "internal"},
		{"unknown error", errors.New("secret"), 500, "internal"},
		{"wrapped", fmt.Errorf("find key: %w", fault.New(fault.NotFound, "x")), 404, "not-found"},
		{"named", fault.New(fault.Forbidden, "x").Named("step-up-required"), 403, "step-up-required"},
		{"deadline", fmt.Errorf("query: %w", context.DeadlineExceeded), 504, "timeout"},
		{"cancelled from inside", fmt.Errorf("query: %w", context.Canceled), 503, "unavailable"},
		{"disk full", fmt.Errorf("write: %w", syscall.ENOSPC), 507, "no-space"},
		{"database disk full", fmt.Errorf("insert: %w", &pgconn.PgError{Code: "53100"}), 507, "no-space"},
		{"database shut down", fmt.Errorf("insert: %w", &pgconn.PgError{Code: "57P01"}), 503, "unavailable"},
		{"database refuses", fmt.Errorf("begin: %w", syscall.ECONNREFUSED), 503, "unavailable"},
		{"lock not had", fmt.Errorf("insert: %w", &pgconn.PgError{Code: "55P03"}), 503, "unavailable"},
		{"statement too long", fmt.Errorf("insert: %w", &pgconn.PgError{Code: "57014"}), 504, "timeout"},
		{"body over the cap", fmt.Errorf("read: %w", &http.MaxBytesError{Limit: 5}), 413, "too-large"},
	}
	captureLog(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := do(t, failing(c.err), "GET", "/", "")
			p := problem(t, w)
			if w.Code != c.status || p.Type != "urn:signet:problem:"+c.word {
				t.Errorf("got %d %s, want %d %s", w.Code, p.Type, c.status, c.word)
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("answer tells an internal text: %s", w.Body)
			}
			if p.Title == "" || p.Detail == "" {
				t.Errorf("got %+v, want a title and a detail", p)
			}
		})
	}
}

func TestProblemCarriesFieldRequestAndRetry(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("GET /", failing(fault.New(fault.TooMany, "slow down").At("limit").After(1500*time.Millisecond)))
	w := do(t, wrap(t, mux, web.Options{}), "GET", "/", "")

	p := problem(t, w)
	if p.Field != "limit" || p.Detail != "slow down" || w.Header().Get("Retry-After") != "2" {
		t.Errorf("got %+v, Retry-After %q", p, w.Header().Get("Retry-After"))
	}
	if p.RequestID == "" || p.RequestID != w.Header().Get("X-Request-Id") {
		t.Errorf("request id: body %q, header %q, want the same", p.RequestID, w.Header().Get("X-Request-Id"))
	}
}

func TestInternalErrorIsLoggedOnceUnderItsRequest(t *testing.T) {
	log := captureLog(t)
	mux := http.NewServeMux()
	mux.Handle("GET /x", failing(errors.New("disk on fire")))
	w := do(t, wrap(t, mux, web.Options{}), "GET", "/x", "")

	if n := strings.Count(log.String(), "disk on fire"); n != 1 {
		t.Errorf("logged %d times, want once:\n%s", n, log)
	}
	if id := w.Header().Get("X-Request-Id"); !strings.Contains(log.String(), "level=ERROR msg=\"request failed\" request="+id) {
		t.Errorf("log does not name request %s:\n%s", id, log)
	}
}

func TestClientThatLeftIsNoError(t *testing.T) {
	log := captureLog(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	mux := http.NewServeMux()
	mux.Handle("GET /x", failing(fmt.Errorf("query: %w", context.Canceled)))
	r := httptest.NewRequestWithContext(ctx, "GET", "/x", http.NoBody)
	wrap(t, mux, web.Options{}).ServeHTTP(httptest.NewRecorder(), r)

	if s := log.String(); strings.Contains(s, "level=ERROR") || strings.Contains(s, "level=WARN") || !strings.Contains(s, "status=499") {
		t.Errorf("got log:\n%s\nwant only an access line with status 499", s)
	}
}

func TestEvery401SaysHowToAuthenticate(t *testing.T) {
	none := fault.New(fault.Unauthorized, "no credential")
	w := do(t, failing(none), "GET", "/", "")
	if got := w.Header().Get("WWW-Authenticate"); got != `Bearer realm="signet"` {
		t.Errorf("default: got %q", got)
	}
	w = do(t, failing(fmt.Errorf("x: %w", web.WithHeader(web.WithHeader(none, "WWW-Authenticate", "DPoP"), "DPoP-Nonce", "n"))), "GET", "/", "")
	if w.Header().Get("WWW-Authenticate") != "DPoP" || w.Header().Get("DPoP-Nonce") != "n" {
		t.Errorf("own challenge: got %v", w.Header())
	}
}

func TestRoutesMayHaveErrorsOfTheirOwnForm(t *testing.T) {
	detail := func(w http.ResponseWriter, _ *http.Request, p *web.Problem) {
		w.WriteHeader(p.Status)
		fmt.Fprintf(w, `{"detail":%q}`, p.Detail)
	}
	w := do(t, web.Chain(failing(fault.New(fault.Gone, "left")), web.Errors(detail)), "GET", "/", "")
	if w.Code != 410 || w.Body.String() != `{"detail":"left"}` {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestFailureAfterAnswerBeganCutsTheConnection(t *testing.T) {
	captureLog(t)
	h := web.Handler(func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = w.Write([]byte("half"))
		return errors.New("source broke")
	})
	defer func() {
		if v := recover(); v != http.ErrAbortHandler { //nolint:errorlint // a panic's value
			t.Errorf("got panic %v, want http.ErrAbortHandler", v)
		}
	}()
	do(t, h, "GET", "/", "")
}

func TestPanicIsAnsweredAndLoggedWithItsStack(t *testing.T) {
	log := captureLog(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /boom/{secret}", func(http.ResponseWriter, *http.Request) { panic("wires crossed") })
	w := do(t, wrap(t, mux, web.Options{}), "GET", "/boom/hunter2?code=hunter2", "")

	if p := problem(t, w); p.Status != 500 || strings.Contains(w.Body.String(), "wires") {
		t.Errorf("got %s", w.Body)
	}
	s := log.String()
	if !strings.Contains(s, "wires crossed") || !strings.Contains(s, "problem_test.go") || !strings.Contains(s, "GET /boom/{secret}") {
		t.Errorf("log lacks the panic, its stack or its route:\n%s", s)
	}
	if strings.Contains(s, "hunter2") {
		t.Errorf("log has a secret of the URL:\n%s", s)
	}
}
