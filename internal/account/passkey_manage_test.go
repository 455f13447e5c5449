package account_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/internal/account"
)

func TestPasskeysOfOthersAreOutOfReach(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		k := p.register(t, p.ID, newDevice())
		p.setPassword(t, good)
		mallory := p.other(t)
		ctx := p.as(t.Context(), mallory.ID)
		if _, err := p.keys.List(ctx, p.ID); !errors.Is(err, account.ErrNoUser) {
			t.Errorf("list: got %v, want ErrNoUser", err)
		}
		for user, want := range map[string]error{p.ID: account.ErrNoUser, mallory.ID: account.ErrNoPasskey} {
			if err := p.keys.Rename(ctx, user, k.ID, "mine"); !errors.Is(err, want) {
				t.Errorf("rename: got %v, want %v", err, want)
			}
			if err := p.keys.Remove(ctx, user, k.ID); !errors.Is(err, want) {
				t.Errorf("remove: got %v, want %v", err, want)
			}
		}
		own := p.signedIn(t.Context(), time.Hour)
		if err := p.keys.Rename(own, p.ID, k.ID, "\x00"); !errors.Is(err, account.ErrName) {
			t.Errorf("bad name: got %v, want ErrName", err)
		}
		if err := p.keys.Rename(own, p.ID, k.ID, "Telephone"); err != nil {
			t.Errorf("rename: got %v", err)
		}
		if all, err := p.keys.List(own, p.ID); err != nil || len(all) != 1 || all[0].Name != "Telephone" {
			t.Errorf("got %+v, %v", all, err)
		}
		if err := p.keys.Remove(own, p.ID, k.ID); !errors.Is(err, account.ErrStepUp) {
			t.Errorf("remove after an hour: got %v, want ErrStepUp", err)
		}
		if err := p.keys.Remove(p.signedIn(t.Context(), 0), p.ID, k.ID); err != nil {
			t.Errorf("remove: got %v", err)
		}
	})
}

func TestRemovedPasskeyOpensNothing(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		d := newDevice()
		k := p.register(t, p.ID, d)
		p.register(t, p.ID, newDevice())
		signIn, factor := p.beginSignIn(t), p.beginFactor(t, p.ID)
		if err := p.keys.Remove(p.signedIn(t.Context(), 0), p.ID, k.ID); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.keys.FinishSignIn(t.Context(), signIn.Handle, d.get(t, signIn)); !errors.Is(err, account.ErrPasskey) {
			t.Errorf("sign-in: got %v, want ErrPasskey", err)
		}
		if _, err := p.keys.FinishFactor(t.Context(), p.ID, factor.Handle, d.get(t, factor)); !errors.Is(err, account.ErrPasskey) {
			t.Errorf("factor: got %v, want ErrPasskey", err)
		}
	})
}

func TestLastWayInStaysWhenTwoAreRemovedAtOnce(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		ctx := p.signedIn(t.Context(), 0)
		keys := []account.Passkey{p.register(t, p.ID, newDevice()), p.register(t, p.ID, newDevice())}
		var removed atomic.Int32
		var wg sync.WaitGroup
		for _, k := range keys {
			wg.Go(func() {
				err := p.keys.Remove(ctx, p.ID, k.ID)
				if err == nil {
					removed.Add(1)
				} else if !errors.Is(err, account.ErrLastWayIn) {
					t.Errorf("got %v, want ErrLastWayIn", err)
				}
			})
		}
		wg.Wait()
		left, err := p.keys.List(ctx, p.ID)
		if removed.Load() != 1 || len(left) != 1 || err != nil {
			t.Fatalf("got %d removed, %d left, %v", removed.Load(), len(left), err)
		}
		p.setPassword(t, good)
		if err := p.RemovePassword(ctx, p.ID); err != nil {
			t.Errorf("the password beside a passkey: got %v", err)
		}
		if err := p.keys.Remove(ctx, p.ID, left[0].ID); !errors.Is(err, account.ErrLastWayIn) {
			t.Errorf("the passkey alone: got %v, want ErrLastWayIn", err)
		}
	})
}

