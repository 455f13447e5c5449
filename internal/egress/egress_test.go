package egress_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signet/internal/egress"
	"signet/internal/fault"
)

// serve starts a TLS server on loopback and returns it with the host:port of an
// allow-list and a configuration that trusts its certificate.
func serve(t *testing.T, h http.HandlerFunc) (srv *httptest.Server, hostPort string, c egress.Config) {
	t.Helper()
	srv = httptest.NewTLSServer(h)
	t.Cleanup(srv.Close)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return srv, strings.TrimPrefix(srv.URL, "https://"), egress.Config{Roots: roots, MaxBody: 1000, Log: slog.New(slog.DiscardHandler)}
}

func client(t *testing.T, c egress.Config) *egress.Client {
	t.Helper()
	e, err := egress.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.CloseIdle)
	return e
}

func port(t *testing.T, hostPort string) int {
	t.Helper()
	_, p, err := net.SplitHostPort(hostPort)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestInsideIsReachedOnlyWhereItIsAllowed(t *testing.T) {
	srv, hostPort, base := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "inside") })
	p := port(t, hostPort)
	mapped := "https://[::ffff:127.0.0.1]:" + strconv.Itoa(p)
	local := "https://localhost:" + strconv.Itoa(p)
	tests := []struct {
		name  string
		url   string
		ports []int
		allow []string
		want  bool
	}{
		{"nothing allowed", srv.URL, nil, nil, false},
		{"port alone", srv.URL, []int{p}, nil, false},
		{"port alone, by a name that resolves to the inside", local, []int{p}, nil, false},
		{"port alone, by a mapped address", mapped, []int{p}, nil, false},
		{"network alone", srv.URL, nil, []string{"127.0.0.0/8"}, false},
		{"network and port", srv.URL, []int{p}, []string{"127.0.0.0/8"}, true},
		{"another network and port", srv.URL, []int{p}, []string{"10.0.0.0/8"}, false},
		{"host and port", srv.URL, nil, []string{hostPort}, true},
		{"host with another port", srv.URL, nil, []string{"127.0.0.1:1"}, false},
		{"another name of the host", local, nil, []string{hostPort}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := base
			c.Ports, c.Allow = tt.ports, tt.allow
			got, err := client(t, c).Get(t.Context(), tt.url)
			if tt.want && (err != nil || string(got.Body) != "inside" || got.Status != http.StatusOK) {
				t.Errorf("got %+v, %v; want inside", got, err)
			}
			if !tt.want && !errors.Is(err, egress.ErrUnreachable) {
				t.Errorf("got %+v, %v; want ErrUnreachable", got, err)
			}
		})
	}
}

func TestEveryFailureHasOneText(t *testing.T) {
	stop := make(chan struct{})
	srv, hostPort, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/head":
			w.Header().Set("X", strings.Repeat("x", 70<<10))
		case "/long":
			_, _ = w.Write(make([]byte, 1001))
		case "/chunked":
			for range 1001 {
				_, _ = w.Write([]byte{'x'})
			}
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(make([]byte, 1<<20))
			_ = z.Close()
		case "/slow":
			<-stop
		case "/slow-body":
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			<-stop
		case "/cut":
			panic(http.ErrAbortHandler)
		}
	})
	t.Cleanup(func() { close(stop) }) // before the server waits for its handlers
	var log bytes.Buffer
	c.Allow, c.Timeout = []string{hostPort}, 300*time.Millisecond
	c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	e := client(t, c)
	c.Roots = nil
	distrustful := client(t, c)
	for name, get := range map[string]func(context.Context) (*egress.Response, error){
		"certificate": func(ctx context.Context) (*egress.Response, error) { return distrustful.Get(ctx, srv.URL) },
		"cancelled": func(ctx context.Context) (*egress.Response, error) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return e.Get(ctx, srv.URL)
		},
	} {
		if _, err := get(t.Context()); err != egress.ErrUnreachable { //nolint:errorlint // not even wrapped in words
			t.Errorf("%s: got %v, want ErrUnreachable", name, err)
		}
	}
	for _, u := range []string{
		srv.URL + "/redirect", srv.URL + "/head", srv.URL + "/long", srv.URL + "/chunked", srv.URL + "/bomb", srv.URL + "/slow", srv.URL + "/slow-body", srv.URL + "/cut",
		"http://" + hostPort, "ftp://" + hostPort, "file:///etc/passwd", "https://user:password@" + hostPort, "https://user:password@host:pass word/", "https://user:password@[::", "https://", "https:///x", "//" + hostPort, "", "::",
		"https://127.0.0.1:1", "https://10.0.0.1", "https://169.254.169.254/latest/meta-data", "https://[::1]", "https://[fe80::1%25lo]", "https://[64:ff9b::7f00:1]",
		"https://0x7f000001", "https://2130706433", "https://127.1", "https://0", "https://localhost", "https://nowhere.invalid",
	} {
		log.Reset()
		got, err := e.Get(t.Context(), u)
		if err != egress.ErrUnreachable || got != nil { //nolint:errorlint // not even wrapped in words
			t.Errorf("%s: got %+v, %v; want ErrUnreachable", u, got, err)
		}
		if !strings.Contains(log.String(), "level=DEBUG") || strings.Contains(log.String(), "password") {
			t.Errorf("%s: logged %q, want the detail at debug", u, log.String())
		}
	}
}

