package account_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/internal/account"
	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/seal"
	"signet/internal/ticket"
)

// signedIn is an installation in which alice, who has no role, signs in.
type signedIn struct {
	*account.Sessions
	db    *db.DB
	seal  *seal.Sealer
	users *account.Service
	clock time.Time
	alice account.User
	home  string // id of the system account

	mu      sync.Mutex
	events  []audit.Event
	notices int
	ended   []string
	closed  []string // users
	refuse  error    // what Ended returns
}

func (s *signedIn) Record(_ context.Context, _ *db.Tx, e audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	return nil
}

func (s *signedIn) Publish(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if topic == account.SessionsTopic {
		s.notices++
	}
}

// told returns the recorded actions about sessions.
func (s *signedIn) told() (actions []string) {
	for _, e := range s.events {
		if strings.HasPrefix(e.Action, "session.") {
			actions = append(actions, e.Action)
		}
	}
	return actions
}

func eachSignedIn(t *testing.T, test func(t *testing.T, s *signedIn)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { test(t, newSignedIn(t, d)) })
}

func newSignedIn(t testing.TB, d *db.DB) *signedIn {
	t.Helper()
	sealer, err := seal.Attach(t.Context(), d, seal.NewRing(seal.NewKey()))
	if err != nil {
		t.Fatal(err)
	}
	s := &signedIn{db: d, seal: sealer, clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s.users = account.New(d, s, func() time.Time { return s.clock }, catalogue, account.Closers{
		UserDisabled: func(ctx context.Context, tx *db.Tx, user string) error { return s.CloseUser(ctx, tx, user) },
	})
	s.Sessions = s.instance()
	s.alice = s.user(t, "alice@example.org")
	if err := d.Update(t.Context(), func(tx *db.Tx) (err error) {
		s.home, err = s.users.AccountFor(s.operator(t.Context()), tx, "")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

// instance is one more process on the same store.
func (s *signedIn) instance() *account.Sessions {
	return account.NewSessions(s.users, s.seal, s, account.SessionOptions{
		Ended: func(_ context.Context, _ *db.Tx, ids []string) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.ended = append(s.ended, ids...)
			return s.refuse
		},
		Closed: func(_ context.Context, _ *db.Tx, user string) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.closed = append(s.closed, user)
			return nil
		},
	})
}

func (s *signedIn) operator(ctx context.Context) context.Context {
	return ticket.With(ctx, ticket.Operator(s.users.AllPermissions()))
}

func (s *signedIn) user(t testing.TB, email string, roles ...string) account.User {
	t.Helper()
	u, err := s.users.CreateUser(s.operator(t.Context()), account.NewUser{Email: email, Roles: roles})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// signIn makes a session by password, in the user's account.
func (s *signedIn) signIn(t testing.TB, user string) (c account.Session, secret string) {
	t.Helper()
	var home string
	if err := s.db.SQL().QueryRowContext(t.Context(), `SELECT account_id FROM memberships WHERE user_id = $1`, user).Scan(&home); err != nil {
		t.Fatal(err)
	}
	err := s.db.Update(t.Context(), func(tx *db.Tx) (err error) {
		if _, err := s.users.Hold(t.Context(), tx, user); err != nil {
			return err
		}
		c, secret, err = s.Create(t.Context(), tx, account.NewSession{
			User: user, Account: home, AMR: []string{account.AMRPassword}, AuthTime: s.clock, Address: "192.0.2.1", Agent: firefox,
		})
		return err
	})
	if err != nil {
		t.Fatalf("sign in: %v", err)
	}
	return c, secret
}

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

func (s *signedIn) check(t testing.TB, secret string) account.Checked {
	t.Helper()
	c, err := s.Check(t.Context(), secret, account.Browser{Address: "192.0.2.2", Agent: firefox})
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	return c
}

func (s *signedIn) wantGone(t testing.TB, what, secret string) {
	t.Helper()
	if c, err := s.Check(t.Context(), secret, account.Browser{}); !errors.Is(err, account.ErrNoSession) || c.Ticket != nil {
		t.Errorf("%s: got %+v, %v, want ErrNoSession", what, c.Ticket, err)
	}
}

// pass lets time go by.
func (s *signedIn) pass(d time.Duration) { s.clock = s.clock.Add(d) }

// as is the context of a user's ticket.
func (s *signedIn) as(ctx context.Context, c account.Checked) context.Context {
	return ticket.With(ctx, c.Ticket)
}

func (s *signedIn) exec(t testing.TB, query string, args ...any) {
	t.Helper()
	if _, err := s.db.SQL().ExecContext(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

func (s *signedIn) count(t testing.TB, query string) (n int) {
	t.Helper()
	if err := s.db.SQL().QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSessionTellsWhoIsSignedIn(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		if err := s.users.CreateRole(s.operator(t.Context()), "", "senders", []string{"mail:send"}); err != nil {
			t.Fatal(err)
		}
		bob := s.user(t, "bob@example.org", "senders")
		made, secret := s.signIn(t, bob.ID)
		got := s.check(t, secret)
		want := &ticket.Ticket{
			Kind: ticket.User, Subject: bob.ID, Account: s.home, Permissions: []string{"mail:send"}, AMR: []string{"pwd"},
			ACR: "urn:signet:1", AuthTime: s.clock, Session: made.ID,
		}
		if diff := cmp.Diff(want, got.Ticket); diff != "" {
			t.Errorf("ticket (-want +got):\n%s", diff)
		}
		made.Current = true
		if diff := cmp.Diff(made, got.Session); diff != "" {
			t.Errorf("session (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(bob, got.User); diff != "" {
			t.Errorf("user (-want +got):\n%s", diff)
		}
		if got.Successor != "" || made.Device != "Firefox, Linux" || made.Expires != s.clock.Add(7*24*time.Hour) {
			t.Errorf("got %q, %q, %s", got.Successor, made.Device, made.Expires)
		}
	})
}

func TestUnknownSecretIsNobodyAndLeavesNothing(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		unknown, _ := seal.NewSecret(account.SessionPrefix)
		_, secret := s.signIn(t, s.alice.ID)
		events := len(s.events)
		for _, v := range []string{"", "sgr_", unknown, secret + "A", secret[:len(secret)-1], "sgt_" + secret[4:], strings.Repeat("x", 1<<20)} {
			s.wantGone(t, "unknown", v)
			if err := s.End(t.Context(), v); err != nil {
				t.Errorf("end: %v", err)
			}
		}
		if n := s.count(t, `SELECT count(*) FROM account_session_values`); n != 1 || len(s.events) != events || s.notices != 0 {
			t.Errorf("got %d values, events %v, %d notices", n, s.told(), s.notices)
		}
		s.check(t, secret)
	})
}

func TestSecretIsReplacedAfterTenMinutes(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		_, first := s.signIn(t, s.alice.ID)
		s.pass(10 * time.Minute)
		if c := s.check(t, first); c.Successor != "" {
			t.Fatalf("at 10 min: got a successor")
		}
		s.pass(time.Second)
		second := s.check(t, first).Successor
		if !strings.HasPrefix(second, "sgr_") || len(second) != len(first) || second == first {
			t.Fatalf("got %q", second)
		}
		if c := s.check(t, second); c.Successor != "" {
			t.Error("the new secret has a successor at once")
		}
		s.pass(10 * time.Second) // the answer was lost, or came late
		if got := s.check(t, first).Successor; got != second {
			t.Errorf("the old secret within grace: got %q, want %q", got, second)
		}
		if n := s.count(t, `SELECT count(*) FROM account_session_values`); n != 2 {
			t.Errorf("got %d secrets, want 2", n)
		}
	})
}

func TestTwentyRotationsOnTwoInstancesMakeOneSuccessor(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		_, secret := s.signIn(t, s.alice.ID)
		instances := []*account.Sessions{s.Sessions, s.instance()}
		for round := range 10 { // the first ones open connections
			s.pass(11 * time.Minute)
			secret = s.rotatedBy(t, secret, instances)
			if n := s.count(t, `SELECT count(*) FROM account_session_values`); n != round+2 {
				t.Fatalf("got %d secrets, want %d", n, round+2)
			}
		}
		s.check(t, secret)
	})
}

