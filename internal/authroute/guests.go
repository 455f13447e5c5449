package authroute

import (
	"container/list"
	"net"
	"sync"
	"time"
)

// guests are the connections of all listeners, so many at a time. When the house is
// full, the one that we have waited for longest is sent away for a new one: Postfix
// connects again when it has a question.
type guests struct {
	max int

	mu      sync.Mutex
	n       int
	waiting *list.List // of *guest without a whole request, the longest first
}

func newGuests(limit int) *guests { return &guests{max: limit, waiting: list.New()} }

// guest is one connection. The lock of guests guards its fields.
type guest struct {
	net.Conn
	party *party
	place *list.Element // in guests.waiting; nil while a request is in hand
	idle  bool          // not even the first byte of a request is there
	gone  bool

	sendsUntil time.Time // of the goroutine that serves it alone
}

// party is the guests of one listener.
type party struct {
	house *guests
	// Guarded by the lock of house.
	members map[net.Conn]*guest
	closing bool
	empty   chan struct{} // closed when closing and the last one left
}

func newParty(house *guests) *party {
	return &party{house: house, members: map[net.Conn]*guest{}, empty: make(chan struct{})}
}

// admit returns false where there is no room.
func (p *party) admit(conn net.Conn) bool {
	h := p.house
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.closing || !h.makeRoom() {
		return false
	}
	g := &guest{Conn: conn, party: p}
	g.place = h.waiting.PushBack(g)
	p.members[conn] = g
	h.n++
	return true
}

// makeRoom is called with the lock held.
func (h *guests) makeRoom() bool {
	if h.n < h.max {
		return true
	}
	front := h.waiting.Front()
	if front == nil {
		return false
	}
	victim, _ := front.Value.(*guest)
	h.forget(victim)
	_ = victim.Close() // its goroutine ends by the read error
	return true
}

// forget is called with the lock held.
func (h *guests) forget(g *guest) {
	if g.gone {
		return
	}
	g.gone = true
	h.n--
	h.leaveQueue(g)
}

// leaveQueue is called with the lock held.
func (h *guests) leaveQueue(g *guest) {
	if g.place != nil {
		h.waiting.Remove(g.place)
		g.place = nil
	}
}

func (p *party) guest(conn net.Conn) *guest {
	p.house.mu.Lock()
	defer p.house.mu.Unlock()
	return p.members[conn]
}

// dismiss closes a connection whose service has ended.
func (p *party) dismiss(conn net.Conn) {
	h := p.house
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget(p.members[conn])
	delete(p.members, conn)
	_ = conn.Close()
	if p.closing && len(p.members) == 0 {
		close(p.empty)
	}
}

// leave ends the connections without a request, waits for the others, and closes
// them after a time; then it returns false.
func (p *party) leave(drain time.Duration) bool {
	p.close()
	timer := time.NewTimer(drain)
	defer timer.Stop()
	select {
	case <-p.empty:
		return true
	case <-timer.C:
	}
	p.house.mu.Lock()
	for conn := range p.members {
		_ = conn.Close()
	}
	p.house.mu.Unlock()
	return false
}

func (p *party) close() {
	p.house.mu.Lock()
	defer p.house.mu.Unlock()
	p.closing = true
	if len(p.members) == 0 {
		close(p.empty)
	}
	for _, g := range p.members {
		if g.idle {
			_ = g.SetReadDeadline(time.Unix(1, 0)) // it ends the wait
		}
	}
}

// rest waits for a request. It returns false where none is wanted any more.
func (g *guest) rest(atMost time.Duration) bool {
	h := g.party.house
	h.mu.Lock()
	defer h.mu.Unlock()
	if g.gone || g.party.closing {
		return false
	}
	g.idle = true
	if g.place == nil {
		g.place = h.waiting.PushBack(g)
	}
	return g.SetReadDeadline(time.Now().Add(atMost)) == nil
}

// reads says that a request has begun and is not whole. It must end in time.
func (g *guest) reads(atMost time.Duration) bool {
	h := g.party.house
	h.mu.Lock()
	defer h.mu.Unlock()
	g.idle = false
	return !g.gone && g.SetReadDeadline(time.Now().Add(atMost)) == nil
}

// works says that a request is there: from now on the guest is not sent away.
func (g *guest) works() bool {
	h := g.party.house
	h.mu.Lock()
	defer h.mu.Unlock()
	g.idle = false
	h.leaveQueue(g)
	return !g.gone
}

// send writes an answer, for at most a time and at least half of it: a deadline is
// not set for each.
func (g *guest) send(b []byte, atMost time.Duration) error {
	if now := time.Now(); g.sendsUntil.Sub(now) < atMost/2 {
		g.sendsUntil = now.Add(atMost)
		if err := g.SetWriteDeadline(g.sendsUntil); err != nil {
			return err
		}
	}
	_, err := g.Write(b)
	return err
}
