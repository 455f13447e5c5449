package token

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"time"

	"signet/internal/db"
)

// keptRequest is an authorization request as it is kept.
type keptRequest struct {
	client           string
	parameters       url.Values
	jkt              string
	created, expires time.Time
	used             time.Time // zero until it was granted or refused
}

func insertRequest(ctx context.Context, tx *db.Tx, hash []byte, r keptRequest) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO oauth_requests (hash, client_id, parameters, jkt, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		hash, r.client, db.JSON[url.Values]{V: r.parameters}, r.jkt, r.created, r.expires)
	return err
}

func findRequest(ctx context.Context, tx *db.Tx, hash []byte) (r keptRequest, err error) {
	var parameters db.JSON[url.Values]
	var used sql.NullTime
	err = tx.QueryRowContext(ctx, `
		SELECT client_id, parameters, jkt, created_at, expires_at, used_at FROM oauth_requests WHERE hash = $1`, hash).
		Scan(&r.client, &parameters, &r.jkt, &r.created, &r.expires, &used)
	if errors.Is(err, sql.ErrNoRows) {
		return keptRequest{}, errNoToken
	}
	r.parameters, r.created, r.expires, r.used = parameters.V, r.created.UTC(), r.expires.UTC(), db.Time(used)
	return r, err
}

// useRequest uses a request up. It returns ErrRequestURI where somebody did before.
func useRequest(ctx context.Context, tx *db.Tx, hash []byte, at time.Time) error {
	res, err := tx.ExecContext(ctx, `UPDATE oauth_requests SET used_at = $1 WHERE hash = $2 AND used_at IS NULL AND expires_at > $1`, at, hash)
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return ErrRequestURI
	}
	return nil
}

// findConsent returns the scopes that a user let a client have; nil for none.
func findConsent(ctx context.Context, tx *db.Tx, user, client string) ([]string, error) {
	var scopes db.JSON[[]string]
	err := tx.QueryRowContext(ctx, `SELECT scopes FROM oauth_consents WHERE user_id = $1 AND client_id = $2`, user, client).Scan(&scopes)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return append([]string{}, scopes.V...), err
}

// insertConsent keeps what a user agreed to now, in the place of what they did before.
func insertConsent(ctx context.Context, tx *db.Tx, c code) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO oauth_consents (user_id, client_id, scopes, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id, client_id) DO UPDATE SET scopes = excluded.scopes, created_at = excluded.created_at`,
		c.user, c.client, db.JSON[[]string]{V: append([]string{}, c.scopes...)}, c.created)
	return err
}

func newFamily() string { return "fam_" + strings.ToLower(rand.Text()) }
