package token_test

import (
	"errors"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/token"
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

func TestWhatIsReadWhileItChangesIsNotKept(t *testing.T) {
	now := start
	r := token.NewRecent[string, int](func() time.Time { return now })
	get := func(v int) int {
		got, err := r.Get("x", func() (int, error) { return v, nil })
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	got, err := r.Get("x", func() (int, error) { r.Forget(); return 1, nil })
	if got != 1 || err != nil {
		t.Fatalf("got %d, %v", got, err)
	}
	if got := get(2); got != 2 {
		t.Errorf("got %d, want what is read now: a change came between", got)
	}
	if got := get(3); got != 2 {
		t.Errorf("got %d, want what was read", got)
	}
	now = now.Add(time.Second)
	if got := get(4); got != 4 {
		t.Errorf("after a second: got %d, want 4", got)
	}
	now = now.Add(-time.Hour)
	if got := get(5); got != 5 {
		t.Errorf("after the clock was set back: got %d, want 5", got)
	}
	failure := errors.New("no")
	if _, err := r.Get("y", func() (int, error) { return 0, failure }); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	if got, err := r.Get("y", func() (int, error) { return 6, nil }); got != 6 || err != nil {
		t.Errorf("after a failure: got %d, %v", got, err)
	}
}
