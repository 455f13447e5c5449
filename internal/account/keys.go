package account

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/ticket"
)

// ErrNoKey says that there is no such service key, or that it ended.
var ErrNoKey = fault.New(fault.NotFound, "no such service key")

// Key describes a service key. Its secret is shown once and not kept.
type Key struct {
	ID          string
	Account     string // id
	Name        string
	Permissions []string
	Providers   []string // identity providers it may speak for; "*" for all
	Created     time.Time
	Expires     time.Time // zero: never

	system bool
}

// ListKeys returns the live service keys of an account, newest first. The caller needs
// users:read. Of an account without a name it is the caller's own, and for the operator
// of all accounts.
func (s *Service) ListKeys(ctx context.Context, account string) (all []Key, err error) {
	t := ticket.From(ctx)
	if err := t.Demand("users:read"); err != nil {
		return nil, err
	}
	err = s.db.View(ctx, func(tx *db.Tx) error {
		id := ""
		if t.Kind != ticket.System || account != "" {
			acc, err := s.readAccount(ctx, tx, t, account)
			if err != nil {
				return err
			}
			id = acc.ID
		}
		all, err = keysOf(ctx, tx, id, db.Now(s.now()))
		return err
	})
	return all, err
}

// RevokeKey ends a service key of the caller's account at once; the operator ends any.
// The caller needs users:write and every permission of the key.
func (s *Service) RevokeKey(ctx context.Context, id string) error {
	t := ticket.From(ctx)
	if err := t.Demand("users:write"); err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		k, err := keyByID(ctx, tx, id)
		if err != nil {
			return err
		}
		if t.Kind != ticket.System && k.Account != t.Account {
			return ErrNoKey
		}
		if err := s.mayTouch(t, s.expand(k.Permissions, k.system)); err != nil {
			return err
		}
		if err := revokeKey(ctx, tx, id, db.Now(s.now())); err != nil {
			return err
		}
		return s.record(ctx, tx, "service_key.revoke", id, map[string]any{"name": k.Name})
	})
}

const selectServiceKeys = `
	SELECT k.id, k.account_id, a.kind, k.name, k.permissions, k.providers, k.created_at, k.expires_at
	FROM service_keys k JOIN accounts a ON a.id = k.account_id WHERE k.revoked_at IS NULL AND `

func scanKey(scan func(...any) error) (k Key, err error) {
	var kind string
	var permissions, providers db.JSON[[]string]
	var expires sql.NullTime
	err = scan(&k.ID, &k.Account, &kind, &k.Name, &permissions, &providers, &k.Created, &expires)
	k.system, k.Permissions, k.Providers = kind == "system", permissions.V, providers.V
	k.Created, k.Expires = k.Created.UTC(), db.Time(expires)
	return k, err
}

func keysOf(ctx context.Context, tx *db.Tx, account string, now time.Time) ([]Key, error) {
	rows, err := tx.QueryContext(ctx, selectServiceKeys+`
		($1 = '' OR k.account_id = $1) AND (k.expires_at IS NULL OR k.expires_at > $2) ORDER BY k.created_at DESC, k.id`, account, now)
	return readRows(rows, err, scanKey)
}

func keyByID(ctx context.Context, tx *db.Tx, id string) (Key, error) {
	k, err := scanKey(tx.QueryRowContext(ctx, selectServiceKeys+`k.id = $1`, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoKey
	}
	return k, err
}

func revokeKey(ctx context.Context, tx *db.Tx, id string, at time.Time) error {
	return oneRow(ErrNoKey)(tx.ExecContext(ctx, `UPDATE service_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL`, at, id))
}
