package account_test

import (
	"errors"
	"testing"
	"time"

	"signet/internal/account"
	"signet/internal/db"
	"signet/internal/fault"
)

func TestOverviewCountsTheOwnAccountAlone(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		if _, err := s.users.CreateAccount(s.operator(t.Context()), "acme"); err != nil {
			t.Fatal(err)
		}
		eve, err := s.users.CreateUser(s.operator(t.Context()), account.NewUser{Email: "eve@acme.example", Account: "acme", Roles: []string{account.Administrator}})
		if err != nil {
			t.Fatal(err)
		}
		boss := s.user(t, "boss@example.org", account.Administrator)
		gone := s.user(t, "gone@example.org")
		if err := s.users.Disable(s.operator(t.Context()), gone.ID); err != nil {
			t.Fatal(err)
		}
		s.signIn(t, s.alice.ID)
		_, secret := s.signIn(t, boss.ID)
		s.signIn(t, eve.ID)
		ctx := s.as(t.Context(), s.check(t, secret))

		got, err := s.users.Overview(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want := account.Overview{Enabled: 2, Disabled: 1, Sessions: 2, NoWayIn: 2, Administrators: 1, BareAdmins: 1}
		if !got.Account.System || got.Account.ID != s.home {
			t.Errorf("account: got %+v", got.Account)
		}
		if got.Account = want.Account; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestSessionsAndTokensOfTheOwnAccountAreListed(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		boss := s.user(t, "boss@example.org", account.Administrator)
		for range 102 {
			s.signIn(t, s.alice.ID)
			s.pass(time.Second)
		}
		for range 101 {
			if _, _, err := s.users.CreateToken(s.operator(t.Context()), account.NewToken{User: s.alice.ID, Name: "script"}); err != nil {
				t.Fatal(err)
			}
		}
		_, secret := s.signIn(t, boss.ID)
		checked := s.check(t, secret)
		ctx := s.as(t.Context(), checked)

		sessions, next, err := s.ListAll(ctx, "", "")
		if err != nil || len(sessions) != 100 || next == "" || sessions[0].UserName != "boss@example.org" || !sessions[0].Current {
			t.Fatalf("first sessions: got %d, next %q, %v", len(sessions), next, err)
		}
		rest, next, err := s.ListAll(ctx, "", next)
		if err != nil || len(rest) != 3 || next != "" {
			t.Errorf("further sessions: got %d, next %q, %v, want 3 and the end", len(rest), next, err)
		}
		tokens, next, err := s.users.ListAllTokens(ctx, "", "")
		if err != nil || len(tokens) != 100 || tokens[0].UserName != "alice@example.org" {
			t.Fatalf("first tokens: got %d, %v", len(tokens), err)
		}
		if tokens, next, err = s.users.ListAllTokens(ctx, "", next); err != nil || len(tokens) != 1 || next != "" {
			t.Errorf("further tokens: got %d, next %q, %v, want 1 and the end", len(tokens), next, err)
		}
		oldest, next, err := s.ListAll(ctx, "created", "")
		if err != nil || len(oldest) != 100 || oldest[0].ID != rest[len(rest)-1].ID {
			t.Fatalf("the oldest first: got %d, %v", len(oldest), err)
		}
		if oldest, next, err = s.ListAll(ctx, "created", next); err != nil || len(oldest) != 3 || next != "" || oldest[2].ID != sessions[0].ID {
			t.Errorf("further: got %d, next %q, %v, want 3 and the end", len(oldest), next, err)
		}
		if seen, _, err := s.ListAll(ctx, "-seen", ""); err != nil || seen[0].LastSeen.Before(seen[99].LastSeen) {
			t.Errorf("last seen first: got %v", err)
		}
		if first, _, err := s.users.ListAllTokens(ctx, "created", ""); err != nil || first[99].Created.Before(first[0].Created) {
			t.Errorf("the oldest tokens first: got %v", err)
		}
		for what, err := range map[string]error{"sessions": errOfPage(s.ListAll(ctx, "address", "")), "tokens": errOfPage(s.users.ListAllTokens(ctx, "seen", ""))} {
			if !errors.Is(err, db.ErrOrder) {
				t.Errorf("%s by what is no column: got %v, want ErrOrder", what, err)
			}
		}
		_, plain := s.signIn(t, s.alice.ID)
		alice := s.as(t.Context(), s.check(t, plain))
		for what, err := range map[string]error{
			"sessions": errOfPage(s.ListAll(alice, "", "")), "tokens": errOfPage(s.users.ListAllTokens(alice, "", "")), "overview": errOf(s.users.Overview(alice)),
		} {
			if fault.KindOf(err) != fault.Forbidden {
				t.Errorf("%s without permission: got %v, want forbidden", what, err)
			}
		}
		if _, _, err := s.ListAll(ctx, "", "?"); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a cursor of nobody: got %v, want invalid", err)
		}
	})
}

func errOf[T any](_ T, err error) error { return err }

func errOfPage[T, U any](_ T, _ U, err error) error { return err }
