package account_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"signet/internal/account"
	"signet/internal/db"
	"signet/internal/seal"
)

func (s *signedIn) newMFATicket(t testing.TB, m account.MFATicket) (secret string) {
	t.Helper()
	if err := s.db.Update(t.Context(), func(tx *db.Tx) (err error) {
		secret, err = s.NewMFATicket(t.Context(), tx, m)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return secret
}

func (s *signedIn) consume(ctx context.Context, secret string) error {
	return s.db.Update(ctx, func(tx *db.Tx) error { return s.ConsumeMFATicket(ctx, tx, secret) })
}

// contextEndedBy returns a context that ends once done is so; after 10 s the test fails.
func contextEndedBy(t *testing.T, done func() bool) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				if errors.Is(ctx.Err(), context.DeadlineExceeded) {
					t.Error("nothing happened in 10 s")
				}
				return
			case <-tick.C:
				if done() {
					cancel()
				}
			}
		}
	}()
	return ctx, cancel
}

func TestMFATicketOpensTheSecondFactorInItsBrowserOnce(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		made := account.MFATicket{
			User: s.alice.ID, Account: s.home, AMR: []string{"github"}, Purpose: "sign-in", Browser: "browser",
			Facts: account.MFAFacts{Provider: "github", Linked: true},
		}
		secret := s.newMFATicket(t, made)
		made.Created, made.Expires = s.clock, s.clock.Add(10*time.Minute)
		for range 3 { // wrong codes may be tried again
			got, err := s.MFATicket(t.Context(), secret, "browser")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(made, got, cmpopts.IgnoreFields(account.MFATicket{}, "Browser")); diff != "" || got.Browser != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		unknown, _ := seal.NewSecret(account.MFATicketPrefix)
		for _, c := range [][2]string{{secret, "other"}, {secret, ""}, {unknown, "browser"}, {"", "browser"}, {secret[:20], "browser"}} {
			if _, err := s.MFATicket(t.Context(), c[0], c[1]); !errors.Is(err, account.ErrMFATicket) {
				t.Errorf("%q in %q: got %v, want ErrMFATicket", c[0], c[1], err)
			}
		}
		if won := race(t, func() error { return s.consume(t.Context(), secret) }, account.ErrMFATicket); won != 1 {
			t.Errorf("got %d uses, want 1", won)
		}
		if _, err := s.MFATicket(t.Context(), secret, "browser"); !errors.Is(err, account.ErrMFATicket) {
			t.Errorf("used: got %v, want ErrMFATicket", err)
		}
	})
}

func TestMFATicketWaitsTenMinutes(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		secret := s.newMFATicket(t, account.MFATicket{User: s.alice.ID, AMR: []string{"pwd"}, Purpose: "sign-in", Browser: "b"})
		s.pass(10*time.Minute - time.Microsecond)
		if m, err := s.MFATicket(t.Context(), secret, "b"); err != nil || m.Account != "" {
			t.Errorf("in time: got %+v, %v", m, err)
		}
		s.pass(time.Microsecond)
		if _, err := s.MFATicket(t.Context(), secret, "b"); !errors.Is(err, account.ErrMFATicket) {
			t.Errorf("late: got %v, want ErrMFATicket", err)
		}
		if err := s.consume(t.Context(), secret); !errors.Is(err, account.ErrMFATicket) {
			t.Errorf("late use: got %v, want ErrMFATicket", err)
		}
	})
}

func TestMFATicketIsBoundToABrowser(t *testing.T) {
	eachSignedIn(t, func(t *testing.T, s *signedIn) {
		err := s.db.Update(t.Context(), func(tx *db.Tx) error {
			_, err := s.NewMFATicket(t.Context(), tx, account.MFATicket{User: s.alice.ID, AMR: []string{"pwd"}, Purpose: "sign-in"})
			return err
		})
		if err == nil || s.count(t, `SELECT count(*) FROM mfa_tickets`) != 0 {
			t.Errorf("got %v, want an error and no ticket", err)
		}
	})
}
