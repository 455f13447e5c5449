// Package proxytest gives tests a network between a server and its clients that can
// be taken away.
package proxytest

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy passes TCP connections on to one server. It is safe for concurrent use.
type Proxy struct {
	Addr string // host:port that clients connect to

	t        testing.TB
	upstream string
	listener net.Listener

	mu    sync.Mutex
	state state
	conns map[net.Conn]*pipe
}

type state int

const (
	passing state = iota
	cut
	silent
)

// pipe is a connection through the proxy.
type pipe struct {
	client, server net.Conn
	dead           bool
}

// New starts a proxy before the server at upstream, host:port. It ends with the test.
func New(t testing.TB, upstream string) *Proxy {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{t: t, Addr: l.Addr().String(), upstream: upstream, listener: l, conns: map[net.Conn]*pipe{}}
	go p.accept()
	t.Cleanup(func() {
		_ = l.Close()
		p.Cut()
	})
	return p
}

// Through returns a URL that leads to the server of another one through a new proxy.
func Through(t testing.TB, server string) (string, *Proxy) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := New(t, u.Host)
	u.Host = p.Addr
	return u.String(), p
}

// Cut resets all connections, and those that come from now on.
func (p *Proxy) Cut() {
	p.become(cut)
	p.mu.Lock()
	var hit []*pipe
	for _, c := range p.conns {
		hit = append(hit, c)
	}
	p.mu.Unlock()
	for _, c := range hit {
		p.drop(c)
	}
}

// Silence loses whatever is sent from now on, and tells nobody. The connections of
// the time stay so, as after a firewall has forgotten them.
func (p *Proxy) Silence() {
	p.become(silent)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.dead = true
	}
}

// Pass lets connections that come from now on through.
func (p *Proxy) Pass() { p.become(passing) }

func (p *Proxy) become(s state) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = s
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.serve(client)
	}
}

func (p *Proxy) serve(client net.Conn) {
	c := &pipe{client: client}
	p.mu.Lock()
	now := p.state
	c.dead = now == silent
	p.conns[client] = c
	p.mu.Unlock()
	if now == cut {
		p.drop(c)
		return
	}
	server, err := new(net.Dialer).DialContext(p.t.Context(), "tcp", p.upstream)
	if err != nil {
		p.drop(c)
		return
	}
	p.mu.Lock()
	c.server = server
	p.mu.Unlock()
	go p.copy(c, server, client)
	p.copy(c, client, server)
}

// copy moves bytes until either side ends, and loses them where the pipe is dead.
func (p *Proxy) copy(c *pipe, to, from net.Conn) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		p.mu.Lock()
		dead := c.dead
		p.mu.Unlock()
		switch {
		case dead && err != nil:
			return // the other side is not told either
		case dead:
			continue
		case err != nil:
			p.drop(c)
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			p.drop(c)
			return
		}
	}
}

// drop resets a connection on both sides.
func (p *Proxy) drop(c *pipe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c.client)
	for _, side := range []net.Conn{c.client, c.server} {
		if tcp, ok := side.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
			_ = tcp.Close()
		}
	}
}
