package token

import (
	"context"

	"signet/internal/db"
)

// acting returns a client that may act, to whoever asks. The error is ErrNoClient where
// there is none.
func (s *Clients) acting(ctx context.Context, id string) (Client, error) {
	return actingClient(ctx, s.db, id)
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
