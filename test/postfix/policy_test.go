package postfix_test

import (
	"net"
	"sync"
	"testing"

	"signet/internal/policyproto"
)

// policy is a policy service that keeps what it was asked and gives one answer.
type policy struct {
	listener net.Listener
	answer   func(*policyproto.Request) policyproto.Action

	mu      sync.Mutex
	asked   []policyproto.Request
	open    []net.Conn
	running sync.WaitGroup
}

func startPolicy(t *testing.T, answer func(*policyproto.Request) policyproto.Action) *policy {
	t.Helper()
	return startPolicyAt(t, "127.0.0.1:0", answer)
}

func startPolicyAt(t *testing.T, addr string, answer func(*policyproto.Request) policyproto.Action) *policy {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	p := &policy{listener: l, answer: answer}
	p.running.Go(p.accept)
	t.Cleanup(p.stop)
	return p
}

func dunno(*policyproto.Request) policyproto.Action { return policyproto.Dunno() }

func (p *policy) addr() string { return p.listener.Addr().String() }

// requests returns what was asked up to now.
func (p *policy) requests() []policyproto.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]policyproto.Request(nil), p.asked...)
}

// last returns the latest request, which must be the only one since the call before.
func (p *policy) last(t *testing.T) policyproto.Request {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.asked) != 1 {
		t.Fatalf("policy service was asked %d times, want once", len(p.asked))
	}
	q := p.asked[0]
	p.asked = nil
	return q
}

func (p *policy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.open = append(p.open, conn)
		p.mu.Unlock()
		p.running.Go(func() { p.serve(conn) })
	}
}

func (p *policy) serve(conn net.Conn) {
	defer conn.Close()
	r := policyproto.NewReader(conn)
	var q policyproto.Request
	for r.Read(&q) == nil {
		p.mu.Lock()
		p.asked = append(p.asked, q)
		p.mu.Unlock()
		if _, err := conn.Write(p.answer(&q).AppendTo(nil)); err != nil {
			return
		}
	}
}

// stop ends the service as a crash would: connections are cut.
func (p *policy) stop() {
	_ = p.listener.Close()
	p.mu.Lock()
	for _, conn := range p.open {
		_ = conn.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}
