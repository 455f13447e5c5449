package account

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/authapi"
	"signet/internal/db"
	"signet/internal/seal"
)

func insertLink(ctx context.Context, tx *db.Tx, hash []byte, l linkRow, at time.Time) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO account_links (code_hash, purpose, user_id, email, locale, next, created_at, not_before_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		hash, string(l.purpose), sql.NullString{String: l.user, Valid: l.user != ""}, l.email, l.locale, l.next, at, db.OrNull(l.notBefore), l.expires)
	return err
}

// selectLink returns a link that is not used or expired, or ErrLink.
func selectLink(ctx context.Context, tx *db.Tx, hash []byte, now time.Time) (l linkRow, err error) {
	var user sql.NullString
	var notBefore sql.NullTime
	err = tx.QueryRowContext(ctx, `
		SELECT purpose, user_id, email, locale, next, not_before_at, expires_at FROM account_links
		WHERE code_hash = $1 AND expires_at > $2`, hash, now).
		Scan((*string)(&l.purpose), &user, &l.email, &l.locale, &l.next, &notBefore, &l.expires)
	if errors.Is(err, sql.ErrNoRows) {
		return linkRow{}, ErrLink
	}
	l.user, l.notBefore, l.expires = user.String, db.Time(notBefore), l.expires.UTC()
	return l, err
}

// useLink uses a link up. Of several at once one gets nil.
func useLink(ctx context.Context, tx *db.Tx, code string, now time.Time) error {
	return oneRow(ErrLink)(tx.ExecContext(ctx, `
		DELETE FROM account_links WHERE code_hash = $1 AND expires_at > $2`, seal.SecretHash(code), now))
}

func deleteLinks(ctx context.Context, tx *db.Tx, user string, p authapi.LinkPurpose) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM account_links WHERE user_id = $1 AND purpose = $2`, user, string(p))
	return err
}

// deleteLinksOf deletes all links of a user.
func deleteLinksOf(ctx context.Context, tx *db.Tx, user string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM account_links WHERE user_id = $1`, user)
	return err
}

// deleteLinksTo deletes the links of a user that were mailed to an address.
func deleteLinksTo(ctx context.Context, tx *db.Tx, user, address string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM account_links WHERE user_id = $1 AND email = $2`, user, address)
	return err
}

func deleteFirstLinks(ctx context.Context, tx *db.Tx) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM account_links WHERE purpose = $1`, string(authapi.LinkFirst))
	return err
}

// pruneLinks deletes up to so many links that expired.
func pruneLinks(ctx context.Context, tx *db.Tx, before time.Time, limit int) (int64, error) {
	res, err := tx.ExecContext(ctx, `
		DELETE FROM account_links WHERE code_hash IN (SELECT code_hash FROM account_links WHERE expires_at < $1 LIMIT $2)`, before, limit)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// recoveryAt returns when a recovery of the user that waits takes effect; zero where none does.
func recoveryAt(ctx context.Context, tx *db.Tx, user string, now time.Time) (time.Time, error) {
	var at sql.NullTime
	err := tx.QueryRowContext(ctx, `
		SELECT not_before_at FROM account_links WHERE user_id = $1 AND purpose = $2 AND expires_at > $3
		ORDER BY created_at DESC LIMIT 1`, user, string(authapi.LinkRecover), now).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return db.Time(at), err
}

// resetAt returns when the password of a user was last reset by mail.
func resetAt(ctx context.Context, tx *db.Tx, user string) (time.Time, error) {
	var at sql.NullTime
	err := tx.QueryRowContext(ctx, `SELECT password_reset_at FROM users WHERE id = $1`, user).Scan(&at)
	return db.Time(at), err
}

func noteReset(ctx context.Context, tx *db.Tx, user string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE users SET password_reset_at = $1 WHERE id = $2`, at, user)
	return err
}

func setLocale(ctx context.Context, tx *db.Tx, user, locale string) error {
	_, err := tx.ExecContext(ctx, `UPDATE users SET locale = $1 WHERE id = $2`, locale, user)
	return err
}

// verifyEmail makes an address the user's, who may have claimed it before.
func verifyEmail(ctx context.Context, tx *db.Tx, user, email string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO user_emails (user_id, address, created_at, verified_at) VALUES ($1, $2, $3, $3)
		ON CONFLICT (user_id, address) DO UPDATE SET verified_at = excluded.verified_at`, user, email, at)
	return err
}

func deleteFactors(ctx context.Context, tx *db.Tx, user string) error {
	for _, statement := range []string{
		`DELETE FROM user_recovery_codes WHERE user_id = $1`,
		`DELETE FROM user_totp WHERE user_id = $1`,
		`DELETE FROM user_passkeys WHERE user_id = $1`,
		`DELETE FROM account_links WHERE user_id = $1`,
		`UPDATE users SET mfa = 0 WHERE id = $1`,
	} {
		if _, err := tx.ExecContext(ctx, statement, user); err != nil {
			return err
		}
	}
	return nil
}

func unverified(ctx context.Context, tx *db.Tx, user string) ([]string, error) {
	return texts(tx.QueryContext(ctx, `
		SELECT address FROM user_emails WHERE user_id = $1 AND verified_at IS NULL ORDER BY created_at, address`, user))
}

// texts reads rows of one text.
func texts(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []string{}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}
