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

const (
	// mailCap is how many proofs of mails of the last minutes are remembered at most:
	// 5,000 mails a second for the ten minutes that a proof can be valid. Beyond it
	// proofs are not judged, but no mail is refused.
	mailCap = 3_000_000
	// proofCap is the same of requests: 5,000 a second for the five minutes that a jti is
	// remembered. Beyond it requests with proofs are refused.
	proofCap = 1_500_000
	// assertionCap is that of assertions by which clients prove themselves.
	assertionCap = 500_000
)

// spaces are the kinds of one-time values. One subject alone must not take the room of
// all others.
func (a *App) spaces() []once.Space {
	skew := a.Config.Security.SenderConstraints.DPoP.AllowedClockSkew.D()
	return []once.Space{
		{Name: authroute.ReplaySpace, Cap: mailCap, Quota: mailCap / 10},
		{Name: token.ProofSpace, Cap: proofCap, Quota: proofCap / 10, Skew: skew},
		{Name: token.AssertionSpace, Cap: assertionCap, Quota: assertionCap / 10, Skew: token.Skew},
	}
}

// newGuard returns the guard of one-time values, in the store that the configuration
// names: by itself Redis where one is configured, else where the one instance of a
// SQLite store writes them fastest, or the database that several share. All of them
// know the values after a restart too; memory, which does not, refuses what is older.
func (a *App) newGuard(ctx context.Context, in *instance) (*once.Guard, error) {
	primary, fallback, err := a.openOnce(ctx, in)
	if err != nil {
		return nil, err
	}
	guard := once.New(a.DB, primary, fallback, a.spaces()...)
	watch := guard.Watch
	if a.DB.Dialect() == db.Postgres { // one instance watches for all
		leases := lease.New(a.DB, a.name())
		watch = func(ctx context.Context) error {
			return leases.Hold(ctx, "once.watch", func(ctx context.Context, _ int64) error { return guard.Watch(ctx) })
		}
	}
	in.workers = append(in.workers, watch)
	return guard, nil
}

// openOnce opens the store, and the one that takes its place while it is away.
func (a *App) openOnce(ctx context.Context, in *instance) (primary, fallback once.Store, err error) {
	const key = "security.senderConstraints.dpop.nonce.store"
	url, alone := a.Config.Redis.URL.Reveal(), a.DB.Dialect() == db.SQLite
	switch store := a.Config.Security.SenderConstraints.DPoP.Nonce.Store; {
	case store == "memory" && !alone:
		return nil, nil, errors.New(key + ": memory is for one instance on SQLite: take auto")
	case store == "memory":
		return once.NewMemory(), nil, nil
	case store == "redis" && url == "":
		return nil, nil, errors.New(key + ": redis needs redis.url")
	case store == "auto" && url == "" && alone:
		return a.openOnceFile(ctx, in)
	case store == "sql" || url == "":
		sql := once.NewSQL(a.DB)
		in.workers = append(in.workers, sql.Run)
		return sql, nil, nil
	}
	sql := once.NewSQL(a.DB)
	r, err := once.OpenRedis(ctx, url, "signet:")
	if err != nil {
		return nil, nil, fmt.Errorf("redis.url: %w", err)
	}
	in.workers = append(in.workers, sql.Run)
	in.closers = append(in.closers, func() error { _ = r.Close(); return nil }) // nothing was promised on it
	in.checks = append(in.checks, ops.Check{Name: "redis", Run: func(ctx context.Context) error { _, err := r.Birth(ctx); return err }})
	return r, sql, nil
}

func (a *App) openOnceFile(ctx context.Context, in *instance) (primary, fallback once.Store, err error) {
	file, err := once.OpenFile(ctx, a.DB, filepath.Join(a.Config.Server.DataDir, "once"))
	if err != nil {
		return nil, nil, fmt.Errorf("replay store: %w", err)
	}
	in.workers = append(in.workers, file.Run)
	in.closers = append(in.closers, file.Close)
	return file, nil, nil
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
