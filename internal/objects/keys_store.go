package objects

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/db"
	"signet/internal/seal"
)

func keyContext(id string) string     { return seal.Context("api_keys", "secret_sealed", id) }
func sessionContext(id string) string { return seal.Context("objects_sessions", "secret_sealed", id) }

// SealedColumns names the sealed values, for a rotation of the master key.
func SealedColumns() []seal.Column {
	return []seal.Column{
		{Table: "api_keys", Name: "secret_sealed", ID: []string{"id"}, Context: func(v []string) string { return keyContext(v[0]) }},
		{Table: "objects_sessions", Name: "secret_sealed", ID: []string{"id"}, Context: func(v []string) string { return sessionContext(v[0]) }},
	}
}

const keyColumns = `
	SELECT id, access_key_id, name, account_id, user_id, owner, family, limited, rate, predecessor, created_at, expires_at, last_used_at, revoked_at, secret_sealed
	FROM api_keys `

func scanAccessKey(row interface{ Scan(...any) error }) (k Key, sealed []byte, err error) {
	var limited int
	var expires, used, revoked sql.NullTime
	err = row.Scan(&k.ID, &k.AccessKeyID, &k.Name, &k.Account, &k.User, &k.Owner, &k.Family, &limited, &k.Rate, &k.Predecessor,
		&k.Created, &expires, &used, &revoked, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return k, nil, ErrNoAccessKey
	}
	k.Limited, k.Created = limited == 1, k.Created.UTC()
	k.Expires, k.LastUsed, k.Revoked = db.Time(expires), db.Time(used), db.Time(revoked)
	return k, sealed, err
}

// findKey returns a key and its sealed secret. The clause locks its row, or is empty.
func findKey(ctx context.Context, tx *db.Tx, accessKeyID, clause string) (Key, []byte, error) {
	if db.Clean("access_key_id", accessKeyID) != nil {
		return Key{}, nil, ErrNoAccessKey
	}
	return scanAccessKey(tx.QueryRowContext(ctx, keyColumns+`WHERE access_key_id = $1`+clause, accessKeyID))
}

// listKeys returns the keys of an account, of a user, or of both; where neither is given, all.
func listKeys(ctx context.Context, tx *db.Tx, account, user string) (all []Key, err error) {
	rows, err := tx.QueryContext(ctx, keyColumns+`
		WHERE ($1 = '' OR account_id = $1) AND ($2 = '' OR user_id = $2) ORDER BY created_at DESC, id`, account, user)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		k, _, err := scanAccessKey(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, rows.Err()
}

func insertKey(ctx context.Context, tx *db.Tx, k Key, sealed []byte) error {
	limited := 0
	if k.Limited {
		limited = 1
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO api_keys (id, access_key_id, secret_sealed, name, is_active, account_id, user_id, owner, family, limited, rate, predecessor, created_at, expires_at)
		VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		k.ID, k.AccessKeyID, sealed, k.Name, k.Account, k.User, k.Owner, k.Family, limited, k.Rate, k.Predecessor, k.Created, db.OrNull(k.Expires))
	return err
}

// revokeKeys ends the keys whose column, of id and user_id, has the value, and tells how
// many did not have ended before.
func revokeKeys(ctx context.Context, tx *db.Tx, column, value string, at time.Time) (int64, error) {
	res, err := tx.ExecContext(ctx, `UPDATE api_keys SET is_active = 0, revoked_at = $1 WHERE `+column+` = $2 AND is_active = 1`, at, value)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func expireKey(ctx context.Context, tx *db.Tx, id string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE api_keys SET expires_at = $1 WHERE id = $2`, at, id)
	return err
}

func hasSuccessor(ctx context.Context, tx *db.Tx, id string) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM api_keys WHERE predecessor = $1`, id).Scan(&n)
	return n > 0, err
}

func noteUse(ctx context.Context, tx *db.Tx, id string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE api_keys SET last_used_at = $1 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)`, at, id)
	return err
}
