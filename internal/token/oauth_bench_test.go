package token_test

import (
	"log/slog"
	"testing"

	"signet/internal/db/dbtest"
	"signet/internal/token"
)

// What a request at the endpoints costs, without the network.
func BenchmarkEndpoints(b *testing.B) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	h := newHouse(b, dbtest.SQLite(b), houseOptions{sender: func(o *token.SenderOptions) { o.Nonces = true }})
	id, secret := h.bound()
	free, freeSecret := h.client(nil)
	n, k := h.nodes[0], h.holder()
	f := form("grant_type", "client_credentials")
	nonce := n.call(b, "/token", id, secret, f).header.Get("DPoP-Nonce")
	var proofs []string
	for range 20_000 {
		proofs = append(proofs, k.proof("/token", map[string]any{"nonce": nonce}))
	}
	i := 0
	b.Run("dpop", func(b *testing.B) {
		for b.Loop() {
			if a := n.call(b, "/token", id, secret, f, "DPoP", proofs[i]); a.status != 200 {
				b.Fatal(a.body)
			}
			i++
		}
	})
	b.Run("bearer", func(b *testing.B) {
		for b.Loop() {
			if a := n.call(b, "/token", free, freeSecret, f); a.status != 200 {
				b.Fatal(a.body)
			}
		}
	})
	value := n.call(b, "/token", free, freeSecret, f).text("access_token")
	b.Run("introspect", func(b *testing.B) {
		for b.Loop() {
			if a := n.call(b, "/introspect", free, freeSecret, form("token", value)); a.body["active"] != true {
				b.Fatal(a.body)
			}
		}
	})
}
