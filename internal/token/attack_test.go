package token_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/once"
	"signet/internal/token"
)

func TestDisabledClientsTokensOfPeopleAreDeadToo(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	n, k := h.nodes[0], h.holder()
	id, secret := h.client(nil)
	a := n.call(t, "/token", id, secret, exchange(h.authorize(id)), "DPoP", k.proof("/token", nil))
	a.wants(t, "token", 200, "")
	ask := func() answer {
		value := a.text("access_token")
		return n.call(t, "/userinfo", "", "", form(), "Authorization", "DPoP "+value, "DPoP", k.proof("/userinfo", map[string]any{"ath": ath(value)}))
	}
	ask().wants(t, "before", 200, "")
	if err := h.clients.Disable(member(t.Context(), "acme", "oauth:clients"), id); err != nil {
		t.Fatal(err)
	}
	h.advance(2 * time.Second)
	ask().wants(t, "after", 401, "invalid_token")
}

func TestDeviceThatWasLetInGetsNothingOnceAllEndsForItsUser(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d, houseOptions{})
		n := h.nodes[0]
		id, secret := h.client(nil)
		a := n.call(t, "/device_authorization", id, secret, form("scope", "openid mail:send"))
		if err := n.SettleDevice(t.Context(), a.text("user_code"), h.people["ses_alice"], true); err != nil {
			t.Fatal(err)
		}
		h.tx(func(ctx context.Context, tx *db.Tx) error { return h.codes.CloseUser(ctx, tx, "usr_alice") })
		n.call(t, "/token", id, secret, form("grant_type", token.GrantDevice, "device_code", a.text("device_code"))).wants(t, "poll", 400, "access_denied")
	})
}

func TestWhatClientMayHaveNoMoreIsNotInWhatItWasLetHaveAMomentAgo(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	n := h.nodes[0]
	id, secret := h.client(nil)
	code := h.authorize(id)
	a := n.call(t, "/device_authorization", id, secret, form("scope", "openid mail:send"))
	if err := n.SettleDevice(t.Context(), a.text("user_code"), h.people["ses_alice"], true); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.clients.Update(member(t.Context(), "acme", "oauth:clients", "mail:send"), id, func(c *token.Client) {
		c.Scopes = []string{"openid"}
	}); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]url.Values{
		"code": exchange(code), "device": form("grant_type", token.GrantDevice, "device_code", a.text("device_code")),
	} {
		got := n.call(t, "/token", id, secret, f)
		got.wants(t, name, 200, "")
		if got.text("scope") != "openid" {
			t.Errorf("%s: got scope %q, want openid", name, got.text("scope"))
		}
	}
}

