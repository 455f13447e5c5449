package faults_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	signettest "signet/test/signet"
)

// memoryBar is what an instance may have at most, in bytes, whoever is connected.
const memoryBar = 256 << 20

// Thousands of clients that send a byte now and then keep nobody from being served.
func TestSlowClientsKeepNobodyOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, signettest.Options{})
	l := s.startLoad(t, s.signet)
	s.more(t, "PREPEND", 20, 20*time.Second)
	count := size(1000, 10_000)
	for _, c := range []struct{ name, addr, begin, more string }{
		{"HTTP", strings.TrimPrefix(s.signet.Origin, "http://"), "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ", "a"},
		{"policy", s.signet.Policy, "request=smtpd_access_policy\nsender=", "a"},
	} {
		s.restart()
		conns := connect(t, c.addr, c.begin, count)
		trickle(conns, c.more)
		s.more(t, "PREPEND", 100, 20*time.Second)
		s.awaitWrite(t, backWithin)
		trickle(conns, c.more)
		s.more(t, "PREPEND", 100, 20*time.Second)
		rss := s.signet.RSS()
		t.Logf("%d slow %s clients: %d MiB, slowest answer %v", len(conns), c.name, rss>>20, s.slowestAnswer())
		if rss > memoryBar {
			t.Errorf("%d slow %s clients: %d MiB, want %d at most", len(conns), c.name, rss>>20, memoryBar>>20)
		}
		if slowest := s.slowestAnswer(); slowest > answerBar {
			t.Errorf("%d slow %s clients: a mail was answered after %v, want %v at most", len(conns), c.name, slowest, answerBar)
		}
		for _, conn := range conns {
			_ = conn.Close()
		}
	}
	l.end()
	s.verify(t, s.signet)
}

// connect opens connections and begins a request on each. Those that the server
// closes again at once count too.
func connect(t *testing.T, addr, begin string, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, 0, n)
	t.Cleanup(func() {
		for _, c := range conns {
			_ = c.Close()
		}
	})
	for range n {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatalf("connection %d: %v", len(conns), err)
		}
		conns = append(conns, c)
		_, _ = io.WriteString(c, begin)
	}
	return conns
}

// trickle sends a little more on each connection that is still open.
func trickle(conns []net.Conn, more string) {
	for _, c := range conns {
		_, _ = io.WriteString(c, more)
	}
}

// Requests of any size are refused before they take memory.
func TestHugeRequestsTakeNoMemory(t *testing.T) {
	t.Parallel()
	s := newSite(t, signettest.Options{})
	l := s.startLoad(t, s.signet)
	s.more(t, "PREPEND", 20, 20*time.Second)
	huge := bytes.Repeat([]byte("x"), 8<<20)
	attacks := map[string]func(t *testing.T){
		"body": func(t *testing.T) { s.post(t, "", huge, http.StatusRequestEntityTooLarge) },
		"header": func(t *testing.T) {
			s.post(t, string(huge[:1<<20]), []byte("{}"), http.StatusRequestHeaderFieldsTooLarge)
		},
		"policy line":       func(t *testing.T) { s.refusedByPolicy(t, "sender="+string(huge)+"\n\n") },
		"policy attributes": func(t *testing.T) { s.refusedByPolicy(t, strings.Repeat("a=b\n", 100_000)+"\n") },
	}
	var all sync.WaitGroup
	for range size(8, 50) {
		for _, attack := range attacks {
			all.Go(func() { attack(t) })
		}
	}
	all.Wait()
	s.more(t, "PREPEND", 50, 20*time.Second)
	rss := s.signet.RSS()
	t.Logf("%d MiB; slowest answer %v", rss>>20, s.slowestAnswer())
	if rss > memoryBar {
		t.Errorf("%d MiB, want %d at most", rss>>20, memoryBar>>20)
	}
	l.end()
	s.verify(t, s.signet)
}

// post sends a body that has no declared length, and expects a status, or that the
// server has hung up on so much.
func (s *site) post(t *testing.T, header string, body []byte, status int) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.signet.Origin+"/api/v1/authroute/keys/generate", io.MultiReader(bytes.NewReader(body)))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.alice.Token)
	if header != "" {
		req.Header.Set("X-Huge", header)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			t.Errorf("no answer: %v", err)
		}
		return
	}
	defer res.Body.Close()
	if res.StatusCode != status {
		t.Errorf("got %s, want %d", res.Status, status)
	}
}

// refusedByPolicy sends a request that the policy service must not answer.
func (s *site) refusedByPolicy(t *testing.T, request string) {
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.signet.Policy)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, _ = io.WriteString(conn, request) // it hangs up in the middle
	answer, err := io.ReadAll(conn)
	if ne, ok := err.(net.Error); len(answer) > 0 || ok && ne.Timeout() { //nolint:errorlint // as net returns it
		t.Errorf("got answer %q, %v; want the end of the connection", answer, err)
	}
}
