package account_test

import (
	"bytes"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/internal/account"
	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/ticket"
)

// dump writes every value of rows as text, and bytes also as hex.
func dump(t *testing.T, to *bytes.Buffer, rows *sql.Rows) {
	t.Helper()
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			if b, ok := (*v.(*any)).([]byte); ok {
				fmt.Fprintf(to, "%s %s\n", b, hex.EncodeToString(b))
				continue
			}
			fmt.Fprintln(to, *v.(*any))
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestSignOutEndsOneSession(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		made, first := s.signIn(t, s.alice.ID)
		_, second := s.signIn(t, s.alice.ID)
		for range 2 {
			if err := s.End(t.Context(), first); err != nil {
				t.Fatal(err)
			}
		}
		s.wantGone(t, "signed out", first)
		s.check(t, second)
		if !slices.Equal(s.ended, []string{made.ID}) || s.notices != 1 {
			t.Errorf("ended %v with %d notices", s.ended, s.notices)
		}
		if diff := cmp.Diff([]string{"session.create", "session.create", "session.end"}, s.told()); diff != "" {
			t.Errorf("recorded (-want +got):\n%s", diff)
		}
		e := s.events[len(s.events)-1]
		if want := (audit.Actor{Kind: ticket.User, ID: s.alice.ID}); e.Actor != want || e.Account != s.home || e.Target != made.ID {
			t.Errorf("recorded %+v", e)
		}
	})
}

func TestUsersSeeAndEndTheirOwnSessions(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		mine, secret := s.signIn(t, s.alice.ID)
		s.pass(time.Second)
		other, second := s.signIn(t, s.alice.ID)
		_, third := s.signIn(t, s.alice.ID)
		ctx := s.as(t.Context(), s.check(t, secret))
		all, err := s.List(ctx, s.alice.ID)
		if err != nil || len(all) != 3 || all[0].ID != mine.ID || !all[0].Current || all[1].Current {
			t.Fatalf("got %+v, %v", all, err)
		}
		if err := s.Revoke(ctx, s.alice.ID, other.ID); err != nil {
			t.Fatal(err)
		}
		s.wantGone(t, "revoked", second)
		if err := s.Revoke(ctx, s.alice.ID, other.ID); !errors.Is(err, account.ErrUnknownSession) {
			t.Errorf("again: got %v, want ErrUnknownSession", err)
		}
		if n, err := s.RevokeOthers(ctx, s.alice.ID, mine.ID); n != 1 || err != nil {
			t.Errorf("others: got %d, %v", n, err)
		}
		s.wantGone(t, "one of the others", third)
		s.check(t, secret)
		if s.notices != 2 || len(s.ended) != 2 {
			t.Errorf("ended %v with %d notices", s.ended, s.notices)
		}
	})
}

func TestSessionsOfOthersNeedPermission(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		op := s.operator(t.Context())
		root := s.user(t, "root@example.org", account.Administrator)
		if _, err := s.users.CreateAccount(op, "acme"); err != nil {
			t.Fatal(err)
		}
		far, err := s.users.CreateUser(op, account.NewUser{Email: "far@example.org", Account: "acme", Roles: []string{account.Administrator}})
		if err != nil {
			t.Fatal(err)
		}
		target, secret := s.signIn(t, s.alice.ID)
		strong, strongSecret := s.signIn(t, root.ID)
		ticketOf := func(u account.User, acc string, permissions ...string) *ticket.Ticket {
			return &ticket.Ticket{Kind: ticket.User, Subject: u.ID, Account: acc, Permissions: permissions}
		}
		narrow := ticketOf(s.alice, s.home)
		narrow.Scopes = []string{"mail:send"}
		bob := s.user(t, "bob@example.org")
		for _, c := range []struct {
			name             string
			by               *ticket.Ticket
			user             account.User
			id               string
			read, mayEnd     error
			nobodyEndsForNow bool
		}{
			{"nobody", nil, s.alice, target.ID, ticket.ErrNone, ticket.ErrNone, true},
			{"another user", ticketOf(bob, s.home), s.alice, target.ID, ticket.ErrForbidden, ticket.ErrForbidden, true},
			{"an app for the user", narrow, s.alice, target.ID, ticket.ErrForbidden, ticket.ErrForbidden, true},
			{"who may only read", ticketOf(bob, s.home, "users:read"), s.alice, target.ID, nil, ticket.ErrForbidden, true},
			{"an administrator of another tenant", ticketOf(far, "acc_other", "users:read", "users:write"), s.alice, target.ID, account.ErrNoUser, account.ErrNoUser, true},
			{"who is weaker", ticketOf(bob, s.home, "users:read", "users:write"), root, strong.ID, nil, ticket.ErrForbidden, true},
			{"the right user, another's session", ticketOf(bob, s.home, "users:read", "users:write"), s.alice, strong.ID, nil, account.ErrUnknownSession, true},
			{"who may", ticketOf(bob, s.home, "users:read", "users:write"), s.alice, target.ID, nil, nil, false},
		} {
			ctx := t.Context()
			if c.by != nil {
				ctx = ticket.With(ctx, c.by)
			}
			if _, err := s.List(ctx, c.user.ID); !errors.Is(err, c.read) {
				t.Errorf("%s lists: got %v, want %v", c.name, err, c.read)
			}
			if err := s.Revoke(ctx, c.user.ID, c.id); !errors.Is(err, c.mayEnd) {
				t.Errorf("%s revokes: got %v, want %v", c.name, err, c.mayEnd)
			}
			if c.nobodyEndsForNow {
				s.check(t, secret)
			}
		}
		s.wantGone(t, "revoked", secret)
		s.check(t, strongSecret)
		if n, err := s.RevokeOthers(op, "root@example.org", ""); n != 1 || err != nil {
			t.Errorf("the operator: got %d, %v", n, err)
		}
		s.wantGone(t, "revoked by the operator", strongSecret)
	})
}

