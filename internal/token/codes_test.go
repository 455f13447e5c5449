package token_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/fault"
	"signet/internal/token"
)

// signedIn are the sessions that there are.
type signedIn map[string]token.Person

var (
	errEnded = fault.New(fault.Unauthorized, "nobody is signed in here")
	errGone  = fault.New(fault.NotFound, "no such user")
)

func (s signedIn) BySession(_ context.Context, user, session string) (token.Person, error) {
	if p, ok := s[session]; ok && p.User == user {
		return p, nil
	}
	return token.Person{}, errEnded
}

func (s signedIn) ByUser(_ context.Context, user, account string) (token.Person, error) {
	for _, p := range s {
		if p.User == user && p.Account == account {
			p.AMR, p.ACR, p.AuthTime = nil, "", time.Time{}
			return p, nil
		}
	}
	return token.Person{}, errGone
}

func (s signedIn) Profile(_ context.Context, user string) (token.Profile, error) {
	return token.Profile{Name: "Alice", Locale: "fr", Email: "alice@example.org", EmailVerified: true}, nil
}

const (
	next     = "http://app.localhost:8081/callback?tab=1"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
)

// challenge is that of verifier.
var challenge = func() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}()

// desk is an installation with an app, and alice signed in.
type desk struct {
	codes     *token.Codes
	clients   *token.Clients
	authority authority
	app       token.Client
	secret    string
	sessions  signedIn
	events    *[]audit.Event
	d         *db.DB
	lock      *sync.Mutex
}

// locked is a recorder for many at once.
type locked struct {
	recorder

	lock *sync.Mutex
}

func (l locked) Record(ctx context.Context, tx *db.Tx, e audit.Event) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.recorder.Record(ctx, tx, e)
}

func newDesk(t *testing.T, d *db.DB, app token.NewClient) *desk {
	t.Helper()
	k := &desk{d: d, authority: newAuthority(t, d, ""), lock: &sync.Mutex{}}
	k.clients, k.events = newClients(t, d)
	k.sessions = signedIn{"ses_alice": {
		User: "usr_alice", Account: "acme", Roles: []string{"auditor"}, Permissions: []string{"audit:read"},
		AMR: []string{"hwk", "mfa"}, ACR: "phr", AuthTime: start.Add(-time.Minute),
	}}
	k.codes = k.newCodes(nil)
	k.app, k.secret = k.newApp(t, app)
	return k
}

func (k *desk) newCodes(post token.Poster) *token.Codes {
	return token.NewCodes(k.d, k.authority.Authority, token.CodeOptions{
		People: k.sessions, Audit: locked{recorder{k.events}, k.lock}, Post: post, Now: func() time.Time { return *k.authority.now },
	})
}

func (k *desk) newApp(t *testing.T, n token.NewClient) (token.Client, string) {
	t.Helper()
	if n.Name == "" {
		n.Name = "Hello"
	}
	if n.Redirects == nil {
		n.Redirects = []string{"http://app.localhost:8081/callback"}
	}
	c, secret, err := k.clients.Create(member(t.Context(), "acme", "oauth:clients"), n)
	if err != nil {
		t.Fatal(err)
	}
	return c, secret
}

func (k *desk) handoff() token.Handoff {
	return token.Handoff{Client: k.app.ID, Next: next, Challenge: challenge, User: "usr_alice", Session: "ses_alice"}
}

