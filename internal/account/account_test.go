package account_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/internal/account"
	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/fault"
	"signet/internal/ticket"
)

// catalogue stands for all capabilities: one permission of the node, one of tenants.
var catalogue = append(account.Permissions(),
	ticket.Permission{Name: "audit:read", Node: true}, ticket.Permission{Name: "mail:send"})

type fixture struct {
	*account.Service
	clock    time.Time
	disabled []string
	removed  []string
	switched int
}

func (f *fixture) operator(ctx context.Context) context.Context {
	return ticket.With(ctx, ticket.Operator(f.AllPermissions()))
}

// token makes an API token of a user.
func (f *fixture) token(t *testing.T, u account.User) string {
	t.Helper()
	_, secret, err := f.CreateToken(f.operator(t.Context()), account.NewToken{User: u.ID, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func each(t *testing.T, test func(t *testing.T, f *fixture)) {
	eachStore(t, func(t *testing.T, f *fixture, _ *db.DB) { test(t, f) })
}

func eachStore(t *testing.T, test func(t *testing.T, f *fixture, d *db.DB)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := &fixture{clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		f.Service = account.New(d, audit.Discard, func() time.Time { return f.clock }, catalogue, account.Closers{
			UserDisabled: func(_ context.Context, _ *db.Tx, user string) error {
				f.disabled = append(f.disabled, user)
				return nil
			},
			AddressRemoved: func(_ context.Context, _ *db.Tx, user, address string) error {
				f.removed = append(f.removed, user+" "+address)
				return nil
			},
			AccountSwitched: func() { f.switched++ },
		})
		test(t, f, d)
	})
}

// authenticate sends a request with the headers given as pairs.
func (f *fixture) authenticate(t *testing.T, headers ...string) (*ticket.Ticket, error) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return account.NewAuthenticator(f.Service).Authenticate(r)
}

func TestTwentyFirstAdministratorsMakeOne(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		var made, refused atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				_, err := f.BootstrapAdmin(t.Context(), string(rune('a'+i))+"@example.org")
				switch {
				case err == nil:
					made.Add(1)
				case errors.Is(err, account.ErrAdminExists):
					refused.Add(1)
				default:
					t.Errorf("bootstrap: %v", err)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 || refused.Load() != 19 {
			t.Errorf("got %d made and %d refused, want 1 and 19", made.Load(), refused.Load())
		}
	})
}

func TestAdministratorHoldsEveryPermission(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		u, err := f.BootstrapAdmin(t.Context(), " Root@Example.ORG ")
		if err != nil {
			t.Fatal(err)
		}
		token := f.token(t, u)
		if !slices.Equal(u.Addresses, []string{"root@example.org"}) {
			t.Errorf("addresses: got %v", u.Addresses)
		}
		got, err := f.authenticate(t, "Authorization", "Bearer "+token)
		if err != nil {
			t.Fatal(err)
		}
		if got.Kind != ticket.User || got.Subject != u.ID || got.Scopes != nil {
			t.Errorf("got %+v", got)
		}
		if diff := cmp.Diff(f.AllPermissions(), got.Permissions); diff != "" {
			t.Errorf("permissions (-want +got):\n%s", diff)
		}
	})
}

