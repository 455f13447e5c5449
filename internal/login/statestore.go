package login

import (
	"context"
	"time"

	"signet/internal/db"
)

// insertState stores s unless there are limit states already: it reports whether it
// did. Transactions that run at once may pass the limit by their number.
func insertState(ctx context.Context, tx *db.Tx, s state, limit int) (bool, error) {
	res, err := tx.ExecContext(ctx, `
		INSERT INTO login_states (state_hash, browser_hash, provider, issuer, purpose, next, locale,
			client_id, challenge, user_id, session_id, created_at, expires_at)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13
		WHERE (SELECT count(*) FROM (SELECT 1 FROM login_states LIMIT $14) AS counted) < $14`,
		s.hash, s.browser, s.provider, s.issuer, s.purpose, s.next, s.locale,
		s.client, s.challenge, s.user, s.session, s.created, s.expires, limit)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// takeState deletes the state of a hash and returns it, in one statement: of many
// at once one gets it, all others sql.ErrNoRows.
func takeState(ctx context.Context, tx *db.Tx, hash []byte) (s state, err error) {
	err = tx.QueryRowContext(ctx, `
		DELETE FROM login_states WHERE state_hash = $1
		RETURNING state_hash, browser_hash, provider, issuer, purpose, next, locale,
			client_id, challenge, user_id, session_id, created_at, expires_at`, hash).
		Scan(&s.hash, &s.browser, &s.provider, &s.issuer, &s.purpose, &s.next, &s.locale,
			&s.client, &s.challenge, &s.user, &s.session, &s.created, &s.expires)
	return s, err
}

// pruneStates deletes at most limit states that expired before t, and says how many.
func pruneStates(ctx context.Context, tx *db.Tx, t time.Time, limit int) (int64, error) {
	res, err := tx.ExecContext(ctx, `
		DELETE FROM login_states WHERE state_hash IN (
			SELECT state_hash FROM login_states WHERE expires_at < $1 LIMIT $2`+tx.Dialect().SkipLocked()+`)`, t, limit)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
