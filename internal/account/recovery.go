package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"signet/internal/db"
	"signet/internal/notify"
)

// RecoveryCodes is how many a user gets.
const RecoveryCodes = 10

// recoverySeed is how many random bytes make a code.
const recoverySeed = 10

// newRecoveryCodes returns codes of 80 random bits, such as "k3dm-q7xa-zz2p-w4hc".
func newRecoveryCodes() []string {
	codes := make([]string, RecoveryCodes)
	for i := range codes {
		seed := make([]byte, recoverySeed)
		_, _ = rand.Read(seed) // never fails
		codes[i] = recoveryCode(seed)
	}
	return codes
}

// recoveryCode writes recoverySeed bytes as people type them.
func recoveryCode(seed []byte) string {
	r := strings.ToLower(base32.StdEncoding.EncodeToString(seed))
	return r[:4] + "-" + r[4:8] + "-" + r[8:12] + "-" + r[12:16]
}

// recoveryHash is of a code as people type it: with or without hyphens, spaces and
// capitals. A code is random enough to need no slow hash.
func recoveryHash(user, code string) []byte {
	code = strings.NewReplacer("-", "", " ", "").Replace(strings.ToLower(code))
	h := sha256.Sum256([]byte(user + " " + code))
	return h[:]
}

// CheckRecoveryCode accepts a recovery code of a user, named by id, once, and returns
// how many are left. It returns ErrCode, or limit.ErrRate as CheckTOTP does. Call it
// only after the first factor.
func (c *Credentials) CheckRecoveryCode(ctx context.Context, user, code string) (left int, err error) {
	err = c.checkCode(ctx, user, func() error {
		return c.users.db.Update(ctx, func(tx *db.Tx) error {
			if err := useRecoveryCode(ctx, tx, user, recoveryHash(user, code), db.Now(c.users.now())); err != nil {
				return err
			}
			if left, err = countRecoveryCodes(ctx, tx, user); err != nil {
				return err
			}
			return c.users.record(ctx, tx, "user.recovery_use", user, map[string]any{"left": left})
		})
	})
	return left, err
}

// RegenerateRecoveryCodes replaces all codes of a user, named by id, who proved
// themselves within 5 minutes and has an authenticator app or a passkey (ErrNoFactor).
func (c *Credentials) RegenerateRecoveryCodes(ctx context.Context, user string) ([]string, error) {
	codes := newRecoveryCodes()
	err := c.change(ctx, user, true, func(tx *db.Tx, u User) error {
		f, err := factorsOf(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		if !f.TOTP && f.Passkeys == 0 {
			return ErrNoFactor
		}
		if err := replaceRecoveryCodes(ctx, tx, u.ID, codes, false, db.Now(c.users.now())); err != nil {
			return err
		}
		c.tell(ctx, tx, u, notify.RecoveryCodesMade, "")
		return c.users.record(ctx, tx, "user.recovery_renew", u.ID, nil)
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}