func TestDisablingEndsSessionsInItsTransaction(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		op := s.operator(t.Context())
		_, secret := s.signIn(t, s.alice.ID)
		mfa := s.newMFATicket(t, account.MFATicket{User: s.alice.ID, AMR: []string{"pwd"}, Purpose: "sign-in", Browser: "b"})
		s.refuse = errors.New("the disk is full")
		if err := s.users.Disable(op, s.alice.ID); !errors.Is(err, s.refuse) {
			t.Fatalf("got %v", err)
		}
		s.check(t, secret)
		if _, err := s.MFATicket(t.Context(), mfa, "b"); err != nil || s.notices != 0 {
			t.Errorf("after what failed: got %v, %d notices", err, s.notices)
		}
		s.refuse = nil
		if err := s.users.Disable(op, s.alice.ID); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.closed, []string{s.alice.ID}) {
			t.Errorf("whom apps hold nothing for any more: got %v, want alice", s.closed)
		}
		s.wantGone(t, "disabled", secret)
		if err := s.users.Enable(op, s.alice.ID); err != nil {
			t.Fatal(err)
		}
		s.wantGone(t, "enabled again", secret)
		if _, err := s.MFATicket(t.Context(), mfa, "b"); !errors.Is(err, account.ErrMFATicket) {
			t.Errorf("MFA ticket: got %v, want ErrMFATicket", err)
		}
		if s.notices != 1 {
			t.Errorf("got %d notices, want 1", s.notices)
		}
	})
}

func TestStepUpRaisesTheSessionAndChangesItsSecret(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		made, old := s.signIn(t, s.alice.ID)
		s.pass(5 * time.Minute)
		secret, err := s.Refresh(t.Context(), made.ID, []string{"otp"}, s.clock)
		if err != nil {
			t.Fatal(err)
		}
		c := s.check(t, secret)
		if !slices.Equal(c.Ticket.AMR, []string{"pwd", "otp", "mfa"}) || c.Ticket.ACR != account.ACRTwo || c.Ticket.AuthTime != s.clock || c.Session.ID != made.ID {
			t.Errorf("got %+v", c.Ticket)
		}
		if s.notices != 1 {
			t.Errorf("got %d notices, want 1", s.notices)
		}
		s.pass(10 * time.Second)
		c = s.check(t, old)
		if c.Successor != "" || c.Ticket.ACR != "" || c.Ticket.AMR != nil || !c.Ticket.AuthTime.IsZero() {
			t.Errorf("the old secret within grace: got %+v, successor %t", c.Ticket, c.Successor != "")
		}
		s.pass(time.Microsecond)
		s.wantGone(t, "the old secret after grace", old)
		s.wantGone(t, "and so the new one", secret)
		if _, err := s.Refresh(t.Context(), made.ID, []string{"otp"}, s.clock); !errors.Is(err, account.ErrNoSession) {
			t.Errorf("ended: got %v, want ErrNoSession", err)
		}
	})
}

