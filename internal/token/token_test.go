package token_test

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/push"
	"signet/internal/seal"
	"signet/internal/ticket"
	"signet/internal/token"
)

const (
	issuer = "https://auth.example.org"
	api    = "https://api.example.org"
)

var start = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

var algorithms = []token.Algorithm{token.ES256, token.EdDSA}

// authority is one instance's, with a clock of its own.
type authority struct {
	*token.Authority

	now *time.Time
}

var masterKey = sync.OnceValue(seal.NewKey)

func newAuthority(t testing.TB, d *db.DB, alg token.Algorithm) authority {
	t.Helper()
	now := start
	a := token.New(d, seal.New(seal.NewRing(masterKey())), push.New(d), audit.Discard,
		token.Options{Issuer: issuer, Algorithm: alg, Now: func() time.Time { return now }})
	if err := a.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return authority{a, &now}
}

func (a authority) advance(d time.Duration) { *a.now = a.now.Add(d) }

func operator(ctx context.Context) context.Context {
	return ticket.With(ctx, ticket.Operator([]string{"oauth:keys", "oauth:clients"}))
}

func claims() token.Claims {
	return token.Claims{
		Subject: "usr_alice", Audience: []string{api}, Client: "cli_app", Account: "acc_acme", Session: "ses_1",
		AuthTime: start.Add(-time.Minute), ACR: "phr", AMR: []string{"hwk", "user"},
		Scopes: []string{"mail:read", "mail:send"}, Roles: []string{"auditor"}, Permissions: []string{"audit:read"},
		Confirm: token.Confirmation{JKT: strings.Repeat("A", 43), X5T: strings.Repeat("B", 42) + "E"},
	}
}

func issue(t testing.TB, a authority, c token.Claims) string {
	t.Helper()
	s, err := a.Issue(t.Context(), c)
	if err != nil {
		t.Fatalf("issue: %v", err)
	}
	return s
}

func TestIssuedTokenSaysWhatItWasIssuedFor(t *testing.T) {
	for _, alg := range algorithms {
		t.Run(string(alg), func(t *testing.T) {
			a := newAuthority(t, dbtest.SQLite(t), alg)
			for _, audiences := range [][]string{{api}, {api, "https://other.example.org"}} {
				want := claims()
				want.Audience = audiences
				got, err := a.Verify(t.Context(), issue(t, a, want), api)
				if err != nil {
					t.Fatal(err)
				}
				if len(got.ID) < 26 {
					t.Errorf("jti: got %q, want 128 bits", got.ID)
				}
				want.ID, want.Issuer, want.Issued, want.Expires = got.ID, issuer, start, start.Add(5*time.Minute)
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("claims (-want +got):\n%s", d)
				}
			}
		})
	}
}

func TestTokenHasTheHeaderOfRFC9068(t *testing.T) {
	a := newAuthority(t, dbtest.SQLite(t), "")
	kid, _ := a.ActiveKey(t)
	head, _, _ := strings.Cut(issue(t, a, claims()), ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]any{"alg": "ES256", "kid": kid, "typ": "at+jwt"}, got); d != "" {
		t.Errorf("header (-want +got):\n%s", d)
	}
}

func TestIssueRefusesWhatNoTokenCanSay(t *testing.T) {
	a := newAuthority(t, dbtest.SQLite(t), "")
	for name, change := range map[string]func(*token.Claims){
		"sub":           func(c *token.Claims) { c.Subject = "" },
		"client_id":     func(c *token.Claims) { c.Client = "\xff" },
		"aud":           func(c *token.Claims) { c.Audience = nil },
		"roles":         func(c *token.Claims) { c.Roles = []string{""} },
		"scope":         func(c *token.Claims) { c.Scopes = []string{"two words"} },
		"cnf.jkt":       func(c *token.Claims) { c.Confirm.JKT = "short" },
		"exp":           func(c *token.Claims) { c.Expires = start.Add(5*time.Minute + time.Second) },
		"auth_time":     func(c *token.Claims) { c.AuthTime = start.Add(time.Minute) },
		"together":      func(c *token.Claims) { c.Roles = []string{strings.Repeat("r", token.MaxSize)} },
		"cnf.x5t#S256:": func(c *token.Claims) { c.Confirm.X5T = strings.Repeat("B", 43) }, // not canonical
	} {
		t.Run(name, func(t *testing.T) {
			c := claims()
			change(&c)
			if _, err := a.Issue(t.Context(), c); !errors.Is(err, token.ErrClaim) || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v, want ErrClaim for %s", err, name)
			}
		})
	}
}

