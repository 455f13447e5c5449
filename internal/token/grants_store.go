package token

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/db"
)

// errNoToken means that a token is not known.
var errNoToken = errors.New("no such token")

// kind is what a token is for.
type tokenKind string

const (
	access  tokenKind = "access"
	refresh tokenKind = "refresh"
)

// tokenRow is a token as it is kept.
type tokenRow struct {
	hash                    []byte
	kind                    tokenKind
	family, client, subject string
	account                 string // of the client
	audiences, scopes       []string
	confirm                 Confirmation
	created, expires        time.Time
	used, revoked           time.Time // zero where it was not
}

// family is one authorization as it is kept.
type family struct {
	id, client, account, user, session string
	offline                            bool
	audiences, scopes, amr             []string
	acr                                string
	authTime                           time.Time
	created, expires                   time.Time
	revoked                            time.Time
}

func insertToken(ctx context.Context, tx *db.Tx, t tokenRow) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO authority_tokens (hash, kind, family, client_id, subject, audiences, scopes, jkt, sender_certificate, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (hash) DO NOTHING`, // the successor of a refresh token may be there already
		t.hash, string(t.kind), t.family, t.client, t.subject, db.JSON[[]string]{V: t.audiences}, db.JSON[[]string]{V: t.scopes},
		t.confirm.JKT, t.confirm.X5T, t.created, t.expires)
	return err
}

// findToken returns a token of a client that may act, and errNoToken where there is none.
func findToken(ctx context.Context, tx *db.Tx, hash []byte) (tokenRow, error) {
	t := tokenRow{hash: hash}
	var audiences, scopes db.JSON[[]string]
	var used, revoked sql.NullTime
	err := tx.QueryRowContext(ctx, `
		SELECT t.kind, t.family, t.client_id, c.account_id, t.subject, t.audiences, t.scopes, t.jkt, t.sender_certificate, t.created_at, t.expires_at, t.used_at, t.revoked_at
		FROM authority_tokens t JOIN oauth_clients c ON c.id = t.client_id JOIN accounts a ON a.id = c.account_id
		WHERE t.hash = $1 AND c.disabled_at IS NULL AND a.disabled_at IS NULL`, hash).
		Scan(&t.kind, &t.family, &t.client, &t.account, &t.subject, &audiences, &scopes, &t.confirm.JKT, &t.confirm.X5T, &t.created, &t.expires, &used, &revoked)
	if errors.Is(err, sql.ErrNoRows) {
		return tokenRow{}, errNoToken
	}
	t.audiences, t.scopes, t.created, t.expires = audiences.V, scopes.V, t.created.UTC(), t.expires.UTC()
	t.used, t.revoked = db.Time(used), db.Time(revoked)
	return t, err
}

// useRefresh reports whether it was the first to use a refresh token.
func useRefresh(ctx context.Context, tx *db.Tx, hash []byte, at time.Time) (first bool, err error) {
	res, err := tx.ExecContext(ctx, `UPDATE authority_tokens SET used_at = $1 WHERE hash = $2 AND used_at IS NULL`, at, hash)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

func insertFamily(ctx context.Context, tx *db.Tx, f family) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO authority_families (id, client_id, account_id, user_id, session_id, offline, audiences, scopes, amr, acr, auth_time, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		f.id, f.client, f.account, f.user, f.session, flag(f.offline), db.JSON[[]string]{V: f.audiences}, db.JSON[[]string]{V: f.scopes},
		db.JSON[[]string]{V: f.amr}, f.acr, db.OrNull(f.authTime), f.created, f.expires)
	return err
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// findFamily returns a family, and errNoToken where there is none.
func findFamily(ctx context.Context, tx *db.Tx, id string) (family, error) {
	f := family{id: id}
	var offline int
	var audiences, scopes, amr db.JSON[[]string]
	var authTime, revoked sql.NullTime
	err := tx.QueryRowContext(ctx, `
		SELECT client_id, account_id, user_id, session_id, offline, audiences, scopes, amr, acr, auth_time, created_at, expires_at, revoked_at
		FROM authority_families WHERE id = $1`, id).
		Scan(&f.client, &f.account, &f.user, &f.session, &offline, &audiences, &scopes, &amr, &f.acr, &authTime, &f.created, &f.expires, &revoked)
	if errors.Is(err, sql.ErrNoRows) {
		return family{}, errNoToken
	}
	f.offline, f.audiences, f.scopes, f.amr = offline == 1, audiences.V, scopes.V, amr.V
	f.authTime, f.created, f.expires, f.revoked = db.Time(authTime), f.created.UTC(), f.expires.UTC(), db.Time(revoked)
	return f, err
}

// revokeFamily ends all tokens of a family.
func (g *OAuth) revokeFamily(ctx context.Context, tx *db.Tx, id string, at time.Time) error {
	tx.AfterCommit(g.tokens.Forget)
	_, err := tx.ExecContext(ctx, `UPDATE authority_families SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL`, at, id)
	return err
}

func revokeToken(ctx context.Context, tx *db.Tx, hash []byte, at time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE authority_tokens SET revoked_at = $1 WHERE hash = $2 AND revoked_at IS NULL`, at, hash)
	return err
}

// tokensKept is how long what has ended stays, so that its second use is noticed.
const tokensKept = 24 * time.Hour

// pruneGrants removes what ended long ago.
func pruneGrants(ctx context.Context, tx *db.Tx, now time.Time) error {
	for query, before := range map[string]time.Time{
		`DELETE FROM authority_tokens WHERE expires_at <= $1`:   now.Add(-tokensKept),
		`DELETE FROM authority_families WHERE expires_at <= $1`: now.Add(-tokensKept),
		// Anybody can begin these two: they stay no longer than they are good.
		`DELETE FROM oauth_requests WHERE expires_at <= $1`: now,
		`DELETE FROM oauth_devices WHERE expires_at <= $1`:  now.Add(-deviceLife), // a late poll still hears that it is late
	} {
		if _, err := tx.ExecContext(ctx, query, before); err != nil {
			return err
		}
	}
	return nil
}