func TestCodeOfAnotherKindIsNoReplayInTheLog(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, _ := h.client(nil)
	code := h.authorize(id)
	c, err := h.clients.Get(member(t.Context(), "acme", "oauth:clients"), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.codes.Redeem(t.Context(), c, code, verifier); !errors.Is(err, token.ErrGrant) {
		t.Errorf("got %v", err)
	}
	if slices.ContainsFunc(h.events, func(e audit.Event) bool { return e.Action == "oauth_code.replay" }) {
		t.Error("the log says that it was used before")
	}
}

func TestRequestOfNobodyKeepsLittle(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, _ := h.client(func(n *token.NewClient) { n.Auth = token.AuthNone })
	n := h.nodes[0]
	f := form("client_id", id, "response_type", "code", "redirect_uri", "https://app.example.org/cb", "code_challenge", challenge,
		"code_challenge_method", "S256", "junk", strings.Repeat("a", 900_000))
	n.call(t, "/par", "", "", f)
	f.Del("junk")
	f.Set("ui_locales", strings.Repeat("a ", 450_000))
	n.call(t, "/par", "", "", f)
	var size int
	if err := h.d.SQL().QueryRowContext(t.Context(), `SELECT COALESCE(SUM(LENGTH(parameters)), 0) FROM oauth_requests`).Scan(&size); err != nil {
		t.Fatal(err)
	}
	if size > 32<<10 {
		t.Errorf("got %d bytes", size)
	}
}

func TestChallengeSaysNothingButWhatItMeans(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(nil)
	n := h.nodes[0]
	a := n.call(t, "/token", id, secret, exchange(h.authorize(id)))
	for name, f := range map[string]url.Values{
		"quote":    form("acr_values", `x",realm="evil`),
		"control":  form("acr_values", "x\x01"),
		"long":     form("acr_values", strings.Repeat("a", 100_000)),
		"twice":    {"max_age": {"0", "900"}},
		"no UTF-8": form("acr_values", "\xff"),
	} {
		n.call(t, "/fresh-auth", "", "", f, "Authorization", "Bearer "+a.text("access_token")).wants(t, name, 400, "invalid_request")
	}
}

func TestNobodyTakesTheIDOfAnotherAccountsClientForAnAudience(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	victim, _ := h.client(nil)
	other := member(t.Context(), "other", "oauth:clients")
	if _, _, err := h.clients.Create(other, token.NewClient{Name: "Thief", Audiences: []string{victim}}); !errors.Is(err, token.ErrAudience) {
		t.Errorf("created: got %v", err)
	}
	c, _, err := h.clients.Create(other, token.NewClient{Name: "Thief", Audiences: []string{api}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.clients.Update(other, c.ID, func(c *token.Client) { c.Audiences = []string{api, victim} }); !errors.Is(err, token.ErrAudience) {
		t.Errorf("changed: got %v", err)
	}
	own := member(t.Context(), "acme", "oauth:clients", "mail:send")
	if _, _, err := h.clients.Create(own, token.NewClient{Name: "Friend", Audiences: []string{victim}}); err != nil {
		t.Errorf("of the same account: got %v", err)
	}
}

func TestOfManyAtOnceOneSettlesADeviceAndOnePollOrGrantWins(t *testing.T) {
	onEveryStore(t, func(t *testing.T, d *db.DB, o houseOptions) {
		h := newHouse(t, d, o)
		id, secret := h.client(nil)
		n := h.nodes[0]
		a := n.call(t, "/device_authorization", id, secret, form("scope", "openid mail:send"))
		if won := h.race(64, func(n *node) bool {
			return n.SettleDevice(t.Context(), a.text("user_code"), h.people["ses_alice"], true) == nil
		}); won != 1 {
			t.Errorf("%d settled it", won)
		}
		if won := h.race(64, func(n *node) bool {
			return n.call(t, "/token", id, secret, form("grant_type", token.GrantDevice, "device_code", a.text("device_code"))).status == 200
		}); won != 1 {
			t.Errorf("%d devices are in", won)
		}
		q := form("client_id", id, "response_type", "code", "redirect_uri", "https://app.example.org/cb", "scope", "openid",
			"code_challenge", challenge, "code_challenge_method", "S256")
		pushed := n.call(t, "/par", id, secret, q)
		if won := h.race(64, func(n *node) bool {
			asked, err := n.Resume(t.Context(), id, pushed.text("request_uri"))
			if err != nil {
				return false
			}
			_, err = n.Grant(t.Context(), asked, "usr_alice", "ses_alice", false)
			return err == nil
		}); won != 1 {
			t.Errorf("%d codes for one request", won)
		}
	})
}

func TestReplaysByAnybodyDoNotFloodTheLog(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, _ := h.client(func(n *token.NewClient) { n.Auth = token.AuthNone })
	n := h.nodes[0]
	f := form("client_id", id, "response_type", "code", "redirect_uri", "https://app.example.org/cb", "code_challenge", challenge, "code_challenge_method", "S256")
	proof := h.holder().proof("/par", nil)
	n.call(t, "/par", "", "", f, "DPoP", proof).wants(t, "first", 201, "")
	h.freeze()
	for range 50 {
		n.call(t, "/par", "", "", f, "DPoP", proof).wants(t, "again", 401, "invalid_dpop_proof")
	}
	written := 0
	for _, e := range h.events {
		if e.Action == "authority.dpop.replay" {
			written++
		}
	}
	if written != 1 {
		t.Errorf("got %d entries within a second, want 1", written)
	}
	if got := n.count(t, "authority_dpop_requests_total", "replay"); got != 50 {
		t.Errorf("got %v counted, want 50", got)
	}
}

func TestConsentToAPublicAppOnALoopbackAddressIsForOneTime(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	g := h.nodes[0].OAuth
	for name, c := range map[string]struct {
		auth     token.AuthMethod
		redirect string
		want     bool
	}{
		"public, loopback":       {token.AuthNone, "http://127.0.0.1/cb", false},
		"public, https":          {token.AuthNone, "https://app.example.org/cb", true},
		"confidential, loopback": {token.AuthBasic, "http://127.0.0.1/cb", true},
	} {
		id, _ := h.client(func(n *token.NewClient) {
			n.Auth, n.Redirects, n.Consent = c.auth, []string{c.redirect}, token.ConsentAsk
		})
		q := form("client_id", id, "response_type", "code", "redirect_uri", c.redirect, "scope", "openid",
			"code_challenge", challenge, "code_challenge_method", "S256")
		a, err := g.Begin(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Grant(t.Context(), a, "usr_alice", "ses_alice", true); err != nil {
			t.Fatal(err)
		}
		if a, err = g.Begin(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		if got, err := g.Agreed(t.Context(), a, "usr_alice"); err != nil || got != c.want {
			t.Errorf("%s: got %t, %v, want %t", name, got, err, c.want)
		}
	}
}

// meddler is a store of used proofs that lets something happen before each.
type meddler struct {
	once.Store

	before func()
}

func (m meddler) Take(ctx context.Context, e once.Entry) (once.Answer, error) {
	m.before()
	return m.Store.Take(ctx, e)
}

func TestWhatEndsDuringAnExchangeGivesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		meanwhile := func() {}
		h := newHouse(t, d, houseOptions{store: func(testing.TB, *db.DB) once.Store {
			return meddler{once.NewMemory(), func() { meanwhile() }}
		}})
		n, k := h.nodes[0], h.holder()
		for name, end := range map[string]func(id string){
			"all of the user": func(string) {
				h.tx(func(ctx context.Context, tx *db.Tx) error { return h.codes.CloseUser(ctx, tx, "usr_alice") })
			},
			"the app": func(id string) {
				if err := n.RemoveApp(t.Context(), "usr_alice", id); err != nil {
					t.Error(err)
				}
			},
		} {
			id, secret := h.client(nil)
			code := h.authorize(id, "scope", "openid offline_access")
			meanwhile = func() { end(id) }
			n.call(t, "/token", id, secret, exchange(code), "DPoP", k.proof("/token", nil)).wants(t, name+": code", 400, "invalid_grant")
			meanwhile = func() {}
			a := n.call(t, "/device_authorization", id, secret, form("scope", "openid mail:send"))
			if err := n.SettleDevice(t.Context(), a.text("user_code"), h.people["ses_alice"], true); err != nil {
				t.Fatal(err)
			}
			meanwhile = func() { end(id) }
			n.call(t, "/token", id, secret, form("grant_type", token.GrantDevice, "device_code", a.text("device_code")), "DPoP", k.proof("/token", nil)).
				wants(t, name+": device", 400, "invalid_grant")
			meanwhile = func() {}
		}
	})
}
