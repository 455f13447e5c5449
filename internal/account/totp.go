package account

import (
	"context"
	"crypto/subtle"
	"encoding/base32"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"signet/internal/authapi"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/limit"
	"signet/internal/notify"
	"signet/internal/seal"
)

// A one-time password (RFC 6238): SHA-1, 6 digits, steps of 30 s, as every
// authenticator app can. The code of the step before and of the one after are good
// too (section 5.2).
const (
	totpStep   = 30 * time.Second
	totpSkew   = 1
	totpSecret = 20 // bytes: as long as SHA-1 gives (RFC 4226, section 4)

	// enrolTime is how long an enrolment waits for its first code.
	enrolTime = time.Hour
)

// What a second factor can be refused for.
var (
	// ErrCode is the one answer to every code that proves nothing: wrong, used, of a
	// user without a factor, or of one who is disabled.
	ErrCode          = fault.New(fault.Unauthorized, "the code is wrong or was used before").Named(authapi.WordCode)
	ErrTOTPExists    = fault.New(fault.Conflict, "an authenticator app is set up already: remove it first").Named("totp-exists")
	ErrNoTOTP        = fault.New(fault.NotFound, "no authenticator app is set up")
	ErrNoEnrolment   = fault.New(fault.Gone, "no enrolment waits for a code: begin again").Named("no-enrolment")
	ErrPasswordAlone = fault.Newf(fault.Conflict, "the password alone would be too short: set one of at least %d characters first", MinPassword).Named("password-alone")
)

// Enrolment is what a user sets up an authenticator app with. Only who began it sees
// it, and until its first code.
type Enrolment struct {
	URL           string   // otpauth://totp/..., for a QR code
	Secret        string   // the same secret in base32, for typing
	RecoveryCodes []string // in place of any others; good from ConfirmTOTP on, or at once beside a passkey
}

// totpRow is a stored authenticator app.
type totpRow struct {
	id        string
	sealed    []byte
	created   time.Time
	confirmed bool
}

func totpContext(id, user string) string { return seal.Context("user_totp", "secret", id, user) }

// BeginTOTP makes a secret and recovery codes for a user, named by id, who proved
// themselves within 5 minutes. Nothing is asked for them before ConfirmTOTP, which must
// follow within an hour. issuer and name label it in the app.
//
// holder is the session or the browser that begins. Where it begins again while its
// enrolment waits, it gets that one again; the enrolment of another holder is replaced,
// since who knows a password must not choose the secret of its owner. An empty
// holder gets a new one each time.
func (c *Credentials) BeginTOTP(ctx context.Context, user, issuer, name, holder string) (e Enrolment, err error) {
	var waits enrolment
	err = c.change(ctx, user, true, func(tx *db.Tx, u User) error {
		row, err := findTOTP(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		now := db.Now(c.users.now())
		if waits, err = c.waiting(row, u.ID, holder, now); err != nil || waits.secret != nil {
			return err
		}
		waits = newEnrolment(holder)
		return c.keepEnrolment(ctx, tx, u.ID, waits, now)
	})
	if err != nil {
		return Enrolment{}, err
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: name, Secret: waits.secret})
	if err != nil {
		return Enrolment{}, fault.New(fault.Invalid, "must not be empty").At("name")
	}
	return Enrolment{URL: key.URL(), Secret: key.Secret(), RecoveryCodes: waits.codes()}, nil
}

func (c *Credentials) keepEnrolment(ctx context.Context, tx *db.Tx, user string, e enrolment, at time.Time) error {
	id := newID("otp")
	sealed, err := c.seal.Seal(e.bytes(), totpContext(id, user))
	if err != nil {
		return err
	}
	if err := insertTOTP(ctx, tx, user, totpRow{id: id, sealed: sealed, created: at}); err != nil {
		return err
	}
	if err := replaceRecoveryCodes(ctx, tx, user, e.codes(), true, at); err != nil {
		return err
	}
	return c.users.record(ctx, tx, "user.totp_begin", user, nil)
}

// waiting returns the enrolment of a row where it is the holder's and is good still.
func (c *Credentials) waiting(row totpRow, user, holder string, now time.Time) (enrolment, error) {
	if row.id == "" || row.confirmed || holder == "" || now.Sub(row.created) > enrolTime {
		return enrolment{}, nil
	}
	plain, err := c.seal.Open(row.sealed, totpContext(row.id, user))
	if err != nil {
		return enrolment{}, err
	}
	e, ok := readEnrolment(plain)
	if !ok || !e.isOf(holder) {
		return enrolment{}, nil
	}
	return e, nil
}