func TestEachChangeOfAPasskeyIsRecordedAndTold(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		j := &journal{}
		p.audit = j
		p.start(t)
		ctx := p.signedIn(t.Context(), 0)
		p.setPassword(t, good)
		d := newDevice()
		k := p.register(t, p.ID, d)
		if err := p.signIn(t, d); err != nil {
			t.Fatal(err)
		}
		if err := p.keys.Rename(ctx, p.ID, k.ID, "Telephone"); err != nil {
			t.Fatal(err)
		}
		p.switchOn(t)
		if err := p.SetMFA(ctx, p.ID, false); err != nil {
			t.Fatal(err)
		}
		if err := p.keys.Remove(ctx, p.ID, k.ID); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"user.password_set", "user.passkey_add", "user.passkey_rename", "user.recovery_renew", "user.mfa_on", "user.mfa_off", "user.passkey_remove",
		}
		if diff := cmp.Diff(want, j.actions); diff != "" {
			t.Errorf("recorded (-want +got):\n%s", diff)
		}
		const alice = "Alice Rabbithole "
		want = []string{
			alice + "password-set", alice + "passkey-added Passkey", alice + "recovery-codes-made",
			alice + "mfa-on", alice + "mfa-off", alice + "passkey-removed Telephone",
		}
		if diff := cmp.Diff(want, p.told.changes); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// switchOn makes recovery codes, and switches MFA on.
func (p *person) switchOn(t *testing.T) []string {
	t.Helper()
	ctx := p.signedIn(t.Context(), 0)
	codes, err := p.RegenerateRecoveryCodes(ctx, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.SetMFA(ctx, p.ID, true); err != nil {
		t.Fatalf("switch on: %v", err)
	}
	return codes
}

func (p *person) wantFactors(t *testing.T, want account.Factors, required bool, methods ...string) {
	t.Helper()
	f, err := p.Factors(t.Context(), p.ID)
	if diff := cmp.Diff(want, f); diff != "" || err != nil {
		t.Errorf("factors: %v (-want +got):\n%s", err, diff)
	}
	if f.Required() != required || !slices.Equal(f.Methods(), methods) {
		t.Errorf("got required %t, methods %v, want %t, %v", f.Required(), f.Methods(), required, methods)
	}
}

func TestPasskeyIsAskedAsASecondFactorWhereMFAIsSwitchedOn(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		ctx := p.signedIn(t.Context(), 0)
		p.setPassword(t, good)
		p.wantFactors(t, account.Factors{}, false)
		if err := p.SetMFA(ctx, p.ID, true); !errors.Is(err, account.ErrNoFactor) {
			t.Errorf("on without a factor: got %v, want ErrNoFactor", err)
		}
		if _, err := p.RegenerateRecoveryCodes(ctx, p.ID); !errors.Is(err, account.ErrNoFactor) {
			t.Errorf("codes without a factor: got %v, want ErrNoFactor", err)
		}
		k := p.register(t, p.ID, newDevice())
		p.wantFactors(t, account.Factors{Passkeys: 1}, false, "passkey")
		if err := p.SetMFA(ctx, p.ID, true); !errors.Is(err, account.ErrNoRecoveryCodes) {
			t.Errorf("on without recovery codes: got %v, want ErrNoRecoveryCodes", err)
		}
		codes := p.switchOn(t)
		p.wantFactors(t, account.Factors{Passkeys: 1, RecoveryCodes: 10, Switched: true}, true, "passkey", "recovery_code")
		if left, err := p.CheckRecoveryCode(t.Context(), p.ID, codes[0]); left != 9 || err != nil {
			t.Errorf("a recovery code beside a passkey: got %d, %v", left, err)
		}
		if err := p.keys.Remove(ctx, p.ID, k.ID); !errors.Is(err, account.ErrLastFactor) {
			t.Errorf("remove the last passkey: got %v, want ErrLastFactor", err)
		}
		p.setPassword(t, "kzwmvbxq")
		if err := p.SetMFA(ctx, p.ID, false); !errors.Is(err, account.ErrPasswordAlone) {
			t.Errorf("off beside a short password: got %v, want ErrPasswordAlone", err)
		}
		p.setPassword(t, good)
		if err := p.SetMFA(ctx, p.ID, false); err != nil {
			t.Errorf("off: got %v", err)
		}
		if err := p.keys.Remove(ctx, p.ID, k.ID); err != nil {
			t.Errorf("remove: got %v", err)
		}
		p.wantFactors(t, account.Factors{}, false)
	})
}