func (k *desk) issue(t *testing.T) string {
	t.Helper()
	code, err := k.codes.Issue(t.Context(), k.handoff())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// recorded returns action and reason of what happened to codes.
func (k *desk) recorded() (all []string) {
	for _, e := range *k.events {
		if strings.HasPrefix(e.Action, "oauth_code.") {
			all = append(all, strings.TrimSuffix(e.Action+" "+e.Reason, " "))
		}
	}
	return all
}

func TestCodeGivesTheAppATokenForWhoIsSignedIn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := newDesk(t, d, token.NewClient{Audiences: []string{api, "https://second.example.org"}})
		code := k.issue(t)
		k.authority.advance(59 * time.Second)
		got, err := k.codes.Redeem(t.Context(), k.app, code, verifier)
		if err != nil {
			t.Fatal(err)
		}
		claims, err := k.authority.Verify(t.Context(), got.AccessToken, api)
		if err != nil {
			t.Fatal(err)
		}
		got.AccessToken = ""
		want := token.HandoffResponse{
			TokenType: "Bearer", ExpiresIn: 300, User: "usr_alice", Account: "acme",
			Roles: []string{"auditor"}, Permissions: []string{"audit:read"},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("answer (-want +got):\n%s", d)
		}
		now := start.Add(59 * time.Second)
		wantClaims := token.Claims{
			Issuer: issuer, Subject: "usr_alice", Audience: []string{api}, Client: k.app.ID, Account: "acme", Session: "ses_alice",
			ID: claims.ID, Issued: now, Expires: now.Add(token.Lifetime), AuthTime: start.Add(-time.Minute), ACR: "phr",
			AMR: []string{"hwk", "mfa"}, Roles: []string{"auditor"}, Permissions: []string{"audit:read"},
		}
		if d := cmp.Diff(wantClaims, claims); d != "" {
			t.Errorf("claims (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]string{"oauth_code.redeem"}, k.recorded()); d != "" {
			t.Errorf("audit (-want +got):\n%s", d)
		}
	})
}

func TestAppWithoutAnAudienceGetsTokensForItself(t *testing.T) {
	k := newDesk(t, dbtest.SQLite(t), token.NewClient{})
	got, err := k.codes.Redeem(t.Context(), k.app, k.issue(t), verifier)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.authority.Verify(t.Context(), got.AccessToken, k.app.ID); err != nil {
		t.Error(err)
	}
}

func TestCodeIsKeptAsItsHash(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := newDesk(t, d, token.NewClient{})
		code := k.issue(t)
		var kept []byte
		if err := d.SQL().QueryRowContext(t.Context(), `SELECT hash FROM oauth_codes`).Scan(&kept); err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256([]byte(code)); len(code) != 43 || string(kept) != string(sum[:]) {
			t.Errorf("got %d characters kept as %x, want 43 as their SHA-256", len(code), kept)
		}
	})
}

