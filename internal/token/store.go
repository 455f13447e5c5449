package token

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/db"
)

// keyRow is a signing key as it is kept.
type keyRow struct {
	id      string
	alg     Algorithm
	state   state
	sealed  []byte
	created time.Time
	expires time.Time
}

func selectKeys(ctx context.Context, tx *db.Tx) ([]keyRow, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT kid, alg, state, private_key, created_at, expires_at FROM token_keys ORDER BY created_at, kid`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []keyRow
	for rows.Next() {
		var r keyRow
		var expires sql.NullTime
		if err := rows.Scan(&r.id, &r.alg, &r.state, &r.sealed, &r.created, &expires); err != nil {
			return nil, err
		}
		r.expires = db.Time(expires)
		all = append(all, r)
	}
	return all, rows.Err()
}

// insertKey adds a key, unless there is one in its state.
func insertKey(ctx context.Context, tx *db.Tx, r keyRow) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO token_keys (kid, alg, state, private_key, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT DO NOTHING`, r.id, string(r.alg), string(r.state), r.sealed, r.created)
	return err
}

// lockNext returns the next key, locked until the transaction ends. Who waited for
// another rotation finds it gone.
func lockNext(ctx context.Context, tx *db.Tx) (id string, created time.Time, err error) {
	err = tx.QueryRowContext(ctx, `SELECT kid, created_at FROM token_keys WHERE state = 'next'`+tx.Dialect().ForUpdate()).
		Scan(&id, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return "", time.Time{}, ErrTooSoon
	}
	return id, created, err
}

// advanceKeys retires the active key for the next one, and forgets what expired.
func advanceKeys(ctx context.Context, tx *db.Tx, next string, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM token_keys WHERE state = 'retired' AND expires_at <= $1`, now); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE token_keys SET state = 'retired', expires_at = $1 WHERE state = 'active'`,
		now.Add(retired)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE token_keys SET state = 'active' WHERE kid = $1`, next)
	return err
}