func TestRedirectIsNeverFollowed(t *testing.T) {
	var hits atomic.Int32
	srv, hostPort, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/secret" {
			hits.Add(1)
		}
		status, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		http.Redirect(w, r, "/secret", status)
	})
	c.Allow = []string{hostPort}
	e := client(t, c)
	for _, status := range []string{"301", "302", "303", "307", "308"} {
		if _, err := e.Get(t.Context(), srv.URL+"/"+status); !errors.Is(err, egress.ErrUnreachable) {
			t.Errorf("%s: got %v, want ErrUnreachable", status, err)
		}
		if res, err := e.HTTP().Get(srv.URL + "/" + status); err == nil { //nolint:noctx // as a library would
			t.Errorf("%s by HTTP(): got %d, want an error", status, res.StatusCode)
			_ = res.Body.Close()
		} else if f, ok := fault.As(err); !ok || f != egress.ErrUnreachable {
			t.Errorf("%s by HTTP(): got %v, want ErrUnreachable in it", status, err)
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("the target was asked %d times", n)
	}
}

func TestBodyOfExactlyTheLimitArrivesWhole(t *testing.T) {
	srv, hostPort, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		if r.URL.Path == "/chunked" {
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = w.Write(bytes.Repeat([]byte{'x'}, 1000))
	})
	c.Allow = []string{hostPort}
	for _, path := range []string{"/length", "/chunked"} {
		got, err := client(t, c).Get(t.Context(), srv.URL+path)
		if err != nil || len(got.Body) != 1000 || got.Status != http.StatusNotFound {
			t.Errorf("%s: got %+v, %v; want 404 with 1,000 bytes", path, got, err)
		}
	}
}

func TestProxyOfTheEnvironmentIsIgnored(t *testing.T) {
	// net/http reads the environment once, so the requests are made by a process
	// that has had it from its start.
	if os.Getenv("HTTP_PROXY") == "" {
		var asked atomic.Bool
		proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
		t.Cleanup(proxy.Close)
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "HTTP_PROXY="+proxy.URL, "HTTPS_PROXY="+proxy.URL, "ALL_PROXY="+proxy.URL)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if asked.Load() {
			t.Error("the proxy was asked")
		}
		return
	}
	c := client(t, egress.Config{Timeout: 300 * time.Millisecond, Log: slog.New(slog.DiscardHandler), Loopback: true})
	for _, u := range []string{"https://10.0.0.1", "https://proxied.invalid", "http://proxied.invalid"} {
		if got, err := c.Get(t.Context(), u); err == nil {
			t.Errorf("%s: got %+v, want an error", u, got)
		}
	}
}

func TestDevelopmentReachesLoopbackAndNothingElseInside(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "peer") }))
	t.Cleanup(plain.Close)
	srv, _, c := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "peer") })
	c.Loopback = true
	e := client(t, c)
	u, _ := url.Parse(plain.URL)
	for _, reachable := range []string{plain.URL, srv.URL, "http://localhost:" + u.Port()} {
		if got, err := e.Get(t.Context(), reachable); err != nil || string(got.Body) != "peer" {
			t.Errorf("%s: got %+v, %v", reachable, got, err)
		}
	}
	for _, refused := range []string{"http://10.0.0.1", "http://example.com.invalid", "http://192.0.2.1:80", "https://10.0.0.1", "http://[fd00::1]"} {
		if got, err := e.Get(t.Context(), refused); !errors.Is(err, egress.ErrUnreachable) {
			t.Errorf("%s: got %+v, %v; want ErrUnreachable", refused, got, err)
		}
	}
}

func TestUnreadableAllowListIsRefused(t *testing.T) {
	for _, entry := range []string{"", "peer", "10.0.0.1", "10.0.0.0/33", "peer:", ":443", "peer:0", "peer:70000", "https://peer:443"} {
		if _, err := egress.New(egress.Config{Allow: []string{entry}}); !errors.Is(err, egress.ErrAllow) {
			t.Errorf("%q: got %v, want ErrAllow", entry, err)
		}
	}
}
