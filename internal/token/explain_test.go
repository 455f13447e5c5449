package token_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/ticket"
	"signet/internal/token"
)

// runner is whoever runs the server.
func runner(ctx context.Context) context.Context {
	return ticket.With(ctx, ticket.Operator([]string{"oauth:keys", "oauth:clients"}))
}

// words are why a token is refused.
func words(e token.Explanation) string {
	var all []string
	for _, r := range e.Reasons {
		all = append(all, r.Word)
	}
	return strings.Join(all, " ")
}

func (h *house) explain(value string) token.Explanation {
	h.t.Helper()
	e, err := h.nodes[0].Explain(runner(h.t.Context()), value)
	if err != nil {
		h.t.Fatal(err)
	}
	if e.Good != (len(e.Reasons) == 0) {
		h.t.Errorf("good %t with reasons %v", e.Good, e.Reasons)
	}
	return e
}

func TestATokenIsExplainedAsTheServerJudgesIt(t *testing.T) {
	for name, c := range map[string]struct {
		format token.Format
		scope  string
		change func(h *house, id, secret string, a answer)
		want   string // for access tokens
		fresh  string // for refresh tokens, where they differ
	}{
		"a good one":       {},
		"an opaque one":    {format: token.Opaque},
		"an expired one":   {change: func(h *house, _, _ string, _ answer) { h.advance(token.Lifetime + time.Second) }, want: "expired", fresh: "-"},
		"a revoked one":    {change: func(h *house, id, secret string, a answer) { h.revoke(id, secret, a.text("access_token")) }, want: "revoked", fresh: "-"},
		"a revoked family": {change: func(h *house, id, secret string, a answer) { h.revoke(id, secret, a.text("refresh_token")) }, want: "family-ended"},
		"a deleted client": {change: func(h *house, id, _ string, _ answer) { h.disable(id) }, want: "client-deleted"},
		"a disabled account": {format: token.Opaque, change: func(h *house, _, _ string, _ answer) {
			h.exec(`UPDATE accounts SET disabled_at = $1 WHERE id = 'acme'`)
		}, want: "account-disabled"},
		"a session that ended": {change: func(h *house, _, _ string, _ answer) {
			h.tx(func(ctx context.Context, tx *db.Tx) error {
				return h.codes.SessionsEnded(ctx, tx, []string{"ses_alice"})
			})
			h.people["ses_bob"] = h.people["ses_alice"] // she is signed in elsewhere
			delete(h.people, "ses_alice")
		}, want: "family-ended session-ended"},
		"one that outlives its session": {scope: "offline_access mail:send", change: func(h *house, _, _ string, _ answer) {
			h.people["ses_bob"] = h.people["ses_alice"]
			delete(h.people, "ses_alice")
		}},
		"somebody who is gone": {scope: "offline_access mail:send", change: func(h *house, _, _ string, _ answer) { delete(h.people, "ses_alice") }, want: "user-gone"},
		"a used refresh token": {change: func(h *house, id, secret string, a answer) {
			h.nodes[0].call(h.t, "/token", id, secret, form("grant_type", "refresh_token", "refresh_token", a.text("refresh_token"))).wants(h.t, "refresh", http.StatusOK, "")
		}, fresh: "used"},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				h := newHouse(t, d, houseOptions{})
				id, secret := h.client(func(n *token.NewClient) { n.Format = c.format })
				scope := c.scope
				if scope == "" {
					scope = "mail:send"
				}
				a := h.nodes[0].call(t, "/token", id, secret, exchange(h.authorize(id, "scope", scope)))
				a.wants(t, "code", http.StatusOK, "")
				if c.change != nil {
					c.change(h, id, secret, a)
				}
				e := h.explain(a.text("access_token"))
				if got := words(e); got != c.want {
					t.Errorf("access token: got %q, want %q", got, c.want)
				}
				if !e.Known || e.Kind != "access" || e.Claims.Client != id || e.ClientName != "App" || e.Claims.Subject != "usr_alice" || e.Claims.Account != "acme" {
					t.Errorf("got %+v", e)
				}
				if e.Ours || e.Claims.Audience[0] != api {
					t.Errorf("audience %q: for this server: %t", e.Claims.Audience, e.Ours)
				}
				// What it says is what the server does.
				if live := h.nodes[0].call(t, "/introspect", id, secret, form("token", a.text("access_token"))); live.status == http.StatusOK && (live.body["active"] == true) != e.Good && c.want != "user-gone" {
					t.Errorf("introspection says %v, Explain %v", live.body["active"], e.Reasons)
				}
				want := c.want
				if c.fresh != "" {
					want = strings.Trim(c.fresh, "-")
				}
				if e := h.explain(a.text("refresh_token")); words(e) != want || e.Kind != "refresh" {
					t.Errorf("refresh token: got %q of %s, want %q", words(e), e.Kind, want)
				}
			})
		})
	}
}

