package token

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"signet/internal/db"
)

// errNoCode means that no code was found, or none that is unused.
var errNoCode = errors.New("no such code")

// code is a one-time code as it is kept.
type code struct {
	kind                           string
	client, user, account, session string
	redirect, challenge            string
	amr                            []string
	authTime                       time.Time // zero where nobody can say
	created, expires               time.Time
	used                           time.Time // zero while it may be used

	// Of authorization codes only.
	scopes, audiences       []string
	nonce, acr, jkt, family string
}

const codeColumns = `kind, client_id, user_id, account_id, session_id, redirect_uri, code_challenge, amr, auth_time, created_at, expires_at,
	scope, nonce, audiences, acr, jkt, family`

func scanCode(row *sql.Row) (code, error) {
	var c code
	var amr, audiences db.JSON[[]string]
	var authTime, used sql.NullTime
	var scope string
	err := row.Scan(&c.kind, &c.client, &c.user, &c.account, &c.session, &c.redirect, &c.challenge, &amr, &authTime, &c.created, &c.expires,
		&scope, &c.nonce, &audiences, &c.acr, &c.jkt, &c.family, &used)
	if errors.Is(err, sql.ErrNoRows) {
		return code{}, errNoCode
	}
	c.amr, c.authTime, c.created, c.expires, c.used = amr.V, db.Time(authTime), c.created.UTC(), c.expires.UTC(), db.Time(used)
	c.scopes, c.audiences = strings.Fields(scope), audiences.V
	return c, err
}

func insertCode(ctx context.Context, tx *db.Tx, hash []byte, c code) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO oauth_codes (hash, `+codeColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
		hash, c.kind, c.client, c.user, c.account, c.session, c.redirect, c.challenge, db.JSON[[]string]{V: c.amr},
		db.OrNull(c.authTime), c.created, c.expires,
		strings.Join(c.scopes, " "), c.nonce, db.JSON[[]string]{V: append([]string{}, c.audiences...)}, c.acr, c.jkt, c.family)
	return err
}

// useCode returns the code of that hash and kind to the one who uses it first, and
// errNoCode to all others.
func useCode(ctx context.Context, tx *db.Tx, hash []byte, kind string, at time.Time) (code, error) {
	return scanCode(tx.QueryRowContext(ctx, `
		UPDATE oauth_codes SET used_at = $1 WHERE hash = $2 AND kind = $3 AND used_at IS NULL RETURNING `+codeColumns+`, used_at`,
		at, hash, kind))
}

// findCode returns a code, used or not.
func findCode(ctx context.Context, tx *db.Tx, hash []byte) (code, error) {
	return scanCode(tx.QueryRowContext(ctx, `SELECT `+codeColumns+`, used_at FROM oauth_codes WHERE hash = $1`, hash))
}

// insertSessionClient notes that a session reaches a client.
func insertSessionClient(ctx context.Context, tx *db.Tx, c code) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO oauth_session_clients (session_id, client_id, user_id, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT DO NOTHING`, c.session, c.client, c.user, c.created)
	return err
}

// sessionLife is longer than any session lives.
const sessionLife = 90 * 24 * time.Hour

func pruneCodes(ctx context.Context, tx *db.Tx, now time.Time) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM oauth_codes WHERE expires_at <= $1`, now.Add(-codeKept)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM oauth_session_clients WHERE created_at <= $1`, now.Add(-sessionLife))
	return err
}