func TestStepUpNeverLowers(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		made, _ := s.signIn(t, s.alice.ID)
		secret, err := s.Refresh(t.Context(), made.ID, nil, s.clock.Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if c := s.check(t, secret); !slices.Equal(c.Ticket.AMR, []string{"pwd"}) || c.Ticket.AuthTime != s.clock {
			t.Errorf("got %+v", c.Ticket)
		}
		s.pass(8 * 24 * time.Hour)
		if _, err := s.Refresh(t.Context(), made.ID, nil, s.clock); !errors.Is(err, account.ErrNoSession) {
			t.Errorf("an idle session: got %v, want ErrNoSession", err)
		}
	})
}

func TestTwoFactorsAreOneOfEachSort(t *testing.T) {
	for _, c := range []struct {
		amr  []string
		want string
	}{
		{nil, ""},
		{[]string{"user"}, ""},
		{[]string{"pwd"}, account.ACROne},
		{[]string{"github"}, account.ACROne},
		{[]string{"pwd", "github"}, account.ACROne},
		{[]string{"hwk", "user"}, account.ACROne},
		{[]string{"otp", "hwk"}, account.ACROne},
		{[]string{"pwd", "otp"}, account.ACRTwo},
		{[]string{"google", "hwk", "user"}, account.ACRTwo},
		{[]string{"hwk", "user", "mfa"}, account.ACRTwo},
	} {
		if got := account.ACR(c.amr); got != c.want {
			t.Errorf("%v: got %q, want %q", c.amr, got, c.want)
		}
	}
}

func TestPruningRemovesWhatEndedADayAgo(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		idle, _ := s.signIn(t, s.alice.ID)
		_, ended := s.signIn(t, s.alice.ID)
		if err := s.End(t.Context(), ended); err != nil {
			t.Fatal(err)
		}
		s.pass(6 * 24 * time.Hour)
		_, live := s.signIn(t, s.alice.ID)
		s.newMFATicket(t, account.MFATicket{User: s.alice.ID, AMR: []string{"pwd"}, Purpose: "sign-in", Browser: "b"})
		for _, c := range []struct {
			after             time.Duration
			sessions, tickets int
		}{
			{0, 2, 1},
			{24 * time.Hour, 2, 0},             // the idle one ends
			{24*time.Hour - time.Second, 2, 0}, // and is kept a day
			{time.Second, 1, 0},
		} {
			s.pass(c.after)
			if err := s.Prune(t.Context()); err != nil {
				t.Fatal(err)
			}
			n, m := s.count(t, `SELECT count(*) FROM account_sessions`), s.count(t, `SELECT count(*) FROM mfa_tickets`)
			if n != c.sessions || m != c.tickets {
				t.Errorf("after %s: got %d sessions and %d tickets, want %d and %d", c.after, n, m, c.sessions, c.tickets)
			}
		}
		s.check(t, live)
		if len(s.ended) != 2 || s.ended[1] != idle.ID {
			t.Errorf("ended: got %v, want the idle one told of too", s.ended)
		}
		s.pass(10 * time.Minute)
		if n := s.count(t, `SELECT count(*) FROM account_session_values`); n != 2 { // the live session rotated
			t.Errorf("got %d secrets, want 2", n)
		}
	})
}

func TestPruningManySessionsTakesBatches(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		for range 230 {
			s.signIn(t, s.alice.ID)
		}
		s.pass(7 * 24 * time.Hour)
		if err := s.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.pass(24 * time.Hour)
		if err := s.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := s.count(t, `SELECT count(*) FROM account_sessions`); n != 0 || len(s.ended) != 230 {
			t.Errorf("got %d sessions left, %d ended", n, len(s.ended))
		}
	})
}

func TestWorkerPrunesUntilItsContextEnds(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		s.signIn(t, s.alice.ID)
		s.pass(7 * 24 * time.Hour)
		ctx, cancel := contextEndedBy(t, func() bool {
			return s.count(t, `SELECT count(*) FROM account_sessions WHERE ended_at IS NULL`) == 0
		})
		defer cancel()
		if err := s.Run(ctx); err != nil || t.Failed() {
			t.Errorf("got %v", err)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	for name, open := range map[string]func(testing.TB) *db.DB{
		"sqlite":   dbtest.SQLite,
		"postgres": dbtest.Postgres,
	} {
		b.Run(name, func(b *testing.B) {
			s := newSignedIn(b, open(b))
			_, secret := s.signIn(b, s.user(b, "root@example.org", account.Administrator).ID)
			b.ReportAllocs()
			for b.Loop() {
				s.check(b, secret)
			}
		})
	}
}
