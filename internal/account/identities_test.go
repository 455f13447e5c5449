package account_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/internal/account"
	"signet/internal/audit"
	"signet/internal/authapi"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/fault"
	"signet/internal/ticket"
)

// outside is an installation with users, and a service key that speaks for google.
type outside struct {
	*fixture
	*account.Identities
	db    *db.DB
	audit *remembered
	told  []account.NewIdentity
	login context.Context // of the service key
	admin context.Context // of the operator
	mu    sync.Mutex
}

// IdentityLinked implements account.Notifier.
func (o *outside) IdentityLinked(_ context.Context, n account.NewIdentity) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = append(o.told, n)
}

// CredentialChanged implements account.Notifier.
func (o *outside) CredentialChanged(context.Context, account.CredentialChange) {}

// remembered is the actions that were recorded and committed.
type remembered struct {
	mu      sync.Mutex
	actions []string
}

func (r *remembered) Record(_ context.Context, tx *db.Tx, e audit.Event) error {
	tx.AfterCommit(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.actions = append(r.actions, e.Action)
	})
	return nil
}

func eachOutside(t *testing.T, signUp string, test func(t *testing.T, o *outside)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := &outside{fixture: &fixture{clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, db: d, audit: &remembered{}}
		o.Service = account.New(d, o.audit, func() time.Time { return o.clock }, catalogue, account.Closers{
			UserDisabled:   func(context.Context, *db.Tx, string) error { return nil },
			AddressRemoved: func(context.Context, *db.Tx, string, string) error { return nil },
		})
		o.Identities = account.NewIdentities(o.Service, account.IdentityOptions{SignUp: signUp, Notifier: o})
		o.admin = o.operator(t.Context())
		_, secret, err := o.CreateKey(o.admin, account.NewKey{Name: "login", Permissions: []string{"auth:oauth"}, Providers: []string{"google", "github"}})
		if err != nil {
			t.Fatal(err)
		}
		key, err := o.authenticate(t, "X-Api-Key", secret)
		if err != nil {
			t.Fatal(err)
		}
		o.login = ticket.With(t.Context(), key)
		o.audit.actions = nil
		test(t, o)
	})
}

