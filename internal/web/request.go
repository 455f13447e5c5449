package web

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"signet/internal/ticket"
)

// Identify gives each request an id, which the answer carries in X-Request-Id, and
// the client's address. Both are taken from a proxy's headers only where the
// connection comes from one of proxies; the address then is the rightmost of
// X-Forwarded-For that is not itself a trusted proxy.
func Identify(proxies []netip.Prefix) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			peer := peerAddress(r.RemoteAddr)
			trusted := within(proxies, peer)
			req := ticket.Request{Address: clientAddress(r, peer, proxies).String()}
			if id := r.Header.Get("X-Request-Id"); trusted && goodID(id) {
				req.ID = id
			} else {
				req.ID = rand.Text()
			}
			w.Header().Set("X-Request-Id", req.ID)
			next.ServeHTTP(w, r.WithContext(ticket.WithRequest(r.Context(), req)))
		})
	}
}

func peerAddress(remote string) netip.Addr {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	addr, _ := netip.ParseAddr(host)
	return addr.Unmap().WithZone("")
}

func clientAddress(r *http.Request, peer netip.Addr, proxies []netip.Prefix) netip.Addr {
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	client := peer
	for i := len(hops) - 1; i >= 0 && within(proxies, client); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break // what stands left of nonsense was not written by a trusted proxy
		}
		client = hop.Unmap().WithZone("")
	}
	return client
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// goodID reports whether an id from outside may go into logs and headers.
func goodID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, c := range id {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune("._-", c) {
			return false
		}
	}
	return true
}

// route is filled in by the mux, far below those who read it.
type route struct{ pattern string }

type routeKey struct{}

// noteRoute remembers which pattern the mux chose. It stands directly around the
// mux, which sets the pattern in the very request that it was given.
func noteRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rt, ok := r.Context().Value(routeKey{}).(*route); ok {
			defer func() { rt.pattern = r.Pattern }()
		}
		next.ServeHTTP(w, r)
	})
}

// routeOf names the request's route for logs. Paths may hold codes (invitations),
// so the pattern is named, and of an unknown path only its first segment.
func routeOf(r *http.Request) string {
	if r.Pattern != "" {
		return r.Pattern
	}
	if rt, ok := r.Context().Value(routeKey{}).(*route); ok && rt.pattern != "" {
		return rt.pattern
	}
	first, _, more := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if len(first) > 32 {
		first, more = first[:32], true
	}
	if more {
		first += "/..."
	}
	return r.Method + " /" + first
}

func withRoute(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), routeKey{}, &route{}))
}
