package web

import (
	"container/list"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
)

// crowd is a listener that admits so many connections at a time. When it is full,
// the guest that we have waited for longest (idle, slow with its header or stuck
// in its body) is sent away for the new one; where all have work in hand the new
// one is.
type crowd struct {
	net.Listener
	max int

	mu      sync.Mutex
	n       int
	waiting *list.List // of *guest that we wait for, the longest first
}

// guest is one connection.
type guest struct {
	net.Conn
	crowd *crowd
	busy  int           // requests that have arrived whole; several in HTTP/2
	place *list.Element // in crowd.waiting; nil while busy or gone
	gone  bool
}

func newCrowd(l net.Listener, limit int) *crowd {
	return &crowd{Listener: l, max: limit, waiting: list.New()}
}

// Accept returns the next connection that there is room for.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g := &guest{Conn: conn, crowd: c}
		if c.admit(g) {
			return g, nil
		}
		_ = conn.Close() // it was never served
	}
}

func (c *crowd) admit(g *guest) bool {
	c.mu.Lock()
	var victim *guest
	if c.n >= c.max {
		front := c.waiting.Front()
		if front == nil {
			c.mu.Unlock()
			return false
		}
		victim = front.Value.(*guest)
		c.leave(victim)
	}
	c.n++
	g.place = c.waiting.PushBack(g)
	c.mu.Unlock()
	if victim != nil {
		_ = victim.Conn.Close() // its server goroutine ends by the read error
	}
	return true
}

// leave is called with the lock held.
func (c *crowd) leave(g *guest) {
	if g.gone {
		return
	}
	g.gone = true
	c.n--
	if g.place != nil {
		c.waiting.Remove(g.place)
		g.place = nil
	}
}

// Close frees the guest's place.
func (g *guest) Close() error {
	g.crowd.mu.Lock()
	g.crowd.leave(g)
	g.crowd.mu.Unlock()
	return g.Conn.Close()
}

func (g *guest) begin() {
	g.crowd.mu.Lock()
	defer g.crowd.mu.Unlock()
	g.busy++
	if g.place != nil {
		g.crowd.waiting.Remove(g.place)
		g.place = nil
	}
}

func (g *guest) end() {
	g.crowd.mu.Lock()
	defer g.crowd.mu.Unlock()
	g.busy--
	if g.busy == 0 && !g.gone {
		g.place = g.crowd.waiting.PushBack(g)
	}
}

func (g *guest) progress() {
	g.crowd.mu.Lock()
	defer g.crowd.mu.Unlock()
	if g.place != nil {
		g.crowd.waiting.MoveToBack(g.place)
	}
}

// ReadFrom keeps sendfile, and CloseWrite the orderly end after an early refusal:
// net/http looks for both on the connection.
func (g *guest) ReadFrom(r io.Reader) (int64, error) { return io.Copy(g.Conn, r) }

// CloseWrite ends the sending half, where the connection has halves.
func (g *guest) CloseWrite() error {
	if c, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

type guestKey struct{}

func keepGuest(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, guestKey{}, c)
}

// watch keeps guests whose request has arrived from being sent away.
func (c *crowd) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g, ok := r.Context().Value(guestKey{}).(*guest)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		a := &arrival{ReadCloser: r.Body, guest: g}
		if r.ContentLength == 0 {
			a.done()
		} else {
			r.Body = a
		}
		defer a.leave()
		next.ServeHTTP(w, r)
	})
}

// arrival is a request's body on its way in.
type arrival struct {
	io.ReadCloser
	guest *guest
	mu    sync.Mutex // handlers may read in one goroutine and return in another
	state arrivalState
}

type arrivalState int

const (
	arriving arrivalState = iota
	arrived
	answered
)

// Read notes each step forward: who drips is sent away before who streams.
func (a *arrival) Read(b []byte) (int, error) {
	n, err := a.ReadCloser.Read(b)
	if err != nil {
		a.done()
	} else if n > 0 {
		a.guest.progress()
	}
	return n, err
}

func (a *arrival) done() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == arriving {
		a.state = arrived
		a.guest.begin()
	}
}

func (a *arrival) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == arrived {
		a.guest.end()
	}
	a.state = answered
}