func (o *outside) user(t *testing.T, n account.NewUser) account.User {
	t.Helper()
	u, err := o.CreateUser(o.admin, n)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// signedIn is the ticket of a user who signed in some time ago.
func (o *outside) signedIn(user string, ago time.Duration) *ticket.Ticket {
	return &ticket.Ticket{Kind: ticket.User, Subject: user, AuthTime: o.clock.Add(-ago)}
}

// link gives a user an identity by their own ticket.
func (o *outside) link(t *testing.T, user, provider, sub string) account.Identity {
	t.Helper()
	r, err := o.Resolve(o.login, authapi.OAuthRequest{Provider: provider, ProviderSub: sub, LinkToUserID: user}, o.signedIn(user, 0))
	if err != nil || !r.Linked || r.Created || r.User.ID != user {
		t.Fatalf("link: got %+v, %v", r, err)
	}
	all, err := o.List(o.admin, user)
	if err != nil || len(all) == 0 {
		t.Fatalf("list: got %v, %v", all, err)
	}
	i := slices.IndexFunc(all, func(i account.Identity) bool { return i.Provider == provider && i.ProviderSub == sub })
	return all[i]
}

func (o *outside) resolve(req authapi.OAuthRequest) (account.Resolution, error) {
	return o.Resolve(o.login, req, nil)
}

func (o *outside) count(t *testing.T, query string) (n int) {
	t.Helper()
	if err := o.db.SQL().QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (o *outside) wantRefusals(t *testing.T, refusals map[string]refusal) {
	t.Helper()
	users, linked := `SELECT count(*) FROM users`, `SELECT count(*) FROM account_identities`
	n, m := o.count(t, users), o.count(t, linked)
	for name, c := range refusals {
		ctx := c.ctx
		if ctx == nil {
			ctx = o.login
		}
		got, err := o.Resolve(ctx, c.req, c.person)
		if !errors.Is(err, c.want) || fault.KindOf(err) != c.kind || got.User.ID != "" {
			t.Errorf("%s: got %+v, %v (%v), want %v (%v)", name, got, err, fault.KindOf(err), c.want, c.kind)
		}
	}
	if gotN, gotM := o.count(t, users), o.count(t, linked); gotN != n || gotM != m {
		t.Errorf("a refusal left %d users and %d identities, want %d and %d", gotN, gotM, n, m)
	}
}

type refusal struct {
	ctx    context.Context
	req    authapi.OAuthRequest
	person *ticket.Ticket
	want   error
	kind   fault.Kind
}

func TestIdentityOpensItsUser(t *testing.T) {
	eachOutside(t, "closed", func(t *testing.T, o *outside) {
		if err := o.CreateRole(o.admin, "", "sender", []string{"mail:send"}); err != nil {
			t.Fatal(err)
		}
		u := o.user(t, account.NewUser{Email: "alice@example.org", Roles: []string{"sender"}})
		o.link(t, u.ID, "google", "1")
		o.clock = o.clock.Add(time.Hour)

		// What else the provider says, such as another's address, changes nothing.
		o.user(t, account.NewUser{Email: "bob@example.org"})
		got, err := o.resolve(authapi.OAuthRequest{Provider: "google", ProviderSub: "1", Email: "bob@example.org", EmailVerified: true})
		if err != nil || got.User.ID != u.ID || got.Created || got.Linked || !got.Account.System || !slices.Equal(got.Roles, []string{"sender"}) {
			t.Errorf("got %+v, %v, want %s", got, err, u.ID)
		}
		all, err := o.List(o.admin, "alice@example.org")
		if err != nil || len(all) != 1 || !all[0].LastUsed.Equal(o.clock) || all[0].Created.Equal(o.clock) || all[0].Issuer != "google" {
			t.Errorf("got %+v, %v, want one that was used now", all, err)
		}
		for name, req := range map[string]authapi.OAuthRequest{
			"another case":     {Provider: "google", ProviderSub: "1 "},
			"another provider": {Provider: "github", ProviderSub: "1"},
		} {
			if _, err := o.resolve(req); !errors.Is(err, account.ErrSignUpClosed) {
				t.Errorf("%s: got %v, want ErrSignUpClosed", name, err)
			}
		}
		if err := o.Disable(o.admin, u.ID); err != nil {
			t.Fatal(err)
		}
		o.wantRefusals(t, map[string]refusal{
			"a disabled user": {req: authapi.OAuthRequest{Provider: "google", ProviderSub: "1"}, want: account.ErrSignIn, kind: fault.Unauthorized},
			"the address of a disabled user": {
				req:  authapi.OAuthRequest{Provider: "github", ProviderSub: "9", Email: "alice@example.org", EmailVerified: true},
				want: account.ErrSignIn, kind: fault.Unauthorized,
			},
		})
	})
}

func TestProviderNameGivenToAnotherIssuerOpensNobody(t *testing.T) {
	eachOutside(t, "open", func(t *testing.T, o *outside) {
		u := o.user(t, account.NewUser{Email: "alice@example.org"})
		o.link(t, u.ID, "google", "1")
		o.Identities = account.NewIdentities(o.Service, account.IdentityOptions{SignUp: "open", Issuers: map[string]string{"google": "https://other.example"}})
		o.wantRefusals(t, map[string]refusal{
			"another issuer": {req: authapi.OAuthRequest{Provider: "google", ProviderSub: "1"}, want: account.ErrIssuer, kind: fault.Conflict},
		})
	})
}

func TestOnlyAServiceKeyForTheProviderTellsWhoSignedIn(t *testing.T) {
	eachOutside(t, "open", func(t *testing.T, o *outside) {
		with := func(tk ticket.Ticket) context.Context { return ticket.With(t.Context(), &tk) }
		may := []string{"auth:oauth"}
		req := authapi.OAuthRequest{Provider: "google", ProviderSub: "1"}
		o.wantRefusals(t, map[string]refusal{
			"nobody":                     {ctx: t.Context(), req: req, want: ticket.ErrNone, kind: fault.Unauthorized},
			"a key without auth:oauth":   {ctx: with(ticket.Ticket{Kind: ticket.Key, Providers: []string{"*"}}), req: req, want: ticket.ErrForbidden, kind: fault.Forbidden},
			"a key for nobody":           {ctx: with(ticket.Ticket{Kind: ticket.Key, Permissions: may}), req: req, want: ticket.ErrForbidden, kind: fault.Forbidden},
			"a key for another provider": {ctx: o.login, req: authapi.OAuthRequest{Provider: "corp", ProviderSub: "1"}, want: ticket.ErrForbidden, kind: fault.Forbidden},
			"a user who may everything":  {ctx: with(ticket.Ticket{Kind: ticket.User, Permissions: may, Providers: []string{"*"}}), req: req, want: ticket.ErrForbidden, kind: fault.Forbidden},
		})
		for name, ctx := range map[string]context.Context{
			"its key": o.login, "a key for all": with(ticket.Ticket{Kind: ticket.Key, Permissions: may, Providers: []string{"*"}}), "the installation": o.admin,
		} {
			if _, err := o.Resolve(ctx, req, nil); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestTenantKeySpeaksForNoProvider(t *testing.T) {
	eachOutside(t, "open", func(t *testing.T, o *outside) {
		if _, err := o.CreateAccount(o.admin, "acme"); err != nil {
			t.Fatal(err)
		}
		_, secret, err := o.CreateKey(o.admin, account.NewKey{Name: "k", Account: "acme", Permissions: []string{"auth:oauth"}, Providers: []string{"*"}})
		if err != nil {
			t.Fatal(err)
		}
		key, err := o.authenticate(t, "X-Api-Key", secret)
		if err != nil {
			t.Fatal(err)
		}
		o.wantRefusals(t, map[string]refusal{"a tenant's key": {
			ctx: ticket.With(t.Context(), key), req: authapi.OAuthRequest{Provider: "google", ProviderSub: "1"}, want: ticket.ErrForbidden, kind: fault.Forbidden,
		}})
	})
}

func TestLinkingNeedsTheVeryUserJustSignedIn(t *testing.T) {
	eachOutside(t, "open", func(t *testing.T, o *outside) {
		alice := o.user(t, account.NewUser{Email: "alice@example.org"})
		bob := o.user(t, account.NewUser{Email: "bob@example.org"})
		gone := o.user(t, account.NewUser{Email: "gone@example.org"})
		o.link(t, bob.ID, "google", "bob")
		if err := o.Disable(o.admin, gone.ID); err != nil {
			t.Fatal(err)
		}
		fresh := o.signedIn(alice.ID, 5*time.Minute)
		narrowed := *fresh
		narrowed.Scopes = []string{"openid"}
		key := ticket.From(o.login)
		req := authapi.OAuthRequest{Provider: "google", ProviderSub: "alice", Email: "bob@example.org", EmailVerified: true, LinkToUserID: alice.ID}
		of := func(sub, user string) authapi.OAuthRequest {
			return authapi.OAuthRequest{Provider: "google", ProviderSub: sub, LinkToUserID: user}
		}
		o.wantRefusals(t, map[string]refusal{
			"no ticket":                        {req: req, want: account.ErrLinkTicket, kind: fault.Unauthorized},
			"no ticket, though it is linked":   {req: of("bob", bob.ID), want: account.ErrLinkTicket, kind: fault.Unauthorized},
			"another's ticket":                 {req: req, person: o.signedIn(bob.ID, 0), want: account.ErrLinkOther, kind: fault.Forbidden},
			"the service key itself":           {req: req, person: key, want: account.ErrLinkOther, kind: fault.Forbidden},
			"an app's token":                   {req: req, person: &narrowed, want: account.ErrLinkOther, kind: fault.Forbidden},
			"an old sign-in":                   {req: req, person: o.signedIn(alice.ID, 5*time.Minute+time.Second), want: account.ErrStepUp, kind: fault.Forbidden},
			"a sign-in in the future":          {req: req, person: o.signedIn(alice.ID, -time.Hour), want: account.ErrStepUp, kind: fault.Forbidden},
			"a token that tells no sign-in":    {req: req, person: &ticket.Ticket{Kind: ticket.User, Subject: alice.ID}, want: account.ErrStepUp, kind: fault.Forbidden},
			"another's identity":               {req: of("bob", alice.ID), person: fresh, want: account.ErrLinked, kind: fault.Conflict},
			"a user who was disabled meantime": {req: of("gone", gone.ID), person: o.signedIn(gone.ID, 0), want: account.ErrSignIn, kind: fault.Unauthorized},
		})
		got, err := o.Resolve(o.login, req, fresh)
		if err != nil || got.User.ID != alice.ID || !got.Linked || got.Created {
			t.Errorf("got %+v, %v, want it linked with alice", got, err)
		}
		got, err = o.Resolve(o.login, req, fresh)
		if err != nil || got.User.ID != alice.ID || got.Linked {
			t.Errorf("again: got %+v, %v, want alice and nothing new", got, err)
		}
	})
}

func TestVerifiedAddressOpensItsUserWhereThatIsSafe(t *testing.T) {
	eachOutside(t, "open", func(t *testing.T, o *outside) {
		alice := o.user(t, account.NewUser{Email: "mike@example.org"})
		if _, err := o.BootstrapAdmin(t.Context(), "root@example.org"); err != nil {
			t.Fatal(err)
		}
		verified := func(provider, sub, email string) authapi.OAuthRequest {
			return authapi.OAuthRequest{Provider: provider, ProviderSub: sub, Email: email, EmailVerified: true}
		}
		got, err := o.resolve(verified("google", "1", "Mike@Example.org"))
		if err != nil || got.User.ID != alice.ID || !got.Linked || got.Created {
			t.Fatalf("got %+v, %v, want it linked with alice", got, err)
		}
		o.wantRefusals(t, map[string]refusal{
			"somebody else at the same provider": {req: verified("google", "2", "mike@example.org"), want: account.ErrLinkRequired, kind: fault.Conflict},
			"an administrator of the node":       {req: verified("google", "3", "root@example.org"), want: account.ErrLinkRequired, kind: fault.Conflict},
		})
		if got, err := o.resolve(verified("github", "1", "mike@example.org")); err != nil || got.User.ID != alice.ID {
			t.Errorf("another provider: got %+v, %v, want alice", got, err)
		}
		if f, _ := fault.As(account.ErrLinkRequired); f.Word != "link_required" {
			t.Errorf("got word %q", f.Word)
		}
	})
}

func TestUnverifiedAddressMatchesNobody(t *testing.T) {
	eachOutside(t, "open", func(t *testing.T, o *outside) {
		alice := o.user(t, account.NewUser{Email: "mike@example.org"})
		for name, req := range map[string]authapi.OAuthRequest{
			"not verified by the provider":          {Provider: "google", ProviderSub: "1", Email: "mike@example.org"},
			"a letter that folds into an ASCII one": {Provider: "google", ProviderSub: "2", Email: "mi\u212ae@example.org", EmailVerified: true},
		} {
			got, err := o.resolve(req)
			if err != nil || !got.Created || got.User.ID == alice.ID || len(got.User.Addresses) != 0 {
				t.Errorf("%s: got %+v, %v, want a new user without a verified address", name, got, err)
			}
		}
		// The provider verified an address that newcomers only claimed: it is nobody's yet.
		claimed, err := o.resolve(authapi.OAuthRequest{Provider: "google", ProviderSub: "3", Email: "claimed@example.org"})
		if err != nil {
			t.Fatal(err)
		}
		owner, err := o.resolve(authapi.OAuthRequest{Provider: "google", ProviderSub: "4", Email: "claimed@example.org", EmailVerified: true})
		if err != nil || !owner.Created || owner.User.ID == claimed.User.ID || !slices.Equal(owner.User.Addresses, []string{"claimed@example.org"}) {
			t.Errorf("got %+v, %v, want a new user who owns the address", owner, err)
		}
		if u, err := o.FindUser(o.admin, "claimed@example.org"); err != nil || u.ID != owner.User.ID {
			t.Errorf("the address is %+v's, %v, want %s's", u, err, owner.User.ID)
		}
	})
}

func TestStrangersBecomeUsersOnlyWhereSignUpIsOpen(t *testing.T) {
	stranger := authapi.OAuthRequest{Provider: "google", ProviderSub: "1", Email: "new@example.org", EmailVerified: true, DisplayName: "Néw", Locale: "de-CH"}
	for mode, want := range map[string]error{"closed": account.ErrSignUpClosed, "invited": account.ErrInvited, "": account.ErrSignUpClosed} {
		eachOutside(t, mode, func(t *testing.T, o *outside) {
			o.wantRefusals(t, map[string]refusal{"sign-up " + mode: {req: stranger, want: want, kind: fault.Forbidden}})
			if o.count(t, `SELECT count(*) FROM accounts WHERE kind = 'tenant'`) != 0 {
				t.Error("a refusal left an account")
			}
		})
	}
	eachOutside(t, "open", func(t *testing.T, o *outside) {
		got, err := o.resolve(stranger)
		if err != nil || !got.Created || got.Linked || got.Account.System || len(got.Roles) != 0 || got.User.DisplayName != "Néw" {
			t.Errorf("got %+v, %v, want a new user without roles in an account of their own", got, err)
		}
		if want := []string{"account.create", "user.create", "identity.link"}; !slices.Equal(o.audit.actions, want) {
			t.Errorf("recorded %v, want %v", o.audit.actions, want)
		}
		if len(o.told) != 1 || !o.told[0].Created || o.told[0].User.ID != got.User.ID || o.told[0].Identity.Provider != "google" {
			t.Errorf("notified of %+v, want of the one identity", o.told)
		}
		again, err := o.resolve(stranger)
		if err != nil || again.Created || again.User.ID != got.User.ID || again.Account.ID != got.Account.ID || len(o.told) != 1 {
			t.Errorf("again: got %+v, %v and %d notices, want the same user and no further notice", again, err, len(o.told))
		}
		bare, err := o.resolve(authapi.OAuthRequest{Provider: "github", ProviderSub: "2"})
		if err != nil || !bare.Created || bare.User.DisplayName != "github" || len(bare.User.Addresses) != 0 {
			t.Errorf("without an address: got %+v, %v", bare, err)
		}
	})
}

func TestBadIdentityNamesItsField(t *testing.T) {
	eachOutside(t, "open", func(t *testing.T, o *outside) {
		good := authapi.OAuthRequest{Provider: "google", ProviderSub: "1"}
		for name, c := range map[string]struct {
			field  string
			change func(r *authapi.OAuthRequest)
		}{
			"no provider":                {"provider", func(r *authapi.OAuthRequest) { r.Provider = "" }},
			"provider in capitals":       {"provider", func(r *authapi.OAuthRequest) { r.Provider = "Google" }},
			"long provider":              {"provider", func(r *authapi.OAuthRequest) { r.Provider = strings.Repeat("a", 65) }},
			"no subject":                 {"providerSub", func(r *authapi.OAuthRequest) { r.ProviderSub = "" }},
			"long subject":               {"providerSub", func(r *authapi.OAuthRequest) { r.ProviderSub = strings.Repeat("1", 256) }},
			"NUL in the subject":         {"providerSub", func(r *authapi.OAuthRequest) { r.ProviderSub = "1\x00" }},
			"newline in the subject":     {"providerSub", func(r *authapi.OAuthRequest) { r.ProviderSub = "1\n" }},
			"subject that is not UTF-8":  {"providerSub", func(r *authapi.OAuthRequest) { r.ProviderSub = "\xff" }},
			"no address":                 {"email", func(r *authapi.OAuthRequest) { r.Email = "alice" }},
			"control character in it":    {"email", func(r *authapi.OAuthRequest) { r.Email = "a\u0085@b.example" }},
			"verified nothing":           {"emailVerified", func(r *authapi.OAuthRequest) { r.EmailVerified = true }},
			"link with an address":       {"linkToUserId", func(r *authapi.OAuthRequest) { r.LinkToUserID = "alice@example.org" }},
			"long display name":          {"displayName", func(r *authapi.OAuthRequest) { r.DisplayName = strings.Repeat("é", 201) }},
			"C1 control in display name": {"displayName", func(r *authapi.OAuthRequest) { r.DisplayName = "a\u009b" }},
			"name that is not UTF-8":     {"displayName", func(r *authapi.OAuthRequest) { r.DisplayName = "a\xff" }},
			"locale with a path":         {"locale", func(r *authapi.OAuthRequest) { r.Locale = "../de" }},
			"long locale":                {"locale", func(r *authapi.OAuthRequest) { r.Locale = "de" + strings.Repeat("-abcdefg", 5) }},
		} {
			req := good
			c.change(&req)
			_, err := o.resolve(req)
			if got, ok := fault.As(err); !ok || got.Kind != fault.Invalid || got.Field != c.field {
				t.Errorf("%s: got %v, want invalid at %s", name, err, c.field)
			}
		}
		if n := o.count(t, `SELECT count(*) FROM users`); n != 0 {
			t.Errorf("got %d users, want none", n)
		}
	})
}

func TestTwentyFirstLoginsMakeOneUser(t *testing.T) {
	eachOutside(t, "open", func(t *testing.T, o *outside) {
		for name, email := range map[string]string{"verified": "v@example.org", "unverified": "u@example.org"} {
			req := authapi.OAuthRequest{Provider: "google", ProviderSub: name, Email: email, EmailVerified: name == "verified"}
			o.twenty(func(int) authapi.OAuthRequest { return req }, func(r account.Resolution, err error) {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		if n := o.count(t, `SELECT count(*) FROM users`); n != 2 || len(o.told) != 2 {
			t.Errorf("got %d users and %d notices, want 2 and 2", n, len(o.told))
		}
		if n := o.count(t, `SELECT count(*) FROM accounts WHERE kind = 'tenant'`); n != 2 {
			t.Errorf("got %d accounts, want 2", n)
		}
	})
}

func TestTwentyLoginsWithOneVerifiedAddressMakeOneOwner(t *testing.T) {
	for name, providers := range map[string][2]string{"two at one provider": {"google", "google"}, "one at each of two": {"google", "github"}} {
		t.Run(name, func(t *testing.T) {
			eachOutside(t, "open", func(t *testing.T, o *outside) {
				o.twenty(func(i int) authapi.OAuthRequest {
					return authapi.OAuthRequest{Provider: providers[i%2], ProviderSub: string(rune('a' + i%2)), Email: "a@example.org", EmailVerified: true}
				}, func(_ account.Resolution, err error) {
					if err != nil && (providers[0] != providers[1] || !errors.Is(err, account.ErrLinkRequired)) {
						t.Error(err)
					}
				})
				if n := o.count(t, `SELECT count(*) FROM users`); n != 1 {
					t.Errorf("got %d users, want 1", n)
				}
				want := map[bool]int{true: 1, false: 2}[providers[0] == providers[1]]
				if n := o.count(t, `SELECT count(*) FROM account_identities`); n != want {
					t.Errorf("got %d identities, want %d", n, want)
				}
			})
		})
	}
}

// twenty resolves twenty requests at once.
func (o *outside) twenty(req func(i int) authapi.OAuthRequest, done func(account.Resolution, error)) {
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { done(o.resolve(req(i))) })
	}
	wg.Wait()
}

func TestLastWayInStays(t *testing.T) {
	eachOutside(t, "closed", func(t *testing.T, o *outside) {
		u := o.user(t, account.NewUser{Email: "alice@example.org"})
		other := o.user(t, account.NewUser{Email: "bob@example.org"})
		first, next := o.link(t, u.ID, "google", "1"), o.link(t, u.ID, "github", "1")
		o.audit.actions = nil
		self := ticket.With(t.Context(), o.signedIn(u.ID, time.Minute))
		for name, c := range map[string]struct{ got, want error }{
			"nobody":                 {o.Unlink(t.Context(), u.ID, first.ID), ticket.ErrNone},
			"an old sign-in":         {o.Unlink(ticket.With(t.Context(), o.signedIn(u.ID, time.Hour)), u.ID, first.ID), account.ErrStepUp},
			"another user":           {o.Unlink(ticket.With(t.Context(), o.signedIn(other.ID, 0)), u.ID, first.ID), ticket.ErrForbidden},
			"another user's list":    {second(o.List(ticket.With(t.Context(), o.signedIn(other.ID, 0)), u.ID)), ticket.ErrForbidden},
			"nobody's list":          {second(o.List(t.Context(), u.ID)), ticket.ErrNone},
			"an identity of another": {o.Unlink(o.admin, other.ID, first.ID), account.ErrNoIdentity},
		} {
			if !errors.Is(c.got, c.want) {
				t.Errorf("%s: got %v, want %v", name, c.got, c.want)
			}
		}
		if err := o.Unlink(self, u.ID, first.ID); err != nil {
			t.Errorf("the first of two: %v", err)
		}
		if err := o.Unlink(self, u.ID, next.ID); !errors.Is(err, account.ErrLastWayIn) {
			t.Errorf("the last: got %v, want ErrLastWayIn", err)
		}
		if !slices.Equal(o.audit.actions, []string{"identity.unlink"}) {
			t.Errorf("recorded %v, want one identity.unlink", o.audit.actions)
		}
		all, err := o.List(self, u.ID)
		if err != nil || len(all) != 1 {
			t.Fatalf("got %v, %v, want one left", all, err)
		}
		if err := o.Unlink(o.admin, "alice@example.org", all[0].ID); !errors.Is(err, account.ErrLastWayIn) {
			t.Errorf("the operator: got %v, want ErrLastWayIn", err)
		}
	})
}

func TestTwoUnlinkedAtOnceLeaveOne(t *testing.T) {
	eachOutside(t, "closed", func(t *testing.T, o *outside) {
		for n := range 20 {
			u := o.user(t, account.NewUser{Email: fmt.Sprintf("u%d@example.org", n)})
			ids := []string{o.link(t, u.ID, "google", u.ID).ID, o.link(t, u.ID, "github", u.ID).ID}
			self := ticket.With(t.Context(), o.signedIn(u.ID, 0))
			var wg sync.WaitGroup
			errs := make([]error, len(ids))
			for i, id := range ids {
				wg.Go(func() { errs[i] = o.Unlink(self, u.ID, id) })
			}
			wg.Wait()
			if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), account.ErrLastWayIn) {
				t.Errorf("got %v, want one ErrLastWayIn", errs)
			}
		}
	})
}

func TestIdentitiesAreShownInTheirAccountOnly(t *testing.T) {
	eachOutside(t, "closed", func(t *testing.T, o *outside) {
		acme, err := o.CreateAccount(o.admin, "acme")
		if err != nil {
			t.Fatal(err)
		}
		member := o.user(t, account.NewUser{Email: "alice@acme.example", Account: "acme"})
		stranger := o.user(t, account.NewUser{Email: "bob@example.org"})
		boss := ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: "usr_boss", Account: acme.ID, Permissions: []string{"users:read"}})
		if _, err := o.List(boss, member.ID); err != nil {
			t.Errorf("a member: %v", err)
		}
		if _, err := o.List(boss, stranger.ID); !errors.Is(err, account.ErrNoUser) {
			t.Errorf("a stranger: got %v, want ErrNoUser", err)
		}
	})
}

// A tenant's administrator may write any address beside a user: whoever owns the
// mailbox must not come out as that user, nor the user as them.
func TestOnlyProvenAddressesAreMatched(t *testing.T) {
	verified := func(provider, sub, email string) authapi.OAuthRequest {
		return authapi.OAuthRequest{Provider: provider, ProviderSub: sub, Email: email, EmailVerified: true}
	}
	eachOutside(t, "open", func(t *testing.T, o *outside) {
		o.tenants(t)
		o.person(t, "boss@acme.example", "acme", account.Administrator)
		boss := o.as(t, "boss@acme.example")
		vouched, err := o.CreateUser(boss, account.NewUser{Email: "vouched@example.org"})
		if err != nil {
			t.Fatal(err)
		}
		if err := o.AddAddress(boss, vouched.ID, "added@example.org"); err != nil {
			t.Fatal(err)
		}
		for n, email := range []string{"vouched@example.org", "added@example.org"} {
			if _, err := o.Resolve(o.login, verified("google", string(rune('1'+n)), email), nil); !errors.Is(err, account.ErrLinkRequired) {
				t.Errorf("%s: got %v, want ErrLinkRequired", email, err)
			}
		}
		if err := o.AddAddress(o.admin, vouched.ID, "proven@example.org"); err != nil {
			t.Fatal(err)
		}
		if r, err := o.Resolve(o.login, verified("google", "3", "proven@example.org"), nil); err != nil || !r.Linked || r.User.ID != vouched.ID {
			t.Errorf("an address of the operator: got %+v, %v", r, err)
		}
		r, err := o.Resolve(o.login, verified("google", "4", "new@example.org"), nil)
		if err != nil || !r.Created {
			t.Fatalf("sign-up: got %+v, %v", r, err)
		}
		if again, err := o.Resolve(o.login, verified("github", "4", "new@example.org"), nil); err != nil || again.User.ID != r.User.ID {
			t.Errorf("an address that the provider verified at sign-up: got %+v, %v", again, err)
		}
		if p, err := o.ListUsers(o.admin, account.ListUsers{Query: r.User.DisplayName}); err != nil || len(p.Users) != 1 {
			t.Errorf("who signed up is found by name: got %+v, %v", p, err)
		}
	})
}
