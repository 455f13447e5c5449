package account

import (
	"context"
	"log/slog"
	"time"

	"signet/internal/db"
)

const (
	sessionPrune = time.Minute
	sessionKept  = 24 * time.Hour // after the end
	sessionBatch = 100            // each may have a thousand old secrets
)

// Run ends sessions that nobody used any more, and removes what ended a day ago and
// sign-ins that were not finished, until ctx ends.
func (s *Sessions) Run(ctx context.Context) error {
	tick := time.NewTicker(sessionPrune)
	defer tick.Stop()
	for {
		if err := s.Prune(ctx); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "ended sessions not removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Prune is one round of Run.
func (s *Sessions) Prune(ctx context.Context) error {
	now := db.Now(s.users.now())
	for _, step := range []func(ctx context.Context, tx *db.Tx) (int64, error){
		func(ctx context.Context, tx *db.Tx) (int64, error) { return s.expire(ctx, tx, now) },
		func(ctx context.Context, tx *db.Tx) (int64, error) {
			return deleteSessions(ctx, tx, now.Add(-sessionKept))
		},
		func(ctx context.Context, tx *db.Tx) (int64, error) { return expireMFATickets(ctx, tx, now) },
	} {
		if err := s.batches(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// batches repeats step, a transaction each, while it finds a full batch.
func (s *Sessions) batches(ctx context.Context, step func(ctx context.Context, tx *db.Tx) (int64, error)) error {
	for {
		var n int64
		err := s.users.db.Update(ctx, func(tx *db.Tx) (err error) {
			n, err = step(ctx, tx)
			return err
		})
		if err != nil || n < sessionBatch {
			return err
		}
	}
}

func (s *Sessions) expire(ctx context.Context, tx *db.Tx, now time.Time) (int64, error) {
	ids, err := expireSessions(ctx, tx, now)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	return int64(len(ids)), s.ended(ctx, tx, ids)
}
