package token_test

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"signet/internal/audit"
	"signet/internal/db/dbtest"
	"signet/internal/dpop"
	"signet/internal/once"
	"signet/internal/token"
)

// uses are what a store is asked to keep, since real ones go by the clock of the machine.
// It takes everything.
type uses []once.Use

func (u *uses) TakeUse(_ context.Context, use once.Use) (string, error) {
	*u = append(*u, use)
	return use.By, nil
}

func (*uses) Epoch(context.Context) (int64, error) { return 7, nil }

// spent is what the store is asked to keep of one proof, at a time, of a client.
func (h *house) spent(o token.SenderOptions, id, address, nonce string, at time.Time) uses {
	h.t.Helper()
	client, err := h.clients.Get(member(h.t.Context(), "acme", "oauth:clients"), id)
	if err != nil {
		h.t.Fatal(err)
	}
	o.Origin, o.DPoP, o.Now = issuer, true, func() time.Time { return at }
	o.Proofs = dpop.Policy{Algorithms: []string{"ES256"}, Lifetime: time.Minute, Skew: 10 * time.Second}
	var kept uses
	s := token.NewSenders(h.d, h.clients, &kept, audit.Discard, token.NewMetrics(prometheus.NewRegistry()), o)
	claims := map[string]any{"iat": at.Unix()}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	checked, err := s.Check(h.t.Context(), token.Sent{
		Method: http.MethodPost, URL: issuer + "/token", Proofs: []string{h.holder().proof("/token", claims)}, Address: netip.MustParseAddr(address),
	}, client, nil)
	if err == nil {
		err = checked.Spend(h.t.Context())
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return kept
}

func TestProofsAndNoncesAreKeptAsLongAsTheyCouldComeAgain(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, _ := h.client(nil)
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	key := [32]byte{1}
	reused := dpop.NewNonces(key, 8*time.Minute).Issue("acme", 7, at)
	single := "n." + dpop.NewNonces(key, 8*time.Minute).Issue("acme\nn", 7, at)
	for name, c := range map[string]struct {
		o     token.SenderOptions
		nonce string
		want  []time.Duration // from now on, of each value
	}{
		"as long as the proof is good": {token.SenderOptions{}, "", []time.Duration{70 * time.Second}},
		"as long as is configured":     {token.SenderOptions{Window: 5 * time.Minute}, "", []time.Duration{5 * time.Minute}},
		"as long as its nonce":         {token.SenderOptions{Nonces: true, NonceTTL: 8 * time.Minute, NonceKey: key}, reused, []time.Duration{8 * time.Minute}},
		"the nonce of single use as well": {
			token.SenderOptions{Nonces: true, SingleUse: true, NonceTTL: 8 * time.Minute, NonceKey: key}, single, []time.Duration{8 * time.Minute, 8 * time.Minute},
		},
	} {
		var got []time.Duration
		for _, u := range h.spent(c.o, id, "192.0.2.1", c.nonce, at) {
			got = append(got, u.Until.Sub(at))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestNobodyTakesTheRoomForProofsOfOthers(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	own, _ := h.client(nil)
	public, _ := h.client(func(n *token.NewClient) { n.Auth, n.Consent = token.AuthNone, token.ConsentAsk })
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	quota := func(id, address string) string { return h.spent(token.SenderOptions{}, id, address, "", at)[0].Subject }
	for _, c := range []struct {
		what, id, one, other string
		same                 bool
	}{
		{"a public client in one household", public, "2001:db8:1:2::1", "2001:db8:1:2:ffff::1", true},
		{"a public client in two households", public, "2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"a public client at one IPv4 address", public, "192.0.2.1", "::ffff:192.0.2.1", true},
		{"a public client at two IPv4 addresses", public, "192.0.2.1", "192.0.2.2", false},
		{"a public client at two mapped addresses", public, "::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
	} {
		if one, other := quota(c.id, c.one), quota(c.id, c.other); (one == other) != c.same {
			t.Errorf("%s: got %q and %q, want the same: %t", c.what, one, other, c.same)
		}
	}
	if quota(own, "192.0.2.1") == quota(public, "192.0.2.1") {
		t.Error("two clients share a quota")
	}
	one, other := quota(own, "192.0.2.1"), quota(own, "192.0.2.1") // each proof here is of a key of its own
	if one == other {
		t.Error("two keys of a client that proves itself share a quota")
	}
}
