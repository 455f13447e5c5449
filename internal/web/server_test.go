package web_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/internal/web"
)

// serve runs a server until the test ends or stop is called, which returns what Run did.
func serve(t *testing.T, h http.Handler, o web.ServerOptions) (address string, stop func() error) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	srv := web.NewServer("test", l, h, o)
	go func() { ended <- srv.Run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() })
	return srv.Addr().String(), stop
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// answer reads one answer from c; it fails after 10 s.
func answer(t *testing.T, c net.Conn) (status int, body string, err error) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// get asks on a connection of its own.
func get(t *testing.T, address string) (int, error) {
	t.Helper()
	c := dial(t, address)
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	status, _, err := answer(t, c)
	return status, err
}

// isCut reports that the server ends the connection in less than 10 s, whatever it says before.
func isCut(t *testing.T, c net.Conn) bool {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, c)
	netErr, timeout := errors.AsType[net.Error](err)
	return !timeout || !netErr.Timeout()
}

func TestSlowHeadersAreCut(t *testing.T) {
	address, _ := serve(t, http.HandlerFunc(ok), web.ServerOptions{HeaderTimeout: 200 * time.Millisecond})
	c := dial(t, address)
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")

	if !isCut(t, c) {
		t.Error("connection with half a header stays open")
	}
}

func TestSlowBodiesAreCut(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("POST /", web.Handler(func(_ http.ResponseWriter, r *http.Request) error {
		var v any
		return web.DecodeJSON(r, &v)
	}))
	h, err := web.Wrap(mux, web.Options{})
	if err != nil {
		t.Fatal(err)
	}
	address, _ := serve(t, h, web.ServerOptions{ReadTimeout: 200 * time.Millisecond})
	c := dial(t, address)
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", address)

	status, body, err := answer(t, c)
	if err != nil || status != http.StatusRequestTimeout || !strings.Contains(body, "request-timeout") {
		t.Errorf("got %d %q %v, want 408", status, body, err)
	}
	if !isCut(t, c) {
		t.Error("connection stays open")
	}
}

func TestClientsThatDoNotReadAreCut(t *testing.T) {
	done := make(chan error, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for err == nil {
			_, err = w.Write(make([]byte, 1<<20))
		}
		done <- err
	})
	address, _ := serve(t, h, web.ServerOptions{WriteTimeout: 200 * time.Millisecond})
	c := dial(t, address)
	_, _ = fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")

	select {
	case <-done: //nolint:errcheck // it may fail or not: it must end
	case <-time.After(10 * time.Second):
		t.Error("handler still writes to a client that does not read")
	}
}

func TestHugeHeadersAreRefused(t *testing.T) {
	address, _ := serve(t, http.HandlerFunc(ok), web.ServerOptions{})
	for _, c := range []struct {
		name string
		size int
		want int
	}{{"60 KiB", 60 << 10, 204}, {"1 MiB", 1 << 20, 431}} {
		conn := dial(t, address)
		go fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Big: %s\r\n\r\n", strings.Repeat("a", c.size))
		status, _, err := answer(t, conn)
		if err != nil || status != c.want {
			t.Errorf("%s: got %d %v, want %d", c.name, status, err, c.want)
		}
	}
}

func TestHugeBodyIsRefusedBeforeItIsSent(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", ok)
	h, err := web.Wrap(mux, web.Options{})
	if err != nil {
		t.Fatal(err)
	}
	address, _ := serve(t, h, web.ServerOptions{})
	c := dial(t, address)
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000000000\r\n\r\n", address)

	if status, body, err := answer(t, c); err != nil || status != 413 || !strings.Contains(body, "too-large") {
		t.Errorf("got %d %q %v, want 413", status, body, err)
	}
	if !isCut(t, c) {
		t.Error("connection stays open for the body")
	}
}

func TestSlowClientsDoNotKeepOthersOut(t *testing.T) {
	for name, request := range map[string]string{
		"silent":      "",
		"half header": "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"half body":   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nslow",
		"idle":        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.Copy(io.Discard, r.Body); err == nil {
					ok(w, r)
				}
			})
			address, _ := serve(t, h, web.ServerOptions{MaxConns: 20})
			for range 100 {
				_, _ = io.WriteString(dial(t, address), request) // it may have been sent away already
			}
			for range 20 {
				if status, err := get(t, address); err != nil || status != 204 {
					t.Fatalf("got %d %v, want 204", status, err)
				}
			}
		})
	}
}

func TestRequestsInHandAreNotSentAway(t *testing.T) {
	begun, goOn := make(chan bool, 1), make(chan bool)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/work" {
			begun <- true
			<-goOn
		}
		ok(w, r)
	})
	address, _ := serve(t, h, web.ServerOptions{MaxConns: 2})
	worker := dial(t, address)
	fmt.Fprintf(worker, "GET /work HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	for range 10 {
		dial(t, address) // silent, and in the way
		if status, err := get(t, address); err != nil || status != 204 {
			t.Fatalf("beside it: got %d %v", status, err)
		}
	}
	close(goOn)
	if status, _, err := answer(t, worker); err != nil || status != 204 {
		t.Errorf("work in hand: got %d %v, want 204", status, err)
	}
}

func TestStopLetsWorkInHandEnd(t *testing.T) {
	begun, goOn := make(chan bool, 1), make(chan bool)
	address, stop := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- true
		<-goOn
		ok(w, r)
	}), web.ServerOptions{})
	c := dial(t, address)
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	awaitClosed(t, address)
	close(goOn)

	if status, _, err := answer(t, c); err != nil || status != 204 {
		t.Errorf("work in hand: got %d %v, want 204", status, err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
}

func TestStopCutsWhatDoesNotEnd(t *testing.T) {
	begun := make(chan bool, 1)
	address, stop := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		begun <- true
		<-r.Context().Done()
	}), web.ServerOptions{Drain: 50 * time.Millisecond})
	fmt.Fprintf(dial(t, address), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun

	if err := stop(); err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
}

func TestStopEndsStreamsAtOnce(t *testing.T) {
	begun := make(chan bool, 1)
	address, stop := serve(t, web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel, err := web.Stream(w, r)
		if err != nil {
			return err
		}
		defer cancel()
		begun <- true
		<-ctx.Done()
		return nil
	}), web.ServerOptions{})
	fmt.Fprintf(dial(t, address), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun

	began := time.Now()
	if err := stop(); err != nil || time.Since(began) > 10*time.Second {
		t.Errorf("Run: got %v after %v, want nil well before the drain time", err, time.Since(began))
	}
}

func TestHandlersSeeTheTLSConnection(t *testing.T) {
	model := httptest.NewTLSServer(nil) // for its certificate
	defer model.Close()
	address, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.TLS != nil, r.Proto)
	}), web.ServerOptions{TLS: &tls.Config{Certificates: model.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}}})

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := model.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err != nil || !strings.HasPrefix(string(b), "true") {
		t.Errorf("got %q %v, want TLS", b, err)
	}
}

func TestListenerThatBreaksEndsRun(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := web.NewServer("test", l, http.HandlerFunc(ok), web.ServerOptions{}).Run(t.Context()); err == nil {
		t.Error("got nil, want the listener's error")
	}
}

// awaitClosed returns once nobody listens at the address.
func awaitClosed(t *testing.T, address string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-tick.C {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			return
		}
		_ = c.Close()
	}
	t.Fatal("listener is still open after 10 s")
}
