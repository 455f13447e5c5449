package app

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"signet/internal/ticket"
)

func TestOneAddressCannotAskForEver(t *testing.T) {
	e := newEdge(edgeRate)
	ask := func(address string) bool {
		ctx := ticket.WithRequest(t.Context(), ticket.Request{Address: address})
		retry, ok := e.Allow(httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
		if !ok && retry <= 0 {
			t.Errorf("%s: refused without saying when to try again", address)
		}
		return ok
	}
	for _, c := range []struct {
		address, other, neighbour string // other is the same client to us
		bounded                   bool
	}{
		{"192.0.2.1", "192.0.2.1", "192.0.2.2", true},
		{"2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1", true},
		{"127.0.0.1", "127.0.0.2", "::1", false},
	} {
		refused := false
		for range edgeRate {
			first, second := ask(c.address), ask(c.other)
			refused = refused || !first || !second
		}
		if refused != c.bounded {
			t.Errorf("%s: got refused %t, want %t", c.address, refused, c.bounded)
		}
		if !ask(c.neighbour) {
			t.Errorf("%s was refused for what %s did", c.neighbour, c.address)
		}
	}
}