// rotatedBy has the secret checked twenty times at once, and returns the one successor.
func (s *signedIn) rotatedBy(t *testing.T, secret string, instances []*account.Sessions) string {
	t.Helper()
	got := make([]string, 20)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			<-start
			c, err := instances[i%len(instances)].Check(t.Context(), secret, account.Browser{})
			if err != nil {
				t.Errorf("check: %v", err)
			}
			got[i] = c.Successor
		})
	}
	close(start)
	wg.Wait()
	if all := slices.Compact(slices.Sorted(slices.Values(got))); len(all) != 1 || all[0] == "" {
		t.Fatalf("got %d successors, want one: %q", len(all), all)
	}
	return got[0]
}

func TestOldSecretAfterGraceEndsTheSession(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		made, first := s.signIn(t, s.alice.ID)
		_, other := s.signIn(t, s.alice.ID)
		s.pass(11 * time.Minute)
		second := s.check(t, first).Successor
		s.pass(10*time.Second + time.Microsecond)
		s.check(t, second)
		s.wantGone(t, "the old secret", first)
		s.wantGone(t, "the current secret after it", second)
		s.check(t, other)
		s.wantGone(t, "the old secret again", first)
		if diff := cmp.Diff([]string{"session.create", "session.create", "session.reuse"}, s.told()); diff != "" {
			t.Errorf("recorded (-want +got):\n%s", diff)
		}
		e := s.events[len(s.events)-1]
		if e.Target != made.ID || e.Outcome != audit.Refused || e.Actor.ID != s.alice.ID || e.Account != s.home {
			t.Errorf("recorded %+v", e)
		}
		if !slices.Equal(s.ended, []string{made.ID}) || s.notices != 1 {
			t.Errorf("ended %v with %d notices", s.ended, s.notices)
		}
	})
}

