package token

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/db"
)

const clientFields = `id, account_id, name, redirect_uris, audiences, token_format, created_at, disabled_at, backchannel_logout_uri,
	auth_method, grants, scopes, post_logout_redirect_uris, jwks, jwks_uri, tls_subject, consent, dpop, mtls, old_secret_until`

const clientColumns = `SELECT ` + clientFields + ` FROM oauth_clients`

// insertClient adds a client. It returns ErrClientTaken where the id is another's.
func insertClient(ctx context.Context, tx *db.Tx, c Client, hash []byte) error {
	res, err := tx.ExecContext(ctx, `
		INSERT INTO oauth_clients (id, account_id, name, secret_hash, redirect_uris, audiences, token_format, created_at, backchannel_logout_uri,
			auth_method, grants, scopes, post_logout_redirect_uris, jwks, jwks_uri, tls_subject, consent, dpop, mtls)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
		ON CONFLICT (id) DO NOTHING`,
		c.ID, c.Account, c.Name, hash, texts(c.Redirects), texts(c.Audiences), string(c.Format), c.Created, c.LogoutURI,
		string(c.Auth), texts(c.Grants), texts(c.Scopes), texts(c.PostLogoutRedirects), c.JWKS, c.JWKSURI, c.TLSSubject,
		string(c.Consent), string(c.Policy.DPoP), string(c.Policy.MTLS))
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return ErrClientTaken.At("client_id")
	}
	return nil
}

// updateClient writes what a client may change.
func updateClient(ctx context.Context, tx *db.Tx, c Client) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE oauth_clients SET name = $2, redirect_uris = $3, audiences = $4, token_format = $5, backchannel_logout_uri = $6,
			auth_method = $7, grants = $8, scopes = $9, post_logout_redirect_uris = $10, jwks = $11, jwks_uri = $12, tls_subject = $13,
			consent = $14, dpop = $15, mtls = $16
		WHERE id = $1`,
		c.ID, c.Name, texts(c.Redirects), texts(c.Audiences), string(c.Format), c.LogoutURI,
		string(c.Auth), texts(c.Grants), texts(c.Scopes), texts(c.PostLogoutRedirects), c.JWKS, c.JWKSURI, c.TLSSubject,
		string(c.Consent), string(c.Policy.DPoP), string(c.Policy.MTLS))
	return err
}

// rotateSecret keeps a new secret, and the one before until then; not at all where that
// is zero.
func rotateSecret(ctx context.Context, tx *db.Tx, id string, hash []byte, until time.Time) error {
	old := "secret_hash"
	if until.IsZero() {
		old = "NULL"
	}
	_, err := tx.ExecContext(ctx, `
		UPDATE oauth_clients SET old_secret_hash = `+old+`, old_secret_until = $3, secret_hash = $2 WHERE id = $1`,
		id, hash, db.OrNull(until))
	return err
}

// texts is a list as it is kept: never null.
func texts(list []string) db.JSON[[]string] {
	if list == nil {
		list = []string{}
	}
	return db.JSON[[]string]{V: list}
}

// lockClient returns a client that is not disabled, locked, as findClient does.
func lockClient(ctx context.Context, tx *db.Tx, id, account string) (Client, error) {
	c, err := scanClient(tx.QueryRowContext(ctx, clientColumns+`
		WHERE id = $1 AND disabled_at IS NULL AND ($2 = '' OR account_id = $2)`+tx.Dialect().ForUpdate(), id, account))
	if errors.Is(err, sql.ErrNoRows) {
		return Client{}, ErrNoClient
	}
	return c, err
}

// findClient returns the client with that id in an account, in any where it is empty.
func findClient(ctx context.Context, tx *db.Tx, id, account string) (Client, error) {
	c, err := scanClient(tx.QueryRowContext(ctx, clientColumns+` WHERE id = $1 AND ($2 = '' OR account_id = $2)`, id, account))
	if errors.Is(err, sql.ErrNoRows) {
		return Client{}, ErrNoClient
	}
	return c, err
}

func selectClients(ctx context.Context, tx *db.Tx, account string) ([]Client, error) {
	rows, err := tx.QueryContext(ctx, clientColumns+` WHERE $1 = '' OR account_id = $1 ORDER BY created_at, id`, account)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Client
	for rows.Next() {
		c, err := scanClient(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

// scanClient reads clientFields, and what more was asked for.
func scanClient(row interface{ Scan(into ...any) error }, more ...any) (Client, error) {
	var c Client
	var redirects, audiences, grants, scopes, leaves db.JSON[[]string]
	var disabled, old sql.NullTime
	err := row.Scan(append([]any{
		&c.ID, &c.Account, &c.Name, &redirects, &audiences, &c.Format, &c.Created, &disabled, &c.LogoutURI,
		&c.Auth, &grants, &scopes, &leaves, &c.JWKS, &c.JWKSURI, &c.TLSSubject, &c.Consent, &c.Policy.DPoP, &c.Policy.MTLS, &old,
	}, more...)...)
	c.Redirects, c.Audiences, c.Grants, c.Scopes, c.PostLogoutRedirects = redirects.V, audiences.V, grants.V, scopes.V, leaves.V
	c.Created, c.Disabled, c.OldSecretUntil = c.Created.UTC(), db.Time(disabled), db.Time(old)
	c.blank()
	return c, err
}

func disableClient(ctx context.Context, tx *db.Tx, id, account string, at time.Time) error {
	res, err := tx.ExecContext(ctx, `
		UPDATE oauth_clients SET disabled_at = $1
		WHERE id = $2 AND disabled_at IS NULL AND ($3 = '' OR account_id = $3)`, at, id, account)
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return ErrNoClient
	}
	return nil
}

// findActing returns the client with that id where it may act.
func findActing(ctx context.Context, tx *db.Tx, id string) (Client, error) {
	c, err := scanClient(tx.QueryRowContext(ctx, clientColumns+`
		WHERE id = $1 AND disabled_at IS NULL AND account_id IN (SELECT a.id FROM accounts a WHERE a.disabled_at IS NULL)`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Client{}, ErrNoClient
	}
	return c, err
}

// findProving is findActing, with the secrets of the client.
func findProving(ctx context.Context, tx *db.Tx, id string) (c Client, kept secrets, err error) {
	c, err = scanClient(tx.QueryRowContext(ctx, `SELECT `+clientFields+`, secret_hash, old_secret_hash FROM oauth_clients
		WHERE id = $1 AND disabled_at IS NULL AND account_id IN (SELECT a.id FROM accounts a WHERE a.disabled_at IS NULL)`, id),
		&kept.hash, &kept.old)
	kept.oldUntil = c.OldSecretUntil
	if errors.Is(err, sql.ErrNoRows) {
		return c, kept, ErrNoClient
	}
	return c, kept, err
}

// servesAccount reports whether apps of one account are there for who acts in another:
// those of the system account are for everybody.
func servesAccount(ctx context.Context, tx *db.Tx, of, account string) (ok bool, err error) {
	err = tx.QueryRowContext(ctx, `
		SELECT count(*) > 0 FROM accounts WHERE id = $1 AND (id = $2 OR kind = 'system')`, of, account).Scan(&ok)
	return ok, err
}