func TestInstancesThatStartTogetherMakeOneSetOfKeys(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var all [20]*token.Authority
		var wg sync.WaitGroup
		for i := range all {
			all[i] = token.New(d, seal.New(seal.NewRing(masterKey())), push.New(d), audit.Discard,
				token.Options{Issuer: issuer, Now: func() time.Time { return start }})
			wg.Go(func() {
				if err := all[i].Load(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			t.FailNow()
		}
		want := all[0].Known(start)
		if len(want) != 2 {
			t.Errorf("got %v, want one active and one next key", want)
		}
		for _, a := range all {
			if d := cmp.Diff(want, a.Known(start)); d != "" {
				t.Errorf("instances differ:\n%s", d)
			}
		}
	})
}

func TestRotatedKeyVerifiesUntilItsLastTokenHasEnded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := newAuthority(t, d, "")
		ctx := operator(t.Context())
		first, _ := a.ActiveKey(t)
		if err := a.Rotate(ctx); !errors.Is(err, token.ErrTooSoon) {
			t.Fatalf("next key is not in caches yet: got %v, want ErrTooSoon", err)
		}
		a.advance(token.Lead)
		old := issue(t, a, claims())
		stale := newAuthority(t, d, "")
		stale.advance(token.Lead)
		if err := stale.Load(ctx); err != nil {
			t.Fatal(err)
		}
		if err := a.Rotate(ctx); err != nil {
			t.Fatal(err)
		}
		if err := a.Rotate(ctx); !errors.Is(err, token.ErrTooSoon) {
			t.Errorf("second rotation: got %v, want ErrTooSoon", err)
		}
		if second, _ := a.ActiveKey(t); second == first {
			t.Error("the retired key signs")
		}
		if _, err := a.Verify(ctx, old, api); err != nil {
			t.Errorf("token of the retired key: %v", err)
		}
		// An instance that has not heard of it signs with the old key for a minute.
		stale.advance(token.FreshFor - time.Second)
		late := issue(t, stale, claims())
		elapsed := token.FreshFor + token.Lifetime + token.Skew - 2*time.Second
		a.advance(elapsed)
		if _, err := a.Verify(ctx, late, api); err != nil {
			t.Errorf("last token of the retired key, before its end: %v", err)
		}
		a.advance(token.Retired - elapsed - time.Second)
		if got := a.Known(*a.now); len(got) != 3 || got[first] != "retired" {
			t.Errorf("before its end: got %v, want the retired key among three", got)
		}
		a.advance(time.Second)
		if err := a.Load(ctx); err != nil {
			t.Fatal(err)
		}
		if got := a.Known(*a.now); len(got) != 2 {
			t.Errorf("after its end: got %v, want two", got)
		}
	})
}

func TestOneOfTwentyRotationsSucceeds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := newAuthority(t, d, "")
		a.advance(token.Lead)
		var done [20]error
		var wg sync.WaitGroup
		for i := range done {
			wg.Go(func() { done[i] = a.Rotate(operator(t.Context())) })
		}
		wg.Wait()
		n := 0
		for _, err := range done {
			if err == nil {
				n++
			} else if !errors.Is(err, token.ErrTooSoon) {
				t.Error(err)
			}
		}
		if n != 1 || len(a.Known(*a.now)) != 3 {
			t.Errorf("got %d rotations and the keys %v, want one and three", n, a.Known(*a.now))
		}
	})
}

func TestRotationNeedsItsPermission(t *testing.T) {
	a := newAuthority(t, dbtest.SQLite(t), "")
	if err := a.Rotate(t.Context()); !errors.Is(err, ticket.ErrNone) {
		t.Errorf("nobody: got %v, want ErrNone", err)
	}
	ctx := ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Permissions: []string{"oauth:clients"}})
	if err := a.Rotate(ctx); !errors.Is(err, ticket.ErrForbidden) {
		t.Errorf("without the permission: got %v, want ErrForbidden", err)
	}
}

