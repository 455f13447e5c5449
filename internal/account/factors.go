package account

import (
	"context"
	"database/sql"
	"errors"

	"signet/internal/authapi"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/notify"
)

// What the choice of second factors can be refused for.
var (
	ErrNoFactor        = fault.New(fault.Conflict, "no second factor is set up: add a passkey or an authenticator app first").Named("no-factor")
	ErrNoRecoveryCodes = fault.New(fault.Conflict, "there are no recovery codes left: make new ones first").Named("no-recovery-codes")
	ErrLastFactor      = fault.New(fault.Conflict, "it is the only second factor, and you have one asked at each sign-in: add another one, or switch that off first").Named("last-factor")
	ErrMFADemanded     = fault.New(fault.Conflict, "a role or an account that you belong to demands a second factor").Named("mfa-demanded")
)

// Factors is what a user could prove themselves with after the first factor, and
// whether they must.
type Factors struct {
	TOTP          bool // an authenticator app is set up
	Passkeys      int
	RecoveryCodes int  // not used yet
	Switched      bool // the user has a second factor asked at each sign-in
	Demanded      bool // a role of theirs does, or an account that they belong to
}

// Required reports whether a second factor is asked after each first one. A passkey
// alone asks for none: it is a whole sign-in. Where one is demanded and none is
// there, the user must set one up.
func (f Factors) Required() bool { return f.TOTP || f.Switched || f.Demanded }

// Methods lists what the user may choose from, of [authapi.MethodPasskey] and its kind.
func (f Factors) Methods() []string {
	methods := []string{}
	if f.Passkeys > 0 {
		methods = append(methods, authapi.MethodPasskey)
	}
	if f.TOTP {
		methods = append(methods, authapi.MethodTOTP)
	}
	if f.RecoveryCodes > 0 && len(methods) > 0 {
		methods = append(methods, authapi.MethodRecoveryCode)
	}
	return methods
}

// Factors returns the second factors of a user, named by id, or ErrNoUser.
func (c *Credentials) Factors(ctx context.Context, user string) (f Factors, err error) {
	err = c.users.db.View(ctx, func(tx *db.Tx) (err error) {
		f, err = factorsOf(ctx, tx, user)
		return err
	})
	return f, err
}

// SetMFA has a second factor asked at each sign-in of a user, named by id, who
// proved themselves within 5 minutes; or only where something else demands it. To
// switch it on needs a factor (ErrNoFactor) and recovery codes (ErrNoRecoveryCodes);
// to switch it off, that nothing demands it (ErrMFADemanded) and no password is too
// short to stand alone (ErrPasswordAlone).
func (c *Credentials) SetMFA(ctx context.Context, user string, on bool) error {
	return c.change(ctx, user, true, func(tx *db.Tx, u User) error {
		f, err := factorsOf(ctx, tx, u.ID)
		if err != nil || f.Switched == on {
			return err
		}
		check, action, what := c.maySwitchOff, "user.mfa_off", notify.MFAOff
		if on {
			check, action, what = c.maySwitchOn, "user.mfa_on", notify.MFAOn
		}
		if err := check(ctx, tx, u, f); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE users SET mfa = $1 WHERE id = $2`, flag(on), u.ID); err != nil {
			return err
		}
		c.tell(ctx, tx, u, what, "")
		return c.users.record(ctx, tx, action, u.ID, nil)
	})
}

func (c *Credentials) maySwitchOn(_ context.Context, _ *db.Tx, _ User, f Factors) error {
	switch {
	case !f.TOTP && f.Passkeys == 0:
		return ErrNoFactor
	case f.RecoveryCodes == 0:
		return ErrNoRecoveryCodes
	}
	return nil
}

func (c *Credentials) maySwitchOff(ctx context.Context, tx *db.Tx, u User, f Factors) error {
	if f.Demanded {
		return ErrMFADemanded
	}
	row, err := passwordOf(ctx, tx, u.ID)
	if err == nil && row.short {
		err = ErrPasswordAlone.At("password")
	}
	return err
}

// keepFactor is called when a factor was taken away. It refuses where the user has
// one asked and no other is left, and deletes recovery codes that stand beside none.
func keepFactor(ctx context.Context, tx *db.Tx, user string) error {
	f, err := factorsOf(ctx, tx, user)
	if err != nil {
		return err
	}
	if f.TOTP || f.Passkeys > 0 {
		return nil
	}
	if f.Switched {
		return ErrLastFactor
	}
	return deleteStrayCodes(ctx, tx, user)
}

func factorsOf(ctx context.Context, tx *db.Tx, user string) (f Factors, err error) {
	err = tx.QueryRowContext(ctx, `
		SELECT u.mfa = 1,
		       EXISTS (SELECT 1 FROM user_totp t WHERE t.user_id = u.id AND t.confirmed_at IS NOT NULL),
		       (SELECT count(*) FROM user_passkeys k WHERE k.user_id = u.id),
		       (SELECT count(*) FROM user_recovery_codes r WHERE r.user_id = u.id AND r.used_at IS NULL AND r.pending = 0),
		       EXISTS (SELECT 1 FROM memberships m
		               JOIN accounts a ON a.id = m.account_id
		               LEFT JOIN membership_roles mr ON mr.account_id = m.account_id AND mr.user_id = m.user_id
		               LEFT JOIN roles r ON r.id = mr.role_id
		               WHERE m.user_id = u.id AND a.disabled_at IS NULL AND (a.mfa = 1 OR r.mfa = 1))
		FROM users u WHERE u.id = $1`, user).
		Scan(&f.Switched, &f.TOTP, &f.Passkeys, &f.RecoveryCodes, &f.Demanded)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoUser
	}
	return f, err
}