func TestSecretOlderThanThePreviousOneEndsTheSession(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		_, first := s.signIn(t, s.alice.ID)
		current := first
		for range 3 {
			s.pass(11 * time.Minute)
			current = s.check(t, current).Successor
		}
		s.wantGone(t, "the first of four", first)
		s.wantGone(t, "the current one", current)
	})
}

func TestChainWithinGraceLeadsToTheCurrentSecret(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		s.Sessions = account.NewSessions(s.users, s.seal, s, account.SessionOptions{RotateAfter: time.Second})
		_, first := s.signIn(t, s.alice.ID)
		current := first
		for range 3 {
			s.pass(2 * time.Second)
			current = s.check(t, current).Successor
		}
		if got := s.check(t, first).Successor; got != current {
			t.Errorf("got %q, want the current %q", got, current)
		}
	})
}

func TestOldSecretsAreForgottenAfterTheIdleTime(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		s.Sessions = account.NewSessions(s.users, s.seal, s, account.SessionOptions{Idle: time.Hour})
		_, current := s.signIn(t, s.alice.ID)
		for range 20 {
			s.pass(20 * time.Minute)
			current = s.check(t, current).Successor
		}
		if n := s.count(t, `SELECT count(*) FROM account_session_values`); n != 5 {
			t.Errorf("got %d secrets, want the current one and four of the last hour", n)
		}
	})
}

func TestSessionSecretsAreNotInTheDatabase(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		_, first := s.signIn(t, s.alice.ID)
		s.pass(11 * time.Minute)
		second := s.check(t, first).Successor
		mfa := s.newMFATicket(t, account.MFATicket{User: s.alice.ID, AMR: []string{"pwd"}, Purpose: "sign-in", Browser: "browser value"})
		var all bytes.Buffer
		for _, table := range []string{"account_sessions", "account_session_values", "mfa_tickets"} {
			rows, err := s.db.SQL().QueryContext(t.Context(), `SELECT * FROM `+table)
			if err != nil {
				t.Fatal(err)
			}
			dump(t, &all, rows)
		}
		if !bytes.Contains(all.Bytes(), []byte(hex.EncodeToString(seal.SecretHash(second)))) {
			t.Fatal("the dump lacks the hash: it shows nothing")
		}
		for _, secret := range []string{first[4:], second[4:], mfa[4:], "browser value"} {
			if bytes.Contains(all.Bytes(), []byte(secret)) || bytes.Contains(all.Bytes(), []byte(hex.EncodeToString([]byte(secret)))) {
				t.Errorf("the database holds %q", secret)
			}
		}
	})
}