// A key that the store names must not come from whoever can write to the store only.
func TestKeyOfAnotherSealerIsRefused(t *testing.T) {
	d := dbtest.SQLite(t)
	newAuthority(t, d, "")
	other := token.New(d, seal.New(seal.NewRing(seal.NewKey())), push.New(d), audit.Discard,
		token.Options{Issuer: issuer, Now: func() time.Time { return start }})
	if err := other.Load(t.Context()); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("got %v, want ErrUnknownKey", err)
	}
}

func TestOutageOfTheStoreEndsIssuingAfterAMinuteAndVerifyingNever(t *testing.T) {
	d := dbtest.SQLite(t)
	a := newAuthority(t, d, "")
	s := issue(t, a, claims())
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	a.advance(token.FreshFor - time.Second)
	issue(t, a, claims())
	a.advance(time.Second)
	if _, err := a.Issue(t.Context(), claims()); err == nil {
		t.Error("issued with a key that may be retired")
	}
	if _, err := a.Verify(t.Context(), s, api); err != nil {
		t.Errorf("verify: %v", err)
	}
}

func TestRotationElsewhereIsSeenByAnInstanceThatRuns(t *testing.T) {
	d := dbtest.SQLite(t)
	bus := push.New(d)
	now := start
	clock := func() time.Time { return now }
	options := token.Options{Issuer: issuer, Now: clock}
	one := token.New(d, seal.New(seal.NewRing(masterKey())), bus, audit.Discard, options)
	two := token.New(d, seal.New(seal.NewRing(masterKey())), bus, audit.Discard, options)
	for _, a := range []*token.Authority{one, two} {
		if err := a.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(token.Lead)
	if err := one.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = bus.Run(ctx) })
	wg.Go(func() { _ = two.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	if err := one.Rotate(operator(t.Context())); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cmp.Equal(one.Known(now), two.Known(now)) {
		select {
		case <-deadline:
			t.Fatalf("got %v, want %v", two.Known(now), one.Known(now))
		case <-tick.C:
		}
	}
}

func TestPublishedKeysArePublicNamedAndCached(t *testing.T) {
	for _, alg := range algorithms {
		t.Run(string(alg), func(t *testing.T) {
			a := newAuthority(t, dbtest.SQLite(t), alg)
			mux := http.NewServeMux()
			token.Routes(mux, a.Authority)
			get := func(tag string) *httptest.ResponseRecorder {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/jwks", http.NoBody)
				r.Header.Set("If-None-Match", tag)
				w := httptest.NewRecorder()
				mux.ServeHTTP(w, r)
				return w
			}
			w := get("")
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/jwk-set+json" ||
				w.Header().Get("Cache-Control") != "public, max-age=300" {
				t.Errorf("got %d %v", w.Code, w.Header())
			}
			var raw struct{ Keys []map[string]any }
			var set jose.JSONWebKeySet
			if err := errors.Join(json.Unmarshal(w.Body.Bytes(), &raw), json.Unmarshal(w.Body.Bytes(), &set)); err != nil {
				t.Fatal(err)
			}
			if len(set.Keys) != 2 {
				t.Fatalf("got %d keys, want the active and the next one", len(set.Keys))
			}
			for i, k := range set.Keys {
				sum, err := k.Thumbprint(crypto.SHA256)
				if err != nil || k.KeyID != base64.RawURLEncoding.EncodeToString(sum) {
					t.Errorf("kid %s is not the thumbprint (%v)", k.KeyID, err)
				}
				if !k.IsPublic() || !k.Valid() || k.Use != "sig" || k.Algorithm != string(alg) {
					t.Errorf("got %+v", raw.Keys[i])
				}
				for _, private := range []string{"d", "p", "q", "k"} {
					if _, there := raw.Keys[i][private]; there {
						t.Errorf("the member %q is published", private)
					}
				}
			}
			if again := get(w.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
				t.Errorf("with its ETag: got %d and %d bytes, want 304", again.Code, again.Body.Len())
			}
		})
	}
}
