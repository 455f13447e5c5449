package account

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/db"
)

const selectWithHash = `
	SELECT u.id, u.display_name, u.created_at, u.disabled_at, coalesce(p.hash, ''), coalesce(p.short, 0),
	       u.mfa = 1 OR EXISTS (SELECT 1 FROM user_totp t WHERE t.user_id = u.id AND t.confirmed_at IS NOT NULL)
	FROM users u LEFT JOIN user_passwords p ON p.user_id = u.id `

// passwordAt returns the user with that verified address, with all addresses; where
// there is none an empty row, after as many queries.
func passwordAt(ctx context.Context, tx *db.Tx, address string) (passwordRow, error) {
	row, err := scanPassword(tx.QueryRowContext(ctx, selectWithHash+`
		JOIN user_emails e ON e.user_id = u.id WHERE e.address = $1 AND e.verified_at IS NOT NULL`, address))
	if err != nil {
		return row, err
	}
	row.user.Addresses, err = addresses(ctx, tx, row.user.ID)
	return row, err
}

// passwordOf returns the user with that id, or ErrNoUser.
func passwordOf(ctx context.Context, tx *db.Tx, user string) (passwordRow, error) {
	row, err := scanPassword(tx.QueryRowContext(ctx, selectWithHash+`WHERE u.id = $1`, user))
	if err == nil && row.user.ID == "" {
		return row, ErrNoUser
	}
	if err != nil {
		return row, err
	}
	row.user.Addresses, err = addresses(ctx, tx, row.user.ID)
	return row, err
}

func scanPassword(r *sql.Row) (passwordRow, error) {
	var row passwordRow
	var disabled sql.NullTime
	u := &row.user
	err := r.Scan(&u.ID, &u.DisplayName, &u.Created, &disabled, &row.hash, &row.short, &row.factored)
	if errors.Is(err, sql.ErrNoRows) {
		return passwordRow{}, nil
	}
	u.Disabled = db.Time(disabled)
	return row, err
}

