package token_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/token"
)

func TestWhatAUserLetAnAppHaveIsListedAndEnds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k, g := newLeaving(t, d)
		asked := func() token.Asked {
			t.Helper()
			a, err := g.Begin(t.Context(), url.Values{
				"client_id": {k.app.ID}, "redirect_uri": {k.app.Redirects[0]}, "response_type": {"code"}, "scope": {"openid profile"},
				"code_challenge": {strings.Repeat("A", 43)}, "code_challenge_method": {"S256"},
			})
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		agreed := func() bool {
			t.Helper()
			ok, err := g.Agreed(t.Context(), asked(), "usr_alice")
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		if all, err := g.Apps(t.Context(), "usr_alice"); len(all) != 0 || err != nil || agreed() {
			t.Fatalf("before: got %v, %v", all, err)
		}
		if _, err := g.Grant(t.Context(), asked(), "usr_alice", "ses_alice", true); err != nil {
			t.Fatal(err)
		}
		all, err := g.Apps(t.Context(), "usr_alice")
		if err != nil || len(all) != 1 {
			t.Fatalf("got %v, %v, want one app", all, err)
		}
		got := all[0]
		if d := cmp.Diff([]string{"openid", "profile"}, got.Scopes); d != "" || got.Client.Name != k.app.Name || !got.Since.Equal(start) || got.Live || got.Offline || got.Bound {
			t.Errorf("got %+v\n%s", got, d)
		}
		if others, err := g.Apps(t.Context(), "usr_bob"); len(others) != 0 || err != nil {
			t.Errorf("somebody else: got %v, %v", others, err)
		}
		if err := g.RemoveApp(t.Context(), "usr_bob", k.app.ID); !errors.Is(err, token.ErrNoClient) {
			t.Errorf("removed by somebody else: got %v, want ErrNoClient", err)
		}
		if err := g.RemoveApp(t.Context(), "usr_alice", k.app.ID); err != nil {
			t.Fatal(err)
		}
		if all, err := g.Apps(t.Context(), "usr_alice"); len(all) != 0 || err != nil || agreed() {
			t.Errorf("afterwards: got %v, %v", all, err)
		}
		var open int
		if err := d.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM oauth_codes WHERE expires_at > $1`, start).Scan(&open); err != nil || open != 0 {
			t.Errorf("%d codes can still be exchanged, %v", open, err)
		}
		if err := g.RemoveApp(t.Context(), "usr_alice", k.app.ID); !errors.Is(err, token.ErrNoClient) {
			t.Errorf("removed twice: got %v, want ErrNoClient", err)
		}
		if last := (*k.events)[len(*k.events)-1]; last.Action != "oauth_consent.withdraw" || last.Target != k.app.ID {
			t.Errorf("audit log: got %+v", last)
		}
	})
}

func TestARemovedAppHasNothingThatWorks(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d, houseOptions{})
		n := h.nodes[0]
		id, secret := h.client(nil)
		k := h.holder()
		redeem := func(headers ...string) answer {
			t.Helper()
			a := n.call(t, "/token", id, secret, exchange(h.authorize(id, "scope", "openid offline_access")), headers...)
			a.wants(t, "exchange", http.StatusOK, "")
			return a
		}
		listed := func() token.AppAccess {
			t.Helper()
			all, err := n.Apps(t.Context(), "usr_alice")
			if err != nil || len(all) != 1 {
				t.Fatalf("got %v, %v, want one app", all, err)
			}
			return all[0]
		}
		active := func(a answer) bool {
			t.Helper()
			res := n.call(t, "/introspect", id, secret, url.Values{"token": {a.text("access_token")}})
			return res.body["active"] == true
		}
		first := redeem("DPoP", k.proof("/token", nil))
		if got := listed(); !got.Live || !got.Offline || !got.Bound {
			t.Errorf("one bound token: got %+v", got)
		}
		second := redeem()
		if got := listed(); !got.Live || got.Bound {
			t.Errorf("a bearer token besides: got %+v", got)
		}
		if !active(first) || !active(second) {
			t.Fatal("the tokens are not active")
		}
		waits := h.authorize(id)
		if err := n.RemoveApp(t.Context(), "usr_alice", id); err != nil {
			t.Fatal(err)
		}
		if active(first) || active(second) {
			t.Error("tokens of a removed app are active")
		}
		n.call(t, "/token", id, secret, form("grant_type", token.GrantRefresh, "refresh_token", second.text("refresh_token"))).
			wants(t, "refresh", http.StatusBadRequest, "invalid_grant")
		n.call(t, "/token", id, secret, exchange(waits)).wants(t, "code that waited", http.StatusBadRequest, "invalid_grant")
		if all, err := n.Apps(t.Context(), "usr_alice"); len(all) != 0 || err != nil {
			t.Errorf("afterwards: got %v, %v", all, err)
		}
	})
}
