// Package lease gives a duty to one instance at a time.
//
// A lease is a row: owner, token, beat. The holder changes beat each 3 s. Who sees
// the same owner and beat for 15 s takes the lease over; a holder that could not
// beat for 10 s stops by itself. Each new holder has a higher token, and writes of
// a duty call [Check] with it, so that one that was frozen and woke up too late
// commits nothing.
package lease

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"signet/internal/db"
)

// ErrLost means that the lease has another holder now, or may have one soon.
var ErrLost = errors.New("lease is lost")

// Keeper holds leases for one instance. It is safe for concurrent use.
type Keeper struct {
	db    *db.DB
	owner string
	pace  pace
}

// New returns a keeper of leases in d. instance is for people to read; two
// processes never count as one owner, even with the same name.
func New(d *db.DB, instance string) *Keeper {
	return &Keeper{db: d, owner: instance + " " + rand.Text(), pace: normal}
}

// Hold runs duty whenever this instance has the lease, until ctx ends or duty
// returns by itself; then it gives the lease back, so that another instance has
// it within a second, and returns duty's error.
//
// The context of duty ends with [ErrLost] as its cause when the lease is lost: duty
// must return within 5 s then, and Hold applies for the lease again. token is for
// [Check]; it grows with every change of holder. Only one Hold of a name may run in
// a keeper.
func (k *Keeper) Hold(ctx context.Context, name string, duty func(ctx context.Context, token int64) error) error {
	for {
		m := &member{pace: k.pace}
		if err := k.acquire(ctx, name, m); err != nil {
			return nil //nolint:nilerr // ctx ended, and nobody has to know
		}
		slog.InfoContext(ctx, "lease taken", "lease", name, "token", m.token)
		err := k.work(ctx, name, m, duty)
		switch {
		case ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, ErrLost)):
			return nil
		case !errors.Is(err, ErrLost):
			return err
		}
		slog.WarnContext(ctx, "lease lost", "lease", name, "token", m.token, "error", err)
	}
}

// acquire returns when m holds the lease, or ctx has ended.
func (k *Keeper) acquire(ctx context.Context, name string, m *member) error {
	for {
		if err := k.challenge(ctx, name, m); err != nil && ctx.Err() == nil {
			slog.DebugContext(ctx, "lease not read", "lease", name, "error", err)
		}
		if m.holds(time.Now()) { // not if this instance was frozen since it asked
			return nil
		}
		m.lost()
		if err := pause(ctx, k.pace.poll); err != nil {
			return err
		}
	}
}

// challenge looks at the lease once, and takes it where that may be.
func (k *Keeper) challenge(ctx context.Context, name string, m *member) error {
	ctx, cancel := context.WithTimeout(ctx, k.pace.beat)
	defer cancel()
	r, err := k.read(ctx, name)
	if err != nil || !m.may(r, time.Now()) {
		return err
	}
	begun := time.Now()
	token, err := k.take(ctx, name, r)
	if err == nil && token != 0 {
		m.took(token, begun)
	}
	return err
}

// work runs duty beside the beats. It returns ErrLost where the lease was lost
// before duty ended.
func (k *Keeper) work(ctx context.Context, name string, m *member, duty func(context.Context, int64) error) error {
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan error, 1)
	go func() { done <- duty(working, m.token) }()
	for {
		select {
		case err := <-done:
			k.release(ctx, name, m.token)
			return err
		case <-k.after(m):
		}
		// The beats go on while a stopped duty drains.
		if k.keep(context.WithoutCancel(ctx), name, m) {
			continue
		}
		stop(ErrLost)
		return errors.Join(ErrLost, <-done)
	}
}

// after returns a channel that says when the next beat is due.
func (k *Keeper) after(m *member) <-chan time.Time {
	return time.After(min(k.pace.beat, k.pace.giveUp-time.Since(m.alive)))
}

// keep beats once, and reports whether the duty may go on. A beat that fails is
// tried again until it is too late.
func (k *Keeper) keep(ctx context.Context, name string, m *member) bool {
	begun := time.Now()
	left := k.pace.giveUp - begun.Sub(m.alive)
	if left <= 0 {
		return false
	}
	limited, cancel := context.WithTimeout(ctx, min(left, k.pace.beat))
	defer cancel()
	still, err := k.beat(limited, name, m.token)
	switch {
	case err == nil && still:
		m.beaten(begun)
	case err == nil:
		return false
	default:
		slog.WarnContext(ctx, "lease not renewed", "lease", name, "error", err)
		_ = pause(limited, k.pace.poll)
	}
	return m.holds(time.Now())
}

// read returns the row of a lease, and makes it where there is none.
func (k *Keeper) read(ctx context.Context, name string) (r row, err error) {
	const query = `SELECT owner, token, beat FROM leases WHERE name = $1`
	err = k.db.View(ctx, func(tx *db.Tx) error {
		return tx.QueryRowContext(ctx, query, name).Scan(&r.owner, &r.token, &r.beat)
	})
	if !errors.Is(err, sql.ErrNoRows) {
		return r, err
	}
	return r, k.db.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO leases (name, owner, token, beat) VALUES ($1, '', 0, 0) ON CONFLICT (name) DO NOTHING`, name)
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, query, name).Scan(&r.owner, &r.token, &r.beat)
	})
}

// take makes this instance the holder unless the row has changed since it was
// read. It returns the new token, or 0.
func (k *Keeper) take(ctx context.Context, name string, r row) (token int64, err error) {
	err = k.db.Update(ctx, func(tx *db.Tx) error {
		err := tx.QueryRowContext(ctx, `
			UPDATE leases SET owner = $1, token = token + 1, beat = beat + 1
			WHERE name = $2 AND owner = $3 AND token = $4 AND beat = $5 RETURNING token`,
			k.owner, name, r.owner, r.token, r.beat).Scan(&token)
		if errors.Is(err, sql.ErrNoRows) {
			token = 0
			return nil
		}
		return err
	})
	return token, err
}

func (k *Keeper) beat(ctx context.Context, name string, token int64) (still bool, err error) {
	err = k.db.Update(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE leases SET beat = beat + 1 WHERE name = $1 AND owner = $2 AND token = $3`, name, k.owner, token)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		still = n == 1
		return err
	})
	return still, err
}

// release gives the lease back. Where that fails, it ends by its beat.
func (k *Keeper) release(ctx context.Context, name string, token int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.pace.beat)
	defer cancel()
	err := k.db.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE leases SET owner = '', beat = beat + 1 WHERE name = $1 AND owner = $2 AND token = $3`, name, k.owner, token)
		return err
	})
	if err != nil {
		slog.WarnContext(ctx, "lease not given back", "lease", name, "error", err)
	}
}

// Check returns ErrLost unless token is still the newest of the lease. It is for
// the transaction that a duty writes in: until that ends, nobody takes the lease
// over. Call it first, before the rows of the duty are locked. It does not hold up
// the beats.
func Check(ctx context.Context, tx *db.Tx, name string, token int64) error {
	query := `SELECT token FROM leases WHERE name = $1`
	if tx.Dialect() == db.Postgres {
		// Token is part of a unique index, and so of a key: this lock waits for and
		// holds up a takeover, which changes it, but not a beat, which does not.
		query += ` FOR KEY SHARE`
	}
	var newest int64
	err := tx.QueryRowContext(ctx, query, name).Scan(&newest)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: %s", ErrLost, name)
	case err != nil:
		return err
	case newest != token:
		return fmt.Errorf("%w: %s has token %d, this is %d", ErrLost, name, newest, token)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