func storePassword(ctx context.Context, tx *db.Tx, user, hash string, short bool, at time.Time) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO user_passwords (user_id, hash, short, changed_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, short = excluded.short, changed_at = excluded.changed_at`,
		user, hash, flag(short), at)
	return err
}

// replaceHash leaves a password that was changed meanwhile as it is.
func replaceHash(ctx context.Context, tx *db.Tx, user, old, hash string) error {
	_, err := tx.ExecContext(ctx, `UPDATE user_passwords SET hash = $1 WHERE user_id = $2 AND hash = $3`, hash, user, old)
	return err
}

func deletePassword(ctx context.Context, tx *db.Tx, user string) error {
	return oneRow(ErrNoPassword)(tx.ExecContext(ctx, `DELETE FROM user_passwords WHERE user_id = $1`, user))
}

// findTOTP returns the user's authenticator app, or a row without an id.
func findTOTP(ctx context.Context, tx *db.Tx, user string) (totpRow, error) {
	var row totpRow
	var confirmed sql.NullTime
	err := tx.QueryRowContext(ctx, `
		SELECT id, secret, created_at, confirmed_at FROM user_totp WHERE user_id = $1`, user).
		Scan(&row.id, &row.sealed, &row.created, &confirmed)
	if errors.Is(err, sql.ErrNoRows) {
		return totpRow{}, nil
	}
	row.confirmed = confirmed.Valid
	return row, err
}

// insertTOTP replaces an enrolment that waits, and never an active factor.
func insertTOTP(ctx context.Context, tx *db.Tx, user string, row totpRow) error {
	return oneRow(ErrTOTPExists)(tx.ExecContext(ctx, `
		INSERT INTO user_totp (id, user_id, secret, last_step, created_at) VALUES ($1, $2, $3, 0, $4)
		ON CONFLICT (user_id) DO UPDATE SET id = excluded.id, secret = excluded.secret, last_step = 0, created_at = excluded.created_at
		WHERE user_totp.confirmed_at IS NULL`, row.id, user, row.sealed, row.created))
}

func confirmTOTP(ctx context.Context, tx *db.Tx, id string, sealed []byte, step int64, at time.Time) error {
	return oneRow(ErrNoEnrolment)(tx.ExecContext(ctx, `
		UPDATE user_totp SET confirmed_at = $1, last_step = $2, secret = $3 WHERE id = $4 AND confirmed_at IS NULL`, at, step, sealed, id))
}

// useStep marks a step as used. Of several with the same one, one gets through.
func useStep(ctx context.Context, tx *db.Tx, id, user string, step int64) error {
	return oneRow(ErrCode)(tx.ExecContext(ctx, `
		UPDATE user_totp SET last_step = $1
		WHERE id = $2 AND last_step < $1 AND confirmed_at IS NOT NULL
		  AND EXISTS (SELECT 1 FROM users u WHERE u.id = $3 AND u.disabled_at IS NULL)`, step, id, user))
}

func deleteTOTP(ctx context.Context, tx *db.Tx, user string) error {
	return oneRow(ErrNoTOTP)(tx.ExecContext(ctx, `DELETE FROM user_totp WHERE user_id = $1`, user))
}

// deleteStrayCodes deletes recovery codes, unless they are of an app whose first code
// has yet to come.
func deleteStrayCodes(ctx context.Context, tx *db.Tx, user string) error {
	_, err := tx.ExecContext(ctx, `
		DELETE FROM user_recovery_codes
		WHERE user_id = $1 AND NOT EXISTS (SELECT 1 FROM user_totp t WHERE t.user_id = $1)`, user)
	return err
}

// replaceRecoveryCodes replaces the codes that are good, or those that wait.
func replaceRecoveryCodes(ctx context.Context, tx *db.Tx, user string, codes []string, pending bool, at time.Time) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM user_recovery_codes WHERE user_id = $1 AND pending = $2`, user, flag(pending)); err != nil {
		return err
	}
	for _, code := range codes {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO user_recovery_codes (user_id, code_hash, pending, created_at) VALUES ($1, $2, $3, $4)`,
			user, recoveryHash(user, code), flag(pending), at); err != nil {
			return err
		}
	}
	return nil
}

// activateRecoveryCodes makes the codes that wait good, instead of those that were.
func activateRecoveryCodes(ctx context.Context, tx *db.Tx, user string) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM user_recovery_codes WHERE user_id = $1 AND pending = 0`, user); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE user_recovery_codes SET pending = 0 WHERE user_id = $1`, user)
	return err
}

// useRecoveryCode marks a code as used. Of several with the same one, one gets through.
func useRecoveryCode(ctx context.Context, tx *db.Tx, user string, hash []byte, at time.Time) error {
	return oneRow(ErrCode)(tx.ExecContext(ctx, `
		UPDATE user_recovery_codes SET used_at = $1
		WHERE user_id = $2 AND code_hash = $3 AND used_at IS NULL AND pending = 0
		  AND (EXISTS (SELECT 1 FROM user_totp t WHERE t.user_id = $2 AND t.confirmed_at IS NOT NULL)
		       OR EXISTS (SELECT 1 FROM user_passkeys k WHERE k.user_id = $2))
		  AND EXISTS (SELECT 1 FROM users u WHERE u.id = $2 AND u.disabled_at IS NULL)`, at, user, hash))
}

func countRecoveryCodes(ctx context.Context, tx *db.Tx, user string) (n int, err error) {
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM user_recovery_codes WHERE user_id = $1 AND used_at IS NULL AND pending = 0`, user).Scan(&n)
	return n, err
}

// oneRow returns none where a statement changed no row.
func oneRow(none error) func(sql.Result, error) error {
	return func(res sql.Result, err error) error {
		if err != nil {
			return err
		}
		if n, _ := res.RowsAffected(); n == 0 {
			return none
		}
		return nil
	}
}
