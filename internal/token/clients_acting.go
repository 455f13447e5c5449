package token

import (
	"context"

	"signet/internal/db"
)

// actor is a client that may act, with what proves it.
type actor struct {
	client Client
	kept   secrets
}

// actor returns a client that may act, as it was within the last second. The error is
// ErrNoClient where there is none.
func (s *Clients) actor(ctx context.Context, id string) (actor, error) {
	if db.Clean("client_id", id) != nil {
		return actor{}, ErrNoClient
	}
	return s.actors.get(id, func() (a actor, err error) {
		err = s.db.View(ctx, func(tx *db.Tx) error {
			a.client, a.kept, err = findProving(ctx, tx, id)
			return err
		})
		return a, err
	})
}

// acting returns a client that may act, to whoever asks.
func (s *Clients) acting(ctx context.Context, id string) (Client, error) {
	a, err := s.actor(ctx, id)
	return a.client, err
}

func actingClient(ctx context.Context, d *db.DB, id string) (c Client, err error) {
	if db.Clean("client_id", id) != nil {
		return Client{}, ErrNoClient
	}
	err = d.View(ctx, func(tx *db.Tx) error {
		c, err = findActing(ctx, tx, id)
		return err
	})
	return c, err
}

// change runs fn in a transaction that changes clients, and forgets what was read before.
func (s *Clients) change(ctx context.Context, fn func(tx *db.Tx) error) error {
	return s.db.Update(ctx, func(tx *db.Tx) error {
		tx.AfterCommit(s.actors.forget)
		tx.AfterCommit(s.tenants.forget)
		return fn(tx)
	})
}
