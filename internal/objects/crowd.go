package objects

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"signet/internal/ticket"
	"signet/internal/web"
)

// AtMost refuses what is over n requests in hand, so that many slow ones cannot take
// all memory. One address has a quarter of them at most, so that it cannot keep all
// others out; loopback is not bounded, as a proxy there may be many clients.
func AtMost(n int) web.Middleware {
	places := make(chan struct{}, n)
	crowd := &shares{each: max(n/4, 1), held: map[netip.Prefix]int{}}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			from := networkOf(r)
			if !crowd.enter(from) {
				web.Fail(w, r, ErrSlowDown)
				return
			}
			defer crowd.leave(from)
			select {
			case places <- struct{}{}:
				defer func() { <-places }()
				next.ServeHTTP(w, r)
			default:
				web.Fail(w, r, ErrSlowDown)
			}
		})
	}
}

// networkOf is where a request comes from, zero where that is not bounded.
func networkOf(r *http.Request) netip.Prefix {
	from := network(ticket.RequestFrom(r.Context()).Address)
	if from.Addr().IsLoopback() {
		return netip.Prefix{}
	}
	return from
}

// network is what one client can ask from: an IPv6 client has a whole /64 (RFC 4291,
// section 2.5.4). It is zero where there is no address.
func network(address string) netip.Prefix {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() && !a.IsLoopback() {
		bits = 64
	}
	return netip.PrefixFrom(a, bits).Masked()
}

// shares counts the requests in hand of each network.
type shares struct {
	each int

	lock sync.Mutex
	held map[netip.Prefix]int
}

func (s *shares) enter(from netip.Prefix) bool {
	if !from.IsValid() {
		return true
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.held[from] >= s.each {
		return false
	}
	s.held[from]++
	return true
}

func (s *shares) leave(from netip.Prefix) {
	if !from.IsValid() {
		return
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.held[from]--; s.held[from] == 0 {
		delete(s.held, from)
	}
}

// Forms and requests to STS send what proves them in their bodies: until that is read,
// they are strangers. So many are read at a time, and must be quick about it: all other
// requests are refused before anything of theirs is read.
const (
	maxStrangers = 100
	strangerTime = 10 * time.Second
)

// strangers are the places of those whose proof is being read.
type strangers chan struct{}

// enter takes a place, until leave is called.
func (s strangers) enter(w http.ResponseWriter) (leave func(), err error) {
	select {
	case s <- struct{}{}:
	default:
		w.Header().Set("Connection", "close") // else the server would wait for the body
		return nil, ErrSlowDown
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(strangerTime)) // real time: the connection's
	return func() { <-s }, nil
}