// Every refusal is the same, and leaves the code used.
func TestCodeThatWasMisusedGivesNothingAnyMore(t *testing.T) {
	cases := map[string]struct {
		misuse func(t *testing.T, k *desk, code string) error
		want   []string // in the audit log
	}{
		"wrong verifier": {
			func(t *testing.T, k *desk, code string) error {
				_, err := k.codes.Redeem(t.Context(), k.app, code, strings.Repeat("x", 43))
				return err
			}, []string{"oauth_code.redeem verifier is wrong", "oauth_code.replay a code that was used came again"},
		},
		"no verifier": {
			func(t *testing.T, k *desk, code string) error {
				_, err := k.codes.Redeem(t.Context(), k.app, code, "")
				return err
			}, []string{"oauth_code.redeem verifier is wrong", "oauth_code.replay a code that was used came again"},
		},
		"challenge for verifier": {
			func(t *testing.T, k *desk, code string) error {
				_, err := k.codes.Redeem(t.Context(), k.app, code, challenge)
				return err
			}, []string{"oauth_code.redeem verifier is wrong", "oauth_code.replay a code that was used came again"},
		},
		"another client": {
			func(t *testing.T, k *desk, code string) error {
				other, _ := k.newApp(t, token.NewClient{})
				_, err := k.codes.Redeem(t.Context(), other, code, verifier)
				return err
			}, []string{"oauth_code.redeem code is another client's", "oauth_code.replay a code that was used came again"},
		},
		"too late": {
			func(t *testing.T, k *desk, code string) error {
				k.authority.advance(token.CodeLife)
				_, err := k.codes.Redeem(t.Context(), k.app, code, verifier)
				return err
			}, []string{"oauth_code.redeem code is expired", "oauth_code.replay a code that was used came again"},
		},
		"session ended": {
			func(t *testing.T, k *desk, code string) error {
				person := k.sessions["ses_alice"]
				delete(k.sessions, "ses_alice")
				_, err := k.codes.Redeem(t.Context(), k.app, code, verifier)
				k.sessions["ses_alice"] = person
				return err
			}, []string{"oauth_code.redeem", "oauth_code.replay a code that was used came again"},
		},
		"client disabled": {
			func(t *testing.T, k *desk, code string) error {
				if err := k.clients.Disable(operator(t.Context()), k.app.ID); err != nil {
					t.Fatal(err)
				}
				_, err := k.codes.Redeem(t.Context(), k.app, code, verifier)
				return err
			}, []string{"oauth_code.redeem client is disabled", "oauth_code.replay a code that was used came again"},
		},
		"twice": {
			func(t *testing.T, k *desk, code string) error {
				if _, err := k.codes.Redeem(t.Context(), k.app, code, verifier); err != nil {
					t.Fatal(err)
				}
				return token.ErrGrant
			}, []string{"oauth_code.redeem", "oauth_code.replay a code that was used came again"},
		},
		"unknown code": {
			func(t *testing.T, k *desk, code string) error {
				var errs []error
				for _, c := range []string{"", "x", strings.Repeat("A", 43), code + "A", "\x00"} {
					_, err := k.codes.Redeem(t.Context(), k.app, c, verifier)
					if !errors.Is(err, token.ErrGrant) {
						t.Errorf("%q: got %v", c, err)
					}
					errs = append(errs, err)
				}
				_, err := k.codes.Redeem(t.Context(), k.app, code, "") // used up for the check below
				return errors.Join(append(errs, err)...)
			}, []string{"oauth_code.redeem verifier is wrong", "oauth_code.replay a code that was used came again"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				k := newDesk(t, d, token.NewClient{})
				code := k.issue(t)
				if err := c.misuse(t, k, code); !errors.Is(err, token.ErrGrant) {
					t.Errorf("got %v, want ErrGrant", err)
				}
				if _, err := k.codes.Redeem(t.Context(), k.app, code, verifier); !errors.Is(err, token.ErrGrant) {
					t.Errorf("then: got %v, want ErrGrant", err)
				}
				if d := cmp.Diff(c.want, k.recorded()); d != "" {
					t.Errorf("audit (-want +got):\n%s", d)
				}
			})
		})
	}
}

func TestOfManyRedemptionsAtOnceOneWins(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := newDesk(t, d, token.NewClient{})
		instances := []*token.Codes{k.codes, k.newCodes(nil)}
		code := k.issue(t)
		var won, refused atomic.Int32
		var all sync.WaitGroup
		for n := range 64 {
			all.Go(func() {
				_, err := instances[n%2].Redeem(t.Context(), k.app, code, verifier)
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, token.ErrGrant):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || refused.Load() != 63 {
			t.Errorf("%d won and %d were refused, want 1 and 63", won.Load(), refused.Load())
		}
	})
}

