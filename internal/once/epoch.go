package once

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"signet/internal/db"
)

// The epoch is the installation's decision which store to use. Each proof that a
// server nonce covers belongs to one epoch, so it is judged by one store only, also
// while instances disagree on which is reachable.
type epoch struct {
	number int64
	store  string
	birth  time.Time
}

const (
	epochAge  = time.Second            // how old the epoch may be that a Take goes by
	probe     = 500 * time.Millisecond // between two looks at the store
	probeWait = time.Second            // until no answer means away
	patience  = 2 * time.Second        // for how long it is away before the epoch moves
	recovery  = 5 * time.Second        // for how long it is back before the epoch moves again
)

// Epoch returns the number to put into server nonces. A proof whose nonce holds
// another number is refused with ErrEpoch. It is at most 1 s old.
func (g *Guard) Epoch(ctx context.Context) (int64, error) {
	e, err := g.current(ctx)
	return e.number, err
}

func (g *Guard) current(ctx context.Context) (epoch, error) {
	if e := g.epoch.Load(); e != nil && g.now().Sub(e.read) < epochAge {
		return e.epoch, nil
	}
	// One asks for all: a database that hangs must not hold them in a row.
	found := g.reading.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeWait)
		defer cancel()
		at := g.now()
		e, err := g.load(ctx)
		if err == nil {
			g.epoch.Store(&readEpoch{e, at})
		}
		return e, err
	})
	select {
	case <-ctx.Done():
		return epoch{}, fmt.Errorf("%w: epoch: %w", ErrAway, context.Cause(ctx))
	case r := <-found:
		e, _ := r.Val.(epoch)
		if r.Err != nil {
			return epoch{}, fmt.Errorf("%w: epoch: %w", ErrAway, r.Err)
		}
		return e, nil
	}
}

type readEpoch struct {
	epoch

	read time.Time
}

// load reads the epoch, and begins the first one where there is none.
func (g *Guard) load(ctx context.Context) (epoch, error) {
	e, err := g.query(ctx)
	if !errors.Is(err, sql.ErrNoRows) {
		return e, err
	}
	birth, err := g.primary.Birth(ctx)
	if err != nil {
		return epoch{}, err
	}
	err = g.db.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO once_epoch (id, epoch, store, birth, moved_at) VALUES (1, 1, $1, $2, $3)
			ON CONFLICT (id) DO NOTHING`, g.primary.Name(), birth, db.Now(g.now()))
		return err
	})
	if err != nil {
		return epoch{}, err
	}
	return g.query(ctx)
}

func (g *Guard) query(ctx context.Context) (e epoch, err error) {
	err = g.db.View(ctx, func(tx *db.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT epoch, store, birth FROM once_epoch WHERE id = 1`).
			Scan(&e.number, &e.store, &e.birth)
	})
	return e, err
}

// Watch moves the epoch when the store is away, emptied or back, until ctx ends.
// One instance watches for the installation: run it under a lease.
func (g *Guard) Watch(ctx context.Context) error {
	var health health
	tick := time.NewTicker(probe)
	defer tick.Stop()
	for {
		if err := g.look(ctx, &health); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "replay store watched in vain", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look compares the stores with the epoch once, and moves it where they differ.
func (g *Guard) look(ctx context.Context, h *health) error {
	e, err := g.load(ctx)
	if err != nil {
		return err
	}
	birth, err := g.birth(ctx, g.primary)
	if h.saw(err == nil, g.now()) {
		slog.WarnContext(ctx, "replay store seen anew", "store", g.primary.Name(), "up", err == nil, "error", err)
	}
	switch h.wants(e.store == g.primary.Name(), g.now()) {
	case usePrimary:
		return g.move(ctx, e, epoch{store: g.primary.Name(), birth: birth})
	case useFallback:
		if g.fallback == nil {
			return nil
		}
		birth, err := g.birth(ctx, g.fallback)
		if err != nil {
			return err
		}
		return g.move(ctx, e, epoch{store: g.fallback.Name(), birth: birth})
	case wait:
	}
	return nil
}

func (g *Guard) birth(ctx context.Context, s Store) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	return s.Birth(ctx)
}

// move begins the epoch after from, unless it is the same store with the same
// memory, or somebody else has begun one.
func (g *Guard) move(ctx context.Context, from, to epoch) error {
	if from.store == to.store && from.birth.Equal(to.birth) {
		return nil
	}
	var moved int64
	err := g.db.Update(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, `
			UPDATE once_epoch SET epoch = epoch + 1, store = $1, birth = $2, moved_at = $3
			WHERE id = 1 AND epoch = $4`, to.store, to.birth, db.Now(g.now()), from.number)
		if err != nil {
			return err
		}
		moved, _ = res.RowsAffected()
		return nil
	})
	if err != nil || moved == 0 {
		return err
	}
	slog.WarnContext(ctx, "replay store changed", "epoch", from.number+1, "from", from.store, "to", to.store, "birth", to.birth)
	return nil
}

// health is what the watcher has seen of the primary store.
type health struct {
	up    bool
	since time.Time
	known bool
}

type wish int

const (
	wait wish = iota
	usePrimary
	useFallback
)

// saw reports whether the store's state is another than before.
func (h *health) saw(up bool, now time.Time) (changed bool) {
	if h.known && up == h.up {
		return false
	}
	changed = h.known || !up
	*h = health{up: up, since: now, known: true}
	return changed
}

// wants says which store the installation should use: after a loss and after a
// recovery only when that has lasted, so that a store that comes and goes does not
// take everybody's nonces each time.
func (h *health) wants(onPrimary bool, now time.Time) wish {
	lasted := now.Sub(h.since)
	switch {
	case h.up && (onPrimary || lasted >= recovery):
		return usePrimary
	case h.up:
		return useFallback // still; its memory may have changed
	case !onPrimary || lasted >= patience:
		return useFallback
	}
	return wait
}

// Forget gives the stores on this machine a new birth: after a restore from a backup,
// when nobody knows what was used since.
func Forget(ctx context.Context, tx *db.Tx) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM once_births`); err != nil {
		return err
	}
	// Without an epoch the store would pass for that of a new installation.
	now := db.Now(time.Now())
	if first, err := beginEpoch(ctx, tx, "sql", now); first || err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE once_epoch SET epoch = epoch + 1, birth = $1, moved_at = $1 WHERE id = 1`, now)
	return err
}

// beginEpoch writes the first epoch of an installation, and reports whether there
// was none.
func beginEpoch(ctx context.Context, tx *db.Tx, store string, at time.Time) (first bool, err error) {
	res, err := tx.ExecContext(ctx, `
		INSERT INTO once_epoch (id, epoch, store, birth, moved_at) VALUES (1, 1, $1, $2, $2)
		ON CONFLICT (id) DO NOTHING`, store, at)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}
