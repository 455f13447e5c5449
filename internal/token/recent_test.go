package token_test

import (
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
)

func TestAnotherInstanceKnowsOfAChangedClientWithinASecond(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d, houseOptions{nodes: 2, store: inSQL})
		id, old := h.client(nil)
		ctx := member(t.Context(), "acme", "oauth:clients", "mail:send")
		there := h.nodes[0] // h.clients is the last node's
		ask := func(secret string) answer {
			return there.call(t, "/token", id, secret, form("grant_type", "client_credentials"))
		}
		ask(old).wants(t, "before", 200, "")
		secret, err := h.clients.Rotate(ctx, id, true)
		if err != nil {
			t.Fatal(err)
		}
		ask(secret).wants(t, "the new secret, at once", 200, "")
		ask(old).wants(t, "the old one", 401, "invalid_client")
		if err := h.clients.Disable(ctx, id); err != nil {
			t.Fatal(err)
		}
		h.advance(time.Second)
		ask(secret).wants(t, "disabled", 401, "invalid_client")
	})
}

func TestRevokedTokenIsDeadElsewhereWithinASecond(t *testing.T) {
	h := newHouse(t, dbtest.Postgres(t), houseOptions{nodes: 2, store: inSQL})
	id, secret := h.client(nil)
	here, there := h.nodes[0], h.nodes[1]
	value := here.call(t, "/token", id, secret, form("grant_type", "client_credentials")).text("access_token")
	active := func(n *node) any { return n.call(t, "/introspect", id, secret, form("token", value)).body["active"] }
	if active(here) != true || active(there) != true {
		t.Fatal("it is not active")
	}
	here.call(t, "/revoke", id, secret, form("token", value)).wants(t, "revoke", 200, "")
	if active(here) != false {
		t.Error("it is active where it was revoked")
	}
	h.advance(time.Second)
	if active(there) != false {
		t.Error("it is active elsewhere after a second")
	}
}
