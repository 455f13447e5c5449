package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"signet/internal/authroute"
	"signet/internal/db"
	"signet/internal/lease"
	"signet/internal/once"
	"signet/internal/ops"
	"signet/internal/token"
)

// proofCap is how many proofs of the last minutes are remembered at most: 5,000
// mails a second for the ten minutes that a proof can be valid. Beyond it proofs
// are not judged, but no mail is refused.
const proofCap = 3_000_000

// assertionCap is how many assertions of clients are remembered at most: 1,000 a second
// for the five minutes that one can be good. Beyond it they are refused.
const assertionCap = 300_000

// newGuard returns the guard of one-time values: in Redis where one is configured,
// else where the one instance of a SQLite store writes them fastest, or in the
// database that several share. All of them know the values after a restart too.
func (a *App) newGuard(ctx context.Context, in *instance) (*once.Guard, error) {
	// One key alone must not take the room of all others.
	spaces := []once.Space{
		{Name: authroute.ReplaySpace, Cap: proofCap, Quota: proofCap / 10},
		{Name: token.AssertionSpace, Cap: assertionCap, Quota: assertionCap / 10, Skew: token.Skew},
	}
	url := a.Config.Redis.URL.Reveal()
	if url == "" && a.DB.Dialect() == db.SQLite {
		file, err := once.OpenFile(ctx, a.DB, filepath.Join(a.Config.Server.DataDir, "once"))
		if err != nil {
			return nil, fmt.Errorf("replay store: %w", err)
		}
		in.workers = append(in.workers, file.Run)
		in.closers = append(in.closers, file.Close)
		return once.New(a.DB, file, nil, spaces...), nil
	}
	sql := once.NewSQL(a.DB)
	in.workers = append(in.workers, sql.Run)
	if url == "" {
		return once.New(a.DB, sql, nil, spaces...), nil
	}
	r, err := once.OpenRedis(ctx, url, "signet:")
	if err != nil {
		return nil, fmt.Errorf("redis.url: %w", err)
	}
	in.checks = append(in.checks, ops.Check{Name: "redis", Run: func(ctx context.Context) error { _, err := r.Birth(ctx); return err }})
	guard := once.New(a.DB, r, sql, spaces...)
	leases := lease.New(a.DB, a.name())
	in.workers = append(in.workers, func(ctx context.Context) error {
		defer func() { _ = r.Close() }() // nothing was promised on it
		return leases.Hold(ctx, "once.watch", func(ctx context.Context, _ int64) error { return guard.Watch(ctx) })
	})
	return guard, nil
}

// takes is the guard for services that are made before there is an instance.
type takes struct{ app *App }

// TakeUse implements [token.Once].
func (t takes) TakeUse(ctx context.Context, u once.Use) (string, error) {
	if t.app.guard == nil {
		return "", errors.New("this process keeps no one-time values")
	}
	return t.app.guard.TakeUse(ctx, u)
}
