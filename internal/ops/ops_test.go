package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signet/internal/fault"
	"signet/internal/ops"
	"signet/internal/web"
)

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
	return w
}

type ready struct {
	Status string
	Checks []struct{ Name, Status, Detail string }
}

func readiness(t *testing.T, h http.Handler) (int, ready) {
	t.Helper()
	w := get(t, h, "/ready")
	var r ready
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return w.Code, r
}

func TestReadyNamesEachDependency(t *testing.T) {
	h := ops.Routes(ops.NewRegistry("1.2.3"), nil,
		ops.Check{Name: "database", Run: func(context.Context) error { return nil }},
		ops.Check{Name: "redis", Run: func(context.Context) error { return errors.New("dial redis://:hunter2@x") }},
		ops.Check{Name: "disk", Run: func(context.Context) error { return fault.New(fault.NoSpace, "3 MiB left") }},
	)
	code, got := readiness(t, h)
	if code != 503 || got.Status != "not ready" || len(got.Checks) != 3 {
		t.Fatalf("got %d %+v", code, got)
	}
	if c := got.Checks[0]; c.Name != "database" || c.Status != "ok" {
		t.Errorf("database: got %+v", c)
	}
	if c := got.Checks[1]; c.Name != "redis" || c.Status != "failed" || c.Detail != "" {
		t.Errorf("redis: got %+v, want failed without its error's text", c)
	}
	if c := got.Checks[2]; c.Status != "failed" || c.Detail != "3 MiB left" {
		t.Errorf("disk: got %+v, want the fault's text", c)
	}
	if w := get(t, h, "/health"); w.Code != 200 {
		t.Errorf("health: got %d, want 200 whatever the dependencies say", w.Code)
	}
}

func TestDependencyThatHangsIsAskedOnceAndReportedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		release := make(chan bool)
		h := ops.Routes(ops.NewRegistry("1"), nil, ops.Check{Name: "database", Timeout: time.Second, Run: func(context.Context) error {
			asked.Add(1)
			<-release // deaf to its deadline
			return nil
		}})
		for range 3 {
			began := time.Now()
			code, got := readiness(t, h)
			if took := time.Since(began); code != 503 || got.Checks[0].Status != "timeout" || took != time.Second {
				t.Errorf("got %d %+v after %v, want timeout after 1s", code, got, took)
			}
			<-time.After(2 * time.Second)
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times while it hung, want once", n)
		}
		close(release)
		if code, got := readiness(t, h); code != 200 || got.Status != "ready" {
			t.Errorf("afterwards: got %d %+v, want ready", code, got)
		}
	})
}

func TestDependencyIsAskedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		h := ops.Routes(ops.NewRegistry("1"), nil, ops.Check{Name: "database", Run: func(context.Context) error {
			asked++
			return nil
		}})
		for range 50 {
			readiness(t, h)
			<-time.After(100 * time.Millisecond)
		}
		if asked != 5 {
			t.Errorf("asked %d times in 5 s, want 5", asked)
		}
	})
}

func TestLossAndReturnAreLoggedOnce(t *testing.T) {
	var mu sync.Mutex
	var log strings.Builder
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil)))

	synctest.Test(t, func(t *testing.T) {
		var failure error
		h := ops.Routes(ops.NewRegistry("1"), nil, ops.Check{Name: "database", Run: func(context.Context) error { return failure }})
		for _, failure = range []error{nil, errors.New("away"), errors.New("away"), nil, nil} {
			readiness(t, h)
			<-time.After(2 * time.Second)
		}
	})
	if s := log.String(); strings.Count(s, "dependency lost") != 1 || strings.Count(s, "dependency back") != 1 {
		t.Errorf("got log:\n%s\nwant one loss and one return", s)
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  *strings.Builder
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func TestMetricsStartAtZero(t *testing.T) {
	reg := ops.NewRegistry("1.2.3")
	observe := ops.NewHTTP(reg).Of("public")
	mux := ops.Routes(reg, nil,
		ops.Check{Name: "database", Run: func(context.Context) error { return nil }},
		ops.Check{Name: "redis", Run: func(context.Context) error { return errors.New("away") }})
	h, err := web.Wrap(mux, web.Options{Hosts: []string{"example.com"}, Observe: observe})
	if err != nil {
		t.Fatal(err)
	}
	has := func(want ...string) {
		t.Helper()
		body := get(t, h, "/metrics").Body.String()
		for _, line := range want {
			if !strings.Contains(body, line) {
				t.Errorf("metrics lack %q", line)
			}
		}
	}
	has(`signet_http_requests_total{class="5xx",listener="public"} 0`, `version="1.2.3"`, "go_goroutines", "process_open_fds",
		`signet_dependency_up{dependency="database"} 1`, `signet_dependency_up{dependency="redis"} 0`)
	get(t, h, "/nowhere")
	has(`signet_http_requests_total{class="2xx",listener="public"} 1`, `signet_http_requests_total{class="4xx",listener="public"} 1`,
		`signet_http_request_duration_seconds_count{listener="public"} 2`)
}

func TestProfilesAreNotServed(t *testing.T) {
	if w := get(t, ops.Routes(ops.NewRegistry("1"), nil), "/debug/pprof/"); w.Code != 404 {
		t.Errorf("got %d, want 404", w.Code)
	}
}

func TestHealthSaysWhatOperatorsShouldKnowAndStaysAlive(t *testing.T) {
	var notes []string
	h := ops.Routes(ops.NewRegistry("1"), func() []string { return notes })
	if w := get(t, h, "/health"); w.Code != 200 || w.Body.String() != `{"status":"alive"}`+"\n" {
		t.Errorf("nothing to say: got %d %s", w.Code, w.Body)
	}
	notes = []string{"a bypass is on"}
	if w := get(t, h, "/health"); w.Code != 200 || w.Body.String() != `{"status":"alive","notes":["a bypass is on"]}`+"\n" {
		t.Errorf("a note: got %d %s", w.Code, w.Body)
	}
}
