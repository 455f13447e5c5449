package app

import (
	"context"
	"errors"
	"fmt"

	"signet/internal/config"
	"signet/internal/db"
	"signet/internal/seal"
)

// openStore opens the database with this release's schema.
func openStore(ctx context.Context, cfg config.Config) (*db.DB, error) {
	d, err := db.Open(ctx, cfg.StoreURL())
	if err != nil {
		return nil, err
	}
	if cfg.Store.Migrate == "auto" {
		err = d.Migrate(ctx)
	} else {
		err = d.CheckMigrated(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// openRing returns the master keys. They may be made only for a SQLite store that
// has sealed nothing yet: instances on PostgreSQL would each make their own, and a
// store that was sealed before must get its own key back.
func openRing(ctx context.Context, cfg config.Config, d *db.DB) (*seal.Ring, error) {
	if key := cfg.Seal.Key.Reveal(); key != "" {
		ring, err := seal.ParseRing(key)
		if err != nil {
			return nil, fmt.Errorf("seal.key: %w", err)
		}
		return ring, nil
	}
	inUse, err := seal.InUse(ctx, d)
	if err != nil {
		return nil, err
	}
	ring, err := seal.LoadOrCreate(cfg.KeyFile(), d.Dialect() == db.SQLite && len(inUse) == 0)
	switch {
	case errors.Is(err, seal.ErrNoFile) && len(inUse) > 0:
		return nil, fmt.Errorf("%s: %w: restore it from where you keep it, without it nothing sealed opens", cfg.KeyFile(), err)
	case errors.Is(err, seal.ErrNoFile):
		return nil, fmt.Errorf("%s: %w: make it once with signet seal new-key, and give every instance a copy", cfg.KeyFile(), err)
	}
	return ring, err
}
