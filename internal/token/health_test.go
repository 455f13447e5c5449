package token_test

import (
	"net/http"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/token"
)

func TestTokensAreCountedByWhatTheyAreBoundTo(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d, houseOptions{sender: func(o *token.SenderOptions) { o.DPoPFor = []string{"acme"} }})
		id, secret := h.client(nil)
		other, _ := h.client(nil)
		n := h.nodes[0]
		ask := func(headers ...string) {
			n.call(t, "/token", id, secret, form("grant_type", "client_credentials"), headers...).wants(t, "token", http.StatusOK, "")
		}
		k, certificate := h.holder(), newCertificate(t)
		ask("DPoP", k.proof("/token", nil))
		ask("DPoP", k.proof("/token", nil))
		n.shown(t, certificate, "/token", id, secret, form("grant_type", "client_credentials"), "DPoP", k.proof("/token", nil)).wants(t, "both", http.StatusOK, "")
		h.exec(`UPDATE authority_tokens SET jkt = '' WHERE sender_certificate <> '' AND created_at <= $1`) // as of the time of a bypass
		all, err := n.SenderHealth(member(t.Context(), "acme", "oauth:clients"), h.now().Add(-time.Hour))
		if err != nil || len(all) != 2 {
			t.Fatalf("got %v, %v, want two clients", all, err)
		}
		for _, one := range all {
			want := token.Bindings{}
			if one.Client.ID == id {
				want = token.Bindings{Key: 2, Certificate: 1}
			}
			if one.Tokens != want || one.Demands.DPoP != token.Required || one.Bare() != (one.Client.ID == id) {
				t.Errorf("%s: got %+v, want %+v with a key required of it by the configuration", one.Client.ID, one, want)
			}
		}
		if err := h.clients.Disable(member(t.Context(), "acme", "oauth:clients"), other); err != nil {
			t.Fatal(err)
		}
		h.advance(25 * time.Hour)
		all, err = n.SenderHealth(member(t.Context(), "acme", "oauth:clients"), h.now().Add(-24*time.Hour))
		if err != nil || len(all) != 1 || all[0].Tokens.Total() != 0 {
			t.Errorf("a day later: got %+v, %v", all, err)
		}
		if others, err := n.SenderHealth(member(t.Context(), "other", "oauth:clients"), h.now()); err != nil || len(others) != 0 {
			t.Errorf("another tenant: got %v, %v", others, err)
		}
		if _, err := n.SenderHealth(member(t.Context(), "acme", "users:read"), h.now()); err == nil {
			t.Error("it is told without the permission")
		}
	})
}