func TestCodesAreIssuedOnlyForWhatIsRegistered(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := newDesk(t, d, token.NewClient{})
		disabled, _ := k.newApp(t, token.NewClient{})
		if err := k.clients.Disable(operator(t.Context()), disabled.ID); err != nil {
			t.Fatal(err)
		}
		cases := map[string]struct {
			change func(h *token.Handoff)
			want   error
		}{
			"unknown client":      {func(h *token.Handoff) { h.Client = "cli_x" }, token.ErrNoClient},
			"client with a NUL":   {func(h *token.Handoff) { h.Client = "\x00" }, token.ErrNoClient},
			"disabled client":     {func(h *token.Handoff) { h.Client = disabled.ID }, token.ErrNoClient},
			"no next":             {func(h *token.Handoff) { h.Next = "" }, token.ErrNext},
			"path":                {func(h *token.Handoff) { h.Next = "/callback" }, token.ErrNext},
			"another host":        {func(h *token.Handoff) { h.Next = "http://evil.localhost:8081/callback" }, token.ErrNext},
			"another port":        {func(h *token.Handoff) { h.Next = "http://app.localhost:8082/callback" }, token.ErrNext},
			"another scheme":      {func(h *token.Handoff) { h.Next = "https://app.localhost:8081/callback" }, token.ErrNext},
			"user in next":        {func(h *token.Handoff) { h.Next = "http://app.localhost:8081@evil.example/" }, token.ErrNext},
			"fragment":            {func(h *token.Handoff) { h.Next = next + "#x" }, token.ErrNext},
			"no challenge":        {func(h *token.Handoff) { h.Challenge = "" }, token.ErrChallenge},
			"short challenge":     {func(h *token.Handoff) { h.Challenge = h.Challenge[1:] }, token.ErrChallenge},
			"challenge no base64": {func(h *token.Handoff) { h.Challenge = strings.Repeat("~", 43) }, token.ErrChallenge},
			"ended session":       {func(h *token.Handoff) { h.Session = "ses_gone" }, errEnded},
			"another's session":   {func(h *token.Handoff) { h.User = "usr_bob" }, errEnded},
		}
		for name, c := range cases {
			h := k.handoff()
			c.change(&h)
			if code, err := k.codes.Issue(t.Context(), h); !errors.Is(err, c.want) || code != "" {
				t.Errorf("%s: got %q, %v, want %v", name, code, err, c.want)
			}
		}
		if _, err := d.SQL().ExecContext(t.Context(), `UPDATE accounts SET disabled_at = $1 WHERE id = 'acme'`, start); err != nil {
			t.Fatal(err)
		}
		if _, err := k.codes.App(t.Context(), k.app.ID); !errors.Is(err, token.ErrNoClient) {
			t.Errorf("client of a disabled account: got %v, want ErrNoClient", err)
		}
	})
}

func TestAppIsFoundWithoutAPermission(t *testing.T) {
	k := newDesk(t, dbtest.SQLite(t), token.NewClient{})
	got, err := k.codes.App(t.Context(), k.app.ID)
	if d := cmp.Diff(k.app, got); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
}

func TestCodesAreRemovedADayAfterTheirEnd(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := newDesk(t, d, token.NewClient{})
		k.issue(t)
		count := func() (n int) {
			if err := d.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM oauth_codes`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		var got []int
		for _, wait := range []time.Duration{token.CodeLife, 24*time.Hour - time.Second, time.Second} {
			k.authority.advance(wait)
			if err := k.codes.Prune(t.Context()); err != nil {
				t.Fatal(err)
			}
			got = append(got, count())
		}
		if !slices.Equal(got, []int{1, 1, 0}) {
			t.Errorf("got %v codes after a minute, a day and a second more, want 1, 1, 0", got)
		}
	})
}

func TestAnAppOfATenantGetsNobodyOfAnother(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := newDesk(t, d, token.NewClient{Name: "Hello", Redirects: []string{next}})
		k.sessions["ses_bob"] = token.Person{User: "usr_bob", Account: "other", Permissions: []string{"users:write"}}
		issue := func() error {
			_, err := k.codes.Issue(t.Context(), token.Handoff{
				Client: k.app.ID, Next: next, Challenge: challenge, User: "usr_bob", Session: "ses_bob",
			})
			return err
		}
		if err := issue(); !errors.Is(err, token.ErrNoClient) {
			t.Errorf("a user of another tenant: got %v, want ErrNoClient", err)
		}
		if _, err := d.SQL().ExecContext(t.Context(), `UPDATE accounts SET kind = 'system' WHERE id = 'acme'`); err != nil {
			t.Fatal(err)
		}
		if err := issue(); err != nil {
			t.Errorf("an app of the system account: %v", err)
		}
	})
}