func TestTenantAdministratorReachesNeitherNodeNorOthers(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := f.operator(t.Context())
		root, err := f.BootstrapAdmin(ctx, "root@example.org")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"acme", "other"} {
			if _, err := f.CreateAccount(ctx, name); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := f.CreateUser(ctx, account.NewUser{Email: "boss@acme.example", Account: "acme", Roles: []string{account.Administrator}}); err != nil {
			t.Fatal(err)
		}
		stranger, err := f.CreateUser(ctx, account.NewUser{Email: "eve@other.example", Account: "other"})
		if err != nil {
			t.Fatal(err)
		}
		_, secret, err := f.CreateToken(ctx, account.NewToken{User: "boss@acme.example", Name: "t"})
		if err != nil {
			t.Fatal(err)
		}
		boss, err := f.authenticate(t, "Authorization", "bearer "+secret)
		if err != nil {
			t.Fatal(err)
		}
		if boss.May("audit:read") || boss.May("accounts:write") || !boss.May("mail:send") {
			t.Errorf("permissions: got %v", boss.Permissions)
		}
		asBoss := ticket.With(t.Context(), boss)
		for name, c := range map[string]struct {
			err  error
			want error
		}{
			"disables the node's administrator":  {f.Disable(asBoss, root.ID), account.ErrNoUser},
			"disables a user of another tenant":  {f.Disable(asBoss, stranger.ID), account.ErrNoUser},
			"takes an address of another tenant": {f.RemoveAddress(asBoss, stranger.ID, "eve@other.example"), account.ErrNoUser},
			"creates an account":                 {second(f.CreateAccount(asBoss, "mine")), ticket.ErrForbidden},
			"creates a user elsewhere":           {second(f.CreateUser(asBoss, account.NewUser{Email: "x@acme.example", Account: "other"})), account.ErrNoAccount},
			"creates a role elsewhere":           {f.CreateRole(asBoss, "other", "r", nil), account.ErrNoAccount},
			"creates a role of the node":         {f.CreateRole(asBoss, "acme", "r", []string{"audit:read"}), account.ErrNodeOnly},
			"makes a token for another":          {third(f.CreateToken(asBoss, account.NewToken{User: stranger.ID, Name: "t"})), account.ErrNoUser},
		} {
			if !errors.Is(c.err, c.want) {
				t.Errorf("%s: got %v, want %v", name, c.err, c.want)
			}
		}
		if err := f.CreateRole(asBoss, "acme", "sender", []string{"mail:send"}); err != nil {
			t.Errorf("a role of the own account: %v", err)
		}
		if _, err := f.CreateUser(asBoss, account.NewUser{Email: "new@acme.example", Account: "acme", Roles: []string{"sender"}}); err != nil {
			t.Errorf("a user of the own account: %v", err)
		}
	})
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

func TestNobodyGivesWhatTheyLack(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		op := f.operator(t.Context())
		if err := f.CreateRole(op, "", "helpdesk", []string{"users:write"}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.CreateUser(op, account.NewUser{Email: "help@example.org", Roles: []string{"helpdesk"}}); err != nil {
			t.Fatal(err)
		}
		_, secret, err := f.CreateToken(op, account.NewToken{User: "help@example.org", Name: "t"})
		if err != nil {
			t.Fatal(err)
		}
		help, err := f.authenticate(t, "Authorization", "Bearer "+secret)
		if err != nil {
			t.Fatal(err)
		}
		ctx := ticket.With(t.Context(), help)
		_, err = f.CreateUser(ctx, account.NewUser{Email: "x@example.org", Roles: []string{account.Administrator}})
		if !errors.Is(err, ticket.ErrForbidden) {
			t.Errorf("give administrator: got %v, want ErrForbidden", err)
		}
		if err := f.CreateRole(ctx, "", "r", []string{"mail:send"}); !errors.Is(err, ticket.ErrForbidden) {
			t.Errorf("make a role: got %v, want ErrForbidden", err)
		}
		if _, _, err := f.CreateKey(ctx, account.NewKey{Name: "k", Permissions: []string{"mail:send"}}); !errors.Is(err, ticket.ErrForbidden) {
			t.Errorf("make a service key: got %v, want ErrForbidden", err)
		}
		if _, err := f.FindUser(op, "x@example.org"); !errors.Is(err, account.ErrNoUser) {
			t.Errorf("the refused user exists: %v", err)
		}
	})
}

