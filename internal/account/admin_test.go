package account_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/internal/account"
	"signet/internal/db"
	"signet/internal/ticket"
)

// as returns a context of a user, by a new API token of theirs.
func (f *fixture) as(t *testing.T, user string) context.Context {
	t.Helper()
	_, secret, err := f.CreateToken(f.operator(t.Context()), account.NewToken{User: user, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	who, err := f.authenticate(t, "Authorization", "Bearer "+secret)
	if err != nil {
		t.Fatal(err)
	}
	return ticket.With(t.Context(), who)
}

// person creates a user as the operator.
func (f *fixture) person(t *testing.T, email, acc string, roles ...string) account.User {
	t.Helper()
	u, err := f.CreateUser(f.operator(t.Context()), account.NewUser{Email: email, Account: acc, Roles: roles})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// tenants makes two of them, acme and other.
func (f *fixture) tenants(t *testing.T) {
	t.Helper()
	for _, name := range []string{"acme", "other"} {
		if _, err := f.CreateAccount(f.operator(t.Context()), name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOnlyMembersOfTheOwnAccountAreSeen(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.tenants(t)
		f.person(t, "boss@acme.example", "acme", account.Administrator)
		bob := f.person(t, "bob@acme.example", "acme")
		eve := f.person(t, "eve@other.example", "other")
		boss := f.as(t, "boss@acme.example")

		if _, err := f.FindUser(boss, bob.ID); err != nil {
			t.Errorf("a member: %v", err)
		}
		for _, name := range []string{eve.ID, "eve@other.example", "usr_nobody"} {
			if _, err := f.FindUser(boss, name); !errors.Is(err, account.ErrNoUser) {
				t.Errorf("user %s: got %v, want ErrNoUser", name, err)
			}
			if _, err := f.ListTokens(boss, name); !errors.Is(err, account.ErrNoUser) {
				t.Errorf("tokens of %s: got %v, want ErrNoUser", name, err)
			}
		}
		asBob := f.as(t, bob.ID)
		if _, err := f.FindUser(asBob, bob.ID); err != nil {
			t.Errorf("themselves: %v", err)
		}
		if _, err := f.FindUser(asBob, "boss@acme.example"); !errors.Is(err, ticket.ErrForbidden) {
			t.Errorf("another without users:read: got %v, want ErrForbidden", err)
		}
		if _, err := f.ListTokens(t.Context(), bob.ID); !errors.Is(err, ticket.ErrNone) {
			t.Errorf("nobody: got %v, want ErrNone", err)
		}
	})
}

func TestTokensAreListedUntilTheyEnd(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		op := f.operator(t.Context())
		bob := f.person(t, "bob@example.org", "")
		for _, n := range []account.NewToken{
			{Name: "first", Scopes: []string{"mail:send"}},
			{Name: "short", Expires: f.clock.Add(time.Hour)},
			{Name: "revoked"},
			{Name: "last"},
		} {
			n.User = bob.ID
			token, _, err := f.CreateToken(op, n)
			if err != nil {
				t.Fatal(err)
			}
			if n.Name == "revoked" {
				if err := f.RevokeToken(op, token.ID); err != nil {
					t.Fatal(err)
				}
			}
			f.clock = f.clock.Add(time.Minute)
		}
		names := func() (all []string) {
			tokens, err := f.ListTokens(op, "bob@example.org")
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range tokens {
				all = append(all, k.Name)
			}
			return all
		}
		equal(t, names(), []string{"last", "short", "first"})
		f.clock = f.clock.Add(time.Hour)
		equal(t, names(), []string{"last", "first"})
	})
}

func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

func TestUsersAreListedByNamePageByPage(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		op := f.operator(t.Context())
		f.tenants(t)
		f.person(t, "boss@acme.example", "acme", account.Administrator)
		boss := f.as(t, "boss@acme.example")
		for name, email := range map[string]string{"Zoë": "z@acme.example", "Ångström": "a%@acme.example", "bob": "bob@acme.example", "Bob": "robert_@acme.example", "ÉMILE": "e@acme.example"} {
			if _, err := f.CreateUser(boss, account.NewUser{Email: email, DisplayName: name}); err != nil {
				t.Fatal(err)
			}
		}
		f.person(t, "bobby@other.example", "other")
		if err := f.Disable(boss, "z@acme.example"); err != nil {
			t.Fatal(err)
		}
		list := func(l account.ListUsers) (names []string) {
			t.Helper()
			for range 10 {
				p, err := f.ListUsers(boss, l)
				if err != nil {
					t.Fatal(err)
				}
				if l.Limit > 0 && len(p.Users) > l.Limit {
					t.Errorf("a page of %d, want %d at most", len(p.Users), l.Limit)
				}
				for _, u := range p.Users {
					names = append(names, strings.ToLower(u.DisplayName))
				}
				if l.Cursor = p.Next; l.Cursor == "" {
					return names
				}
			}
			t.Error("the list has no end")
			return names
		}
		everybody := []string{"bob", "bob", "boss@acme.example", "zoë", "ångström", "émile"}
		equal(t, list(account.ListUsers{}), everybody)
		for limit := 1; limit <= 7; limit++ {
			equal(t, list(account.ListUsers{Limit: limit}), everybody)
			equal(t, list(account.ListUsers{Limit: limit, Sort: "-name"}), reversed(everybody))
			equal(t, list(account.ListUsers{Limit: limit, Sort: "-created"}), reversed(list(account.ListUsers{Sort: "created"})))
		}
		if _, err := f.ListUsers(boss, account.ListUsers{Sort: "id; DROP"}); !errors.Is(err, db.ErrOrder) {
			t.Errorf("sorted by what is no column: got %v, want ErrOrder", err)
		}
		yes, no := true, false
		equal(t, list(account.ListUsers{Disabled: &yes}), []string{"zoë"})
		equal(t, list(account.ListUsers{Disabled: &no, Limit: 2}), []string{"bob", "bob", "boss@acme.example", "ångström", "émile"})
		for query, want := range map[string][]string{
			"BO": {"bob", "bob", "boss@acme.example"}, "Émi": {"émile"}, "ZOË": {"zoë"}, "robert_": {"bob"}, "a%@": {"ångström"}, "%": nil, "_": nil, "ob": nil,
		} {
			t.Run("query "+query, func(t *testing.T) { equal(t, list(account.ListUsers{Query: query}), want) })
		}
		if _, err := f.ListUsers(boss, account.ListUsers{Account: "other"}); !errors.Is(err, account.ErrNoAccount) {
			t.Errorf("another account: got %v, want ErrNoAccount", err)
		}
		for _, cursor := range []string{"x", "e30", "!", "WyJhIiwiYlx1MDAwMCJd"} {
			if _, err := f.ListUsers(boss, account.ListUsers{Cursor: cursor}); !errors.Is(err, db.ErrCursor) {
				t.Errorf("cursor %q: got %v, want ErrCursor", cursor, err)
			}
		}
		if p, err := f.ListUsers(op, account.ListUsers{Query: "bob"}); err != nil || len(p.Users) != 3 {
			t.Errorf("the operator sees %d users, %v, want 3", len(p.Users), err)
		}
		if p, err := f.ListUsers(op, account.ListUsers{Account: "other"}); err != nil || len(p.Users) != 1 {
			t.Errorf("the operator sees %d users of other, %v, want 1", len(p.Users), err)
		}
	})
}