// ConfirmTOTP makes the factor active by its first code, which is used then.
func (c *Credentials) ConfirmTOTP(ctx context.Context, user, code string) error {
	if err := c.mayChange(ctx, user, false); err != nil {
		return err
	}
	row, err := c.readTOTP(ctx, user)
	if err != nil {
		return err
	}
	if row.confirmed {
		return ErrTOTPExists
	}
	now := c.users.now()
	if row.id == "" || now.Sub(row.created) > enrolTime {
		return ErrNoEnrolment
	}
	step, err := c.matchingStep(row, user, code, now)
	if err != nil {
		return err
	}
	sealed, err := c.withoutSeed(row, user)
	if err != nil {
		return err
	}
	return c.change(ctx, user, false, func(tx *db.Tx, u User) error {
		if err := confirmTOTP(ctx, tx, row.id, sealed, step, db.Now(now)); err != nil {
			return err
		}
		if err := activateRecoveryCodes(ctx, tx, u.ID); err != nil {
			return err
		}
		c.tell(ctx, tx, u, notify.TOTPAdded, "")
		return c.users.record(ctx, tx, "user.totp_add", u.ID, nil)
	})
}

// withoutSeed seals the secret of a row alone: recovery codes are not to be had from a
// store and its key once they are good.
func (c *Credentials) withoutSeed(row totpRow, user string) ([]byte, error) {
	plain, err := c.seal.Open(row.sealed, totpContext(row.id, user))
	if err != nil {
		return nil, err
	}
	return c.seal.Seal(plain[:min(totpSecret, len(plain))], totpContext(row.id, user))
}

// CheckTOTP accepts a code of a user, named by id, once. It returns ErrCode, or
// limit.ErrRate after 5 wrong ones in 15 minutes, recovery codes counted with them.
// Call it only after the first factor: anybody else could use up the attempts.
func (c *Credentials) CheckTOTP(ctx context.Context, user, code string) error {
	return c.checkCode(ctx, user, func() error {
		row, err := c.readTOTP(ctx, user)
		if err != nil {
			return err
		}
		if !row.confirmed {
			return ErrCode
		}
		step, err := c.matchingStep(row, user, code, c.users.now())
		if err != nil {
			return err
		}
		return c.users.db.Update(ctx, func(tx *db.Tx) error { return useStep(ctx, tx, row.id, user, step) })
	})
}

// checkCode runs check on the budget of the user's codes.
func (c *Credentials) checkCode(ctx context.Context, user string, check func() error) error {
	return c.attempt(ctx, ErrCode, check, limit.Bucket{Name: "factor.user", Key: user, Rate: codeRate})
}

// RemoveTOTP removes the authenticator app, or an enrolment, of a user, named by id,
// who proved themselves within 5 minutes, and the recovery codes where they have no
// passkey. It returns ErrPasswordAlone or ErrLastFactor where the factor is needed.
func (c *Credentials) RemoveTOTP(ctx context.Context, user string) error {
	return c.change(ctx, user, true, func(tx *db.Tx, u User) error {
		app, err := findTOTP(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		if err := deleteTOTP(ctx, tx, u.ID); err != nil {
			return err
		}
		row, err := passwordOf(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		if row.short && !row.factored {
			return ErrPasswordAlone.At("password")
		}
		if err := keepFactor(ctx, tx, u.ID); err != nil {
			return err
		}
		if app.confirmed {
			c.tell(ctx, tx, u, notify.TOTPRemoved, "")
		}
		return c.users.record(ctx, tx, "user.totp_remove", u.ID, nil)
	})
}

// matchingStep returns the newest step about now that has this code, or ErrCode.
// All are compared, so that time does not tell which one it is.
func (c *Credentials) matchingStep(row totpRow, user, code string, now time.Time) (int64, error) {
	plain, err := c.seal.Open(row.sealed, totpContext(row.id, user))
	if err != nil {
		return 0, err
	}
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(plain[:min(totpSecret, len(plain))])
	o := totp.ValidateOpts{Period: uint(totpStep / time.Second), Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}
	match := int64(-1)
	for skew := -totpSkew; skew <= totpSkew; skew++ {
		at := now.Add(time.Duration(skew) * totpStep)
		want, err := totp.GenerateCodeCustom(text, at, o)
		if err != nil {
			return 0, err
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			match = at.Unix() / int64(totpStep/time.Second)
		}
	}
	if match < 0 {
		return 0, ErrCode
	}
	return match, nil
}

func (c *Credentials) readTOTP(ctx context.Context, user string) (row totpRow, err error) {
	err = c.users.db.View(ctx, func(tx *db.Tx) (err error) {
		row, err = findTOTP(ctx, tx, user)
		return err
	})
	return row, err
}
