package token

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/db"
)

// keptToken is what the store knows of a token, whether or not it is good.
type keptToken struct {
	tokenRow

	of              family // zero where its client acts for itself
	clientName      string
	clientDisabled  time.Time // zero where it is not, as the next one
	accountDisabled time.Time // of the client
}

// findKept returns a token with all that can have ended it, and errNoToken where there
// is none.
func findKept(ctx context.Context, tx *db.Tx, hash []byte) (k keptToken, err error) {
	k.hash = hash
	var audiences, scopes db.JSON[[]string]
	var used, revoked sql.NullTime
	err = tx.QueryRowContext(ctx, `
		SELECT kind, family, client_id, subject, audiences, scopes, jkt, sender_certificate, created_at, expires_at, used_at, revoked_at
		FROM authority_tokens WHERE hash = $1`, hash).
		Scan(&k.kind, &k.family, &k.client, &k.subject, &audiences, &scopes, &k.confirm.JKT, &k.confirm.X5T, &k.created, &k.expires, &used, &revoked)
	if errors.Is(err, sql.ErrNoRows) {
		return keptToken{}, errNoToken
	}
	if err != nil {
		return keptToken{}, err
	}
	k.audiences, k.scopes, k.created, k.expires = audiences.V, scopes.V, k.created.UTC(), k.expires.UTC()
	k.used, k.revoked = db.Time(used), db.Time(revoked)
	if k.family != "" {
		if k.of, err = findFamily(ctx, tx, k.family); err != nil && !errors.Is(err, errNoToken) {
			return keptToken{}, err
		}
	}
	return k, k.readClient(ctx, tx, k.client)
}

// readClient reads whether the client may act, also of a token that is not kept.
func (k *keptToken) readClient(ctx context.Context, tx *db.Tx, id string) error {
	var client, account sql.NullTime
	err := tx.QueryRowContext(ctx, `
		SELECT c.name, c.account_id, c.disabled_at, a.disabled_at FROM oauth_clients c JOIN accounts a ON a.id = c.account_id WHERE c.id = $1`, id).
		Scan(&k.clientName, &k.account, &client, &account)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	k.clientDisabled, k.accountDisabled = db.Time(client), db.Time(account)
	return err
}