func TestOneFactorStandsInForTheOther(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		ctx := p.signedIn(t.Context(), 0)
		p.setPassword(t, good)
		p.enrol(t)
		p.switchOn(t)
		p.setPassword(t, "kzwmvbxq")
		if err := p.RemoveTOTP(p.signedIn(t.Context(), 0), p.ID); !errors.Is(err, account.ErrLastFactor) {
			t.Errorf("the app alone: got %v, want ErrLastFactor", err)
		}
		k := p.register(t, p.ID, newDevice())
		p.wantFactors(t, account.Factors{TOTP: true, Passkeys: 1, RecoveryCodes: 10, Switched: true}, true, "passkey", "totp", "recovery_code")
		if err := p.RemoveTOTP(ctx, p.ID); err != nil {
			t.Errorf("the app beside a passkey: got %v", err)
		}
		p.wantFactors(t, account.Factors{Passkeys: 1, RecoveryCodes: 10, Switched: true}, true, "passkey", "recovery_code")
		p.enrol(t)
		if err := p.keys.Remove(p.signedIn(t.Context(), 0), p.ID, k.ID); err != nil {
			t.Errorf("the passkey beside an app: got %v", err)
		}
		p.wantFactors(t, account.Factors{TOTP: true, RecoveryCodes: 10, Switched: true}, true, "totp", "recovery_code")
	})
}

func TestRoleOrAccountDemandsASecondFactor(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		ctx := p.signedIn(t.Context(), 0)
		p.setPassword(t, good)
		set := func(query string) {
			t.Helper()
			if _, err := p.db.SQL().ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		set(`UPDATE accounts SET mfa = 1`)
		p.wantFactors(t, account.Factors{Demanded: true}, true)
		if err := p.SetPassword(ctx, p.ID, "", "kzwmvbxq"); !errors.Is(err, account.ErrPasswordShort) {
			t.Errorf("a short password on a demand that may be taken back: got %v, want ErrPasswordShort", err)
		}
		p.register(t, p.ID, newDevice())
		p.switchOn(t)
		if err := p.SetMFA(ctx, p.ID, false); !errors.Is(err, account.ErrMFADemanded) {
			t.Errorf("off: got %v, want ErrMFADemanded", err)
		}
		set(`UPDATE accounts SET mfa = 0`)
		set(`UPDATE roles SET mfa = 1`)
		if err := p.SetMFA(ctx, p.ID, false); err != nil {
			t.Errorf("off where a role that the user has not demands it: got %v", err)
		}
		set(`INSERT INTO membership_roles (account_id, user_id, role_id)
			SELECT m.account_id, m.user_id, r.id FROM memberships m JOIN roles r ON r.account_id = m.account_id`)
		p.wantFactors(t, account.Factors{Passkeys: 1, RecoveryCodes: 10, Demanded: true}, true, "passkey", "recovery_code")
	})
}

func TestMFAIsSwitchedByItsUserWhoJustSignedIn(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		p.register(t, p.ID, newDevice())
		p.switchOn(t)
		mallory := p.other(t)
		for name, c := range map[string]struct {
			ctx  context.Context
			want error
		}{
			"another": {p.as(t.Context(), mallory.ID), account.ErrNoUser},
			"stale":   {p.signedIn(t.Context(), time.Hour), account.ErrStepUp},
		} {
			if err := p.SetMFA(c.ctx, p.ID, false); !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", name, err, c.want)
			}
		}
		if _, err := p.Factors(t.Context(), "usr_nobody"); !errors.Is(err, account.ErrNoUser) {
			t.Errorf("factors of nobody: got %v, want ErrNoUser", err)
		}
	})
}