func TestSessionEndsIdleOrOfAge(t *testing.T) {
	const day = 24 * time.Hour
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		op := s.operator(t.Context())
		if err := s.users.CreateRole(op, "", "auditors", []string{"audit:read"}); err != nil {
			t.Fatal(err)
		}
		if err := s.users.CreateRole(op, "", "senders", []string{"mail:send"}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.users.CreateAccount(op, "acme"); err != nil {
			t.Fatal(err)
		}
		for i, c := range []struct {
			name, account, role string
			idle, absolute      time.Duration
		}{
			{"user", "system", "senders", 7 * day, 30 * day},
			{"administrator", "system", account.Administrator, time.Hour, day},
			{"administrator of a tenant", "acme", account.Administrator, time.Hour, day},
			{"holder of a permission of the node", "system", "auditors", time.Hour, day},
		} {
			u, err := s.users.CreateUser(op, account.NewUser{
				Email: fmt.Sprintf("u%d@example.org", i), Account: c.account, Roles: []string{c.role},
			})
			if err != nil {
				t.Fatal(err)
			}
			_, secret := s.signIn(t, u.ID)
			s.pass(c.idle - time.Microsecond)
			secret = s.follow(t, secret)
			s.pass(c.idle)
			s.wantGone(t, c.name+" idle", secret)

			_, secret = s.signIn(t, u.ID)
			began := s.clock
			for s.clock.Sub(began)+c.idle/2 < c.absolute {
				s.pass(c.idle / 2)
				secret = s.follow(t, secret)
			}
			s.clock = began.Add(c.absolute - time.Microsecond)
			secret = s.follow(t, secret)
			s.pass(time.Microsecond)
			s.wantGone(t, c.name+" of age", secret)
		}
	})
}

// follow uses a secret, and returns the one to use next.
func (s *signedIn) follow(t testing.TB, secret string) string {
	t.Helper()
	if next := s.check(t, secret).Successor; next != "" {
		return next
	}
	return secret
}

func TestPermissionsOfNowDecide(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		root := s.user(t, "root@example.org", account.Administrator)
		_, first := s.signIn(t, root.ID)
		_, second := s.signIn(t, root.ID)
		if c := s.check(t, first); !c.Ticket.May("users:write") || c.Session.Expires != s.clock.Add(time.Hour) {
			t.Errorf("administrator: got %v until %s", c.Ticket.Permissions, c.Session.Expires)
		}
		s.pass(2 * time.Hour)
		s.wantGone(t, "an administrator after 2 h", first)
		s.exec(t, `DELETE FROM membership_roles WHERE user_id = $1`, root.ID)
		s.wantGone(t, "demoted after it was refused", first)
		if c := s.check(t, second); len(c.Ticket.Permissions) != 0 || c.Session.Expires != s.clock.Add(7*24*time.Hour) {
			t.Errorf("demoted: got %v until %s", c.Ticket.Permissions, c.Session.Expires)
		}
		s.exec(t, `INSERT INTO membership_roles (account_id, user_id, role_id) SELECT account_id, $1, id FROM roles`, root.ID)
		if c := s.check(t, second); !c.Ticket.May("users:write") {
			t.Errorf("promoted: got %v", c.Ticket.Permissions)
		}
		s.exec(t, `DELETE FROM membership_roles WHERE user_id = $1`, root.ID)
		s.exec(t, `DELETE FROM memberships WHERE user_id = $1`, root.ID)
		s.wantGone(t, "no member any more", second)
	})
}

func TestDisabledAccountHasNobodySignedIn(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		c, secret := s.signIn(t, s.alice.ID)
		s.exec(t, `UPDATE accounts SET disabled_at = $1 WHERE id = $2`, s.clock, s.home)
		s.wantGone(t, "account disabled", secret)
		if _, err := s.Refresh(t.Context(), c.ID, nil, s.clock); !errors.Is(err, account.ErrNoSession) {
			t.Errorf("refresh: got %v", err)
		}
	})
}

func TestUseIsWrittenDownOnceAMinute(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		made, secret := s.signIn(t, s.alice.ID)
		seen := func() account.Session {
			t.Helper()
			all, err := s.List(s.operator(t.Context()), s.alice.ID)
			if err != nil || len(all) != 1 {
				t.Fatalf("got %d sessions, %v", len(all), err)
			}
			return all[0]
		}
		s.pass(time.Minute - time.Microsecond)
		s.check(t, secret)
		if got := seen(); got.LastSeen != made.Created || got.Address != "192.0.2.1" {
			t.Errorf("within the minute: got %s from %s", got.LastSeen, got.Address)
		}
		s.pass(time.Microsecond)
		if _, err := s.Check(t.Context(), secret, account.Browser{Address: "192.0.2.9", Agent: strings.Repeat("é", 150) + "\x00\xff"}); err != nil {
			t.Fatal(err)
		}
		got := seen()
		if got.LastSeen != s.clock || got.Address != "192.0.2.9" || got.Agent != strings.Repeat("é", 100) || got.Expires != s.clock.Add(7*24*time.Hour) {
			t.Errorf("after it: got %+v", got)
		}
	})
}