func (h *house) revoke(id, secret, value string) {
	h.t.Helper()
	if a := h.nodes[0].call(h.t, "/revoke", id, secret, form("token", value)); a.status != http.StatusOK {
		h.t.Fatalf("revoke: %d %v", a.status, a.body)
	}
}

func (h *house) disable(id string) {
	h.t.Helper()
	if err := h.clients.Disable(member(h.t.Context(), "acme", "oauth:clients"), id); err != nil {
		h.t.Fatal(err)
	}
}

// exec runs a statement about now.
func (h *house) exec(query string) {
	h.t.Helper()
	h.tx(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, query, db.Now(h.now()))
		return err
	})
}

func TestExplanationSaysWhatATokenIsBoundTo(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.bound()
	k := h.holder()
	a := h.nodes[0].call(t, "/token", id, secret, form("grant_type", "client_credentials", "resource", issuer), "DPoP", k.proof("/token", nil))
	e := h.explain(a.text("access_token"))
	if !e.Good || e.Claims.Confirm.JKT != k.thumbprint() || e.TokenType() != "DPoP" || !e.Ours {
		t.Errorf("got %+v, want a good token of %s", e, k.thumbprint())
	}
}

func TestATokenOfABypassIsExplainedAfterIt(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(nil)
	a := h.nodes[0].call(t, "/token", id, secret, form("grant_type", "client_credentials"))
	if _, _, err := h.clients.Update(member(t.Context(), "acme", "oauth:clients", "mail:send"), id, func(c *token.Client) { c.Policy.DPoP = token.Required }); err != nil {
		t.Fatal(err)
	}
	if e := h.explain(a.text("access_token")); words(e) != "unbound" {
		t.Errorf("got %v, want unbound", e.Reasons)
	}
}

func TestWhatIsNoTokenIsExplainedToo(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(nil)
	good := h.nodes[0].call(t, "/token", id, secret, form("grant_type", "client_credentials")).text("access_token")
	for name, c := range map[string]struct{ value, want string }{
		"a client's secret":       {secret, "no-token"},
		"nothing":                 {"", "no-token"},
		"an opaque one of others": {token.AccessPrefix + "x", "unknown"},
		"another signature":       {good[:len(good)-4] + "AAAA", "invalid"},
		"a longer one":            {good + strings.Repeat("A", token.MaxSize), "invalid"},
	} {
		e := h.explain(c.value)
		if words(e) != c.want {
			t.Errorf("%s: got %v, want %s", name, e.Reasons, c.want)
		}
		if e.Known || e.Claims.Client != "" {
			t.Errorf("%s: something is told of it that nothing proves: %+v", name, e)
		}
	}
	if _, err := h.nodes[0].Explain(member(t.Context(), "acme", "oauth:clients"), good); err == nil {
		t.Error("a tenant's administrator was told of a token")
	}
}

func TestSigningKeysAreListedWithTheirTimes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := newAuthority(t, d, token.ES256)
		ctx := runner(t.Context())
		states := func() (all string) {
			keys, err := a.Keys(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range keys {
				all += k.State + " "
				switch {
				case k.ID == "" || k.Algorithm != token.ES256 || k.Since.IsZero():
					t.Errorf("got %+v", k)
				case k.State == "next" && !k.Ready.Equal(k.Since.Add(token.Lead)):
					t.Errorf("next key: ready at %v, published at %v", k.Ready, k.Since)
				case (k.State == "retired") == k.Until.IsZero():
					t.Errorf("%s key: until %v", k.State, k.Until)
				}
			}
			return all
		}
		if got := states(); !strings.Contains(got, "active") || !strings.Contains(got, "next") {
			t.Errorf("got %s", got)
		}
		a.advance(token.Lead)
		if err := a.Rotate(ctx); err != nil {
			t.Fatal(err)
		}
		if got := states(); !strings.Contains(got, "retired") {
			t.Errorf("after a rotation: got %s", got)
		}
		a.advance(token.Retired)
		if got := states(); strings.Contains(got, "retired") {
			t.Errorf("after the end of the retired one: got %s", got)
		}
		if _, err := a.Keys(t.Context()); err == nil {
			t.Error("a stranger sees the keys")
		}
	})
}