func TestBadCredentialsAreRefusedAlike(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := f.operator(t.Context())
		root, err := f.BootstrapAdmin(ctx, "root@example.org")
		if err != nil {
			t.Fatal(err)
		}
		admin := f.token(t, root)
		create := func(n account.NewToken) (account.Token, string) {
			n.User = "root@example.org"
			tok, secret, err := f.CreateToken(ctx, n)
			if err != nil {
				t.Fatal(err)
			}
			return tok, secret
		}
		_, expiring := create(account.NewToken{Name: "short", Expires: f.clock.Add(time.Hour)})
		revoked, revokedSecret := create(account.NewToken{Name: "gone"})
		if err := f.RevokeToken(ctx, revoked.ID); err != nil {
			t.Fatal(err)
		}
		_, key, err := f.CreateKey(ctx, account.NewKey{Name: "login", Permissions: []string{"users:read"}, Providers: []string{"*"}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.authenticate(t, "X-Api-Key", key); err != nil || got.Kind != ticket.Key || !slices.Equal(got.Permissions, []string{"users:read"}) {
			t.Errorf("service key: got %+v, %v", got, err)
		}
		f.clock = f.clock.Add(time.Hour)
		var text string
		for name, headers := range map[string][]string{
			"unknown token":       {"Authorization", "Bearer sgt_" + strings.Repeat("A", 43)},
			"expired token":       {"Authorization", "Bearer " + expiring},
			"revoked token":       {"Authorization", "Bearer " + revokedSecret},
			"cut token":           {"Authorization", "Bearer " + admin[:len(admin)-1]},
			"token in other case": {"Authorization", "Bearer sgt_" + strings.ToUpper(admin[4:])},
			"empty token":         {"Authorization", "Bearer sgt_"},
			"unknown key":         {"X-Api-Key", "sgs_x"},
			"token as key":        {"X-Api-Key", admin},
			"key as token":        {"Authorization", "Bearer sgt_" + key[4:]},
		} {
			got, err := f.authenticate(t, headers...)
			if got != nil || fault.KindOf(err) != fault.Unauthorized {
				t.Errorf("%s: got %+v, %v, want unauthorized", name, got, err)
			}
			if text == "" {
				text = err.Error()
			}
			if err.Error() != text {
				t.Errorf("%s: the error tells the reason: %q and %q", name, err, text)
			}
		}
		if _, err := f.authenticate(t, "X-Api-Key", key, "Authorization", "Bearer "+admin); fault.KindOf(err) != fault.Unauthorized {
			t.Errorf("two credentials: got %v, want unauthorized", err)
		}
		if got, err := f.authenticate(t, "Authorization", "Basic eDp5"); got != nil || err != nil {
			t.Errorf("another scheme: got %v, %v, want nothing", got, err)
		}
	})
}

func TestScopesNarrowAToken(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := f.operator(t.Context())
		if _, err := f.BootstrapAdmin(ctx, "root@example.org"); err != nil {
			t.Fatal(err)
		}
		_, secret, err := f.CreateToken(ctx, account.NewToken{User: "root@example.org", Name: "n", Scopes: []string{"mail:send"}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.authenticate(t, "Authorization", "Bearer "+secret)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Permissions, []string{"mail:send"}) || got.InScope("authroute:keys") || !got.InScope("mail:send") {
			t.Errorf("got %+v", got)
		}
		if _, _, err := f.CreateToken(ticket.With(t.Context(), got), account.NewToken{User: got.Subject, Name: "wider"}); err == nil {
			t.Error("a narrowed token made a wider one")
		}
	})
}

