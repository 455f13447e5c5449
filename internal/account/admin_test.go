package account_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/internal/account"
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
