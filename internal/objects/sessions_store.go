package objects

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/db"
)

// tempKey is a temporary key as it is kept.
type tempKey struct {
	id, accessKeyID string
	name, role      string
	account, user   string
	owner           string
	grants          []Allowance
	parent          Parent
	sealed, hash    []byte
	created         time.Time
	expires         time.Time
}

var errNoSession = errors.New("no such temporary key")

func insertSession(ctx context.Context, tx *db.Tx, s tempKey) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO objects_sessions (id, access_key_id, secret_sealed, token_hash, name, role, account_id, user_id, owner, grants, session_id, token_family, client_id, access_token, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		s.id, s.accessKeyID, s.sealed, s.hash, s.name, s.role, s.account, s.user, s.owner, db.JSON[[]Allowance]{V: s.grants},
		s.parent.Session, s.parent.Family, s.parent.Client, s.parent.Token, s.created, s.expires)
	return err
}

func findSession(ctx context.Context, tx *db.Tx, accessKeyID string) (s tempKey, err error) {
	var grants db.JSON[[]Allowance]
	err = tx.QueryRowContext(ctx, `
		SELECT id, access_key_id, secret_sealed, token_hash, name, role, account_id, user_id, owner, grants, session_id, token_family, client_id, access_token, created_at, expires_at
		FROM objects_sessions WHERE access_key_id = $1`, accessKeyID).
		Scan(&s.id, &s.accessKeyID, &s.sealed, &s.hash, &s.name, &s.role, &s.account, &s.user, &s.owner, &grants,
			&s.parent.Session, &s.parent.Family, &s.parent.Client, &s.parent.Token, &s.created, &s.expires)
	if errors.Is(err, sql.ErrNoRows) {
		return s, errNoSession
	}
	s.grants, s.parent.User, s.created, s.expires = grants.V, s.user, s.created.UTC(), s.expires.UTC()
	s.parent.Account = s.account
	return s, err
}

func sessionGrants(ctx context.Context, tx *db.Tx, id string) ([]Allowance, error) {
	var grants db.JSON[[]Allowance]
	err := tx.QueryRowContext(ctx, `SELECT grants FROM objects_sessions WHERE id = $1`, id).Scan(&grants)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return grants.V, err
}

// endSessions ends the temporary keys whose column, of user_id and session_id, has the value.
func endSessions(ctx context.Context, tx *db.Tx, column, value string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM objects_sessions WHERE `+column+` = $1`, value)
	return err
}

func pruneSessions(ctx context.Context, tx *db.Tx, before time.Time) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM objects_sessions WHERE expires_at < $1`, before)
	return err
}
