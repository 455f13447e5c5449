package token

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/db"
)

const clientColumns = `SELECT id, account_id, name, redirect_uris, audiences, token_format, created_at, disabled_at, backchannel_logout_uri FROM oauth_clients`

func insertClient(ctx context.Context, tx *db.Tx, c Client, hash []byte) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO oauth_clients (id, account_id, name, secret_hash, redirect_uris, audiences, token_format, created_at, backchannel_logout_uri)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		c.ID, c.Account, c.Name, hash, db.JSON[[]string]{V: c.Redirects}, db.JSON[[]string]{V: c.Audiences}, string(c.Format), c.Created, c.LogoutURI)
	return err
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

func scanClient(row interface{ Scan(into ...any) error }) (Client, error) {
	var c Client
	var redirects, audiences db.JSON[[]string]
	var disabled sql.NullTime
	err := row.Scan(&c.ID, &c.Account, &c.Name, &redirects, &audiences, &c.Format, &c.Created, &disabled, &c.LogoutURI)
	c.Redirects, c.Audiences, c.Created, c.Disabled = redirects.V, audiences.V, c.Created.UTC(), db.Time(disabled)
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

// secretOf returns the hash of the secret of a client that may act.
func secretOf(ctx context.Context, tx *db.Tx, id string) (hash []byte, err error) {
	err = tx.QueryRowContext(ctx, `
		SELECT c.secret_hash FROM oauth_clients c JOIN accounts a ON a.id = c.account_id
		WHERE c.id = $1 AND c.disabled_at IS NULL AND a.disabled_at IS NULL AND c.secret_hash IS NOT NULL`, id).Scan(&hash)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrSecret
	}
	return hash, err
}

// servesAccount reports whether apps of one account are there for who acts in another:
// those of the system account are for everybody.
func servesAccount(ctx context.Context, tx *db.Tx, of, account string) (ok bool, err error) {
	err = tx.QueryRowContext(ctx, `
		SELECT count(*) > 0 FROM accounts WHERE id = $1 AND (id = $2 OR kind = 'system')`, of, account).Scan(&ok)
	return ok, err
}