func TestDisablingClosesEveryDoor(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := f.operator(t.Context())
		u, err := f.BootstrapAdmin(ctx, "root@example.org")
		if err != nil {
			t.Fatal(err)
		}
		token := f.token(t, u)
		if err := f.Disable(ctx, u.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := f.authenticate(t, "Authorization", "Bearer "+token); fault.KindOf(err) != fault.Unauthorized {
			t.Errorf("the token of a disabled user: got %v, want unauthorized", err)
		}
		if !slices.Equal(f.disabled, []string{u.ID}) {
			t.Errorf("other capabilities were told %v", f.disabled)
		}
		if _, _, err := f.CreateToken(ctx, account.NewToken{User: u.ID, Name: "again"}); !errors.Is(err, account.ErrNoUser) {
			t.Errorf("a new token: got %v, want ErrNoUser", err)
		}
		if err := f.Enable(ctx, u.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := f.authenticate(t, "Authorization", "Bearer "+token); fault.KindOf(err) != fault.Unauthorized {
			t.Errorf("enabling brought the token back: %v", err)
		}
	})
}

func TestAddressHasOneOwner(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := f.operator(t.Context())
		a, err := f.CreateUser(ctx, account.NewUser{Email: "a@example.org"})
		if err != nil {
			t.Fatal(err)
		}
		b, err := f.CreateUser(ctx, account.NewUser{Email: "b@example.org"})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.AddAddress(ctx, b.ID, "A@example.org"); !errors.Is(err, account.ErrTaken) {
			t.Errorf("another's address: got %v, want ErrTaken", err)
		}
		if _, err := f.CreateUser(ctx, account.NewUser{Email: "A@EXAMPLE.org"}); !errors.Is(err, account.ErrTaken) {
			t.Errorf("a user with another's address: got %v, want ErrTaken", err)
		}
		if err := f.RemoveAddress(ctx, a.ID, "a@example.org"); !errors.Is(err, account.ErrLastAddress) {
			t.Errorf("the last address: got %v, want ErrLastAddress", err)
		}
		f.clock = f.clock.Add(time.Second)
		if err := f.AddAddress(ctx, a.ID, "c@example.org"); err != nil {
			t.Fatal(err)
		}
		if err := f.RemoveAddress(ctx, a.ID, "a@example.org"); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.removed, []string{a.ID + " a@example.org"}) {
			t.Errorf("other capabilities were told %v", f.removed)
		}
		if err := f.AddAddress(ctx, b.ID, "a@example.org"); err != nil {
			t.Errorf("a free address: %v", err)
		}
		got, err := f.FindUser(ctx, b.ID)
		if err != nil || !slices.Equal(got.Addresses, []string{"b@example.org", "a@example.org"}) {
			t.Errorf("got %v, %v", got.Addresses, err)
		}
	})
}

func TestBadInputNamesItsField(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := f.operator(t.Context())
		for email, ok := range map[string]bool{
			"": false, "alice": false, "@example.org": false, "a@": false, "a@b..c": false, "a@-b.c": false, "a\n@b.c": false,
			"a\x00@b.c": false, "a@b.c\r\nx": false, strings.Repeat("a", 65) + "@b.c": false, "a\xff@b.c": false, "a@exämple.org": false,
			"a b@b.c": true, "o'neil+tag@b.example": true, "é@b.example": true,
		} {
			_, err := f.CreateUser(ctx, account.NewUser{Email: email})
			got, _ := fault.As(err)
			if ok != (err == nil) || (!ok && (got == nil || got.Kind != fault.Invalid || got.Field != "email")) {
				t.Errorf("%q: got %v, want ok %t", email, err, ok)
			}
		}
		if _, err := f.CreateUser(ctx, account.NewUser{Email: "r@b.c", Roles: []string{"nope"}}); !errors.Is(err, account.ErrNoRole) {
			t.Errorf("unknown role: got %v", err)
		}
		if _, err := f.FindUser(ctx, "r@b.c"); !errors.Is(err, account.ErrNoUser) {
			t.Errorf("something was half-written: %v", err)
		}
		if _, err := f.CreateUser(t.Context(), account.NewUser{Email: "r@b.c"}); !errors.Is(err, ticket.ErrNone) {
			t.Errorf("nobody creates a user: got %v", err)
		}
	})
}