func TestUserIsShownWithRolesAndFactors(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fixture, d *db.DB) {
		op := f.operator(t.Context())
		bob := f.person(t, "bob@example.org", "", account.Administrator)
		f.clock = f.clock.Add(time.Minute)
		if err := f.AddAddress(op, bob.ID, "robert@example.org"); err != nil {
			t.Fatal(err)
		}
		if err := f.UpdateUser(op, bob.ID, "Robert"); err != nil {
			t.Fatal(err)
		}
		seen := f.clock.Add(-time.Hour)
		err := d.Update(t.Context(), func(tx *db.Tx) error {
			if _, err := tx.ExecContext(t.Context(), `INSERT INTO user_passwords (user_id, hash, short, changed_at) VALUES ($1, 'x', 0, $2)`, bob.ID, seen); err != nil {
				return err
			}
			for n, at := range []time.Time{seen, seen.Add(-time.Hour)} {
				if _, err := tx.ExecContext(t.Context(), `
					INSERT INTO account_sessions (id, user_id, account_id, amr, auth_time, created_at, seen_at, expires_at, address, agent)
					SELECT $1, $2, id, '[]', $3, $3, $3, $3, '', '' FROM accounts WHERE kind = 'system'`, string(rune('a'+n)), bob.ID, at); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.GetUser(op, "bob@example.org")
		if err != nil {
			t.Fatal(err)
		}
		if !got.Password || got.TOTP || got.Passkeys != 0 || got.MFA || !got.LastSeen.Equal(seen) {
			t.Errorf("got %+v", got)
		}
		if got.DisplayName != "Robert" || !got.Created.Equal(bob.Created) || !got.Disabled.IsZero() {
			t.Errorf("got %+v", got)
		}
		equal(t, got.Addresses, []string{"bob@example.org", "robert@example.org"})
		if len(got.Memberships) != 1 || got.Memberships[0].Name != "system" {
			t.Fatalf("memberships: got %+v", got.Memberships)
		}
		equal(t, got.Memberships[0].Roles, []string{account.Administrator})
	})
}

// A claimed address opens no door, and its owner may give it up.
func TestClaimedAddressIsGivenUp(t *testing.T) {
	eachStore(t, func(t *testing.T, f *fixture, d *db.DB) {
		op := f.operator(t.Context())
		bob := f.person(t, "bob@example.org", "")
		err := d.Update(t.Context(), func(tx *db.Tx) error {
			_, err := tx.ExecContext(t.Context(), `INSERT INTO user_emails (user_id, address, created_at) VALUES ($1, 'claimed@example.org', $2)`, bob.ID, f.clock)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.RemoveAddress(op, bob.ID, "claimed@example.org"); err != nil {
			t.Error(err)
		}
		if len(f.removed) != 0 {
			t.Errorf("others were told of an address that never opened anything: %v", f.removed)
		}
		if err := f.RemoveAddress(op, bob.ID, "claimed@example.org"); !errors.Is(err, account.ErrNoUser) {
			t.Errorf("again: got %v, want ErrNoUser", err)
		}
	})
}
