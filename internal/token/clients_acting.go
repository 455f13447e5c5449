package token

import (
	"context"
	"slices"

	"signet/internal/db"
)

// actor is a client that may act, with what proves it.
type actor struct {
	client Client
	kept   secrets
	system bool // its account is that of the installation
}

// actor returns a client that may act, as it was within the last second. The error is
// ErrNoClient where there is none.
func (s *Clients) actor(ctx context.Context, id string) (actor, error) {
	if db.Clean("client_id", id) != nil {
		return actor{}, ErrNoClient
	}
	return s.actors.Get(id, func() (a actor, err error) {
		err = s.db.View(ctx, func(tx *db.Tx) error {
			if a.client, a.kept, err = findProving(ctx, tx, id); err != nil {
				return err
			}
			a.system, err = isSystem(ctx, tx, a.client.Account)
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

// permissions are those that the scopes of a client's own token open. One of the whole
// installation is for the system account's clients, also where it got its name after a
// client had a scope of that name.
func (s *Clients) permissions(ctx context.Context, id string, scopes []string) (all []string, err error) {
	a, err := s.actor(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, p := range s.options.Catalogue {
		if slices.Contains(scopes, p.Name) && slices.Contains(a.client.Scopes, p.Name) && (a.system || !p.Node) {
			all = append(all, p.Name)
		}
	}
	return all, nil
}

// change runs fn in a transaction that changes clients, and forgets what was read before.
func (s *Clients) change(ctx context.Context, fn func(tx *db.Tx) error) error {
	return s.db.Update(ctx, func(tx *db.Tx) error {
		tx.AfterCommit(s.actors.Forget)
		tx.AfterCommit(s.tenants.Forget)
		return fn(tx)
	})
}
