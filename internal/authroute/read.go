package authroute

import (
	"context"

	"signet/internal/db"
	"signet/internal/ticket"
)

// maxEvents bounds the events of one key that are shown.
const maxEvents = 1000

// List returns the caller's keys, oldest first, without the revoked ones unless asked.
func (r *Registry) List(ctx context.Context, revoked bool) ([]Key, error) {
	user, err := owner(ctx)
	if err != nil {
		return nil, err
	}
	return r.keysOf(ctx, user, revoked)
}

// ListOf returns the keys of any user, for who may see them.
func (r *Registry) ListOf(ctx context.Context, user string, revoked bool) ([]Key, error) {
	if err := ticket.From(ctx).Demand("authroute:read"); err != nil {
		return nil, err
	}
	return r.keysOf(ctx, user, revoked)
}

func (r *Registry) keysOf(ctx context.Context, user string, revoked bool) ([]Key, error) {
	where := `user_id = $1 AND revoked_at IS NULL ORDER BY id`
	if revoked {
		where = `user_id = $1 ORDER BY id`
	}
	keys := []Key{}
	err := r.db.View(ctx, func(tx *db.Tx) error {
		found, err := queryKeys(ctx, tx, where, user)
		keys = append(keys, found...)
		return err
	})
	return keys, err
}

// Events returns what happened to a key of the caller, oldest first.
func (r *Registry) Events(ctx context.Context, keyID string) ([]KeyEvent, error) {
	t := ticket.From(ctx)
	user := ""
	if !t.May("authroute:read") {
		var err error
		if user, err = owner(ctx); err != nil {
			return nil, err
		}
	}
	var events []KeyEvent
	err := r.db.View(ctx, func(tx *db.Tx) error {
		k, err := findKey(ctx, tx, keyID, "")
		if err != nil {
			return err
		}
		if user != "" && k.User != user {
			return ErrNotFound
		}
		events, err = keyEvents(ctx, tx, keyID, maxEvents)
		return err
	})
	return events, err
}
