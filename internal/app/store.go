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

// openRing returns the master keys. Only with SQLite may they be made: instances
// on PostgreSQL would each make their own.
func openRing(cfg config.Config, engine db.Dialect) (*seal.Ring, error) {
	if key := cfg.Seal.Key.Reveal(); key != "" {
		ring, err := seal.ParseRing(key)
		if err != nil {
			return nil, fmt.Errorf("seal.key: %w", err)
		}
		return ring, nil
	}
	ring, err := seal.LoadOrCreate(cfg.KeyFile(), engine == db.SQLite)
	if errors.Is(err, seal.ErrNoFile) {
		return nil, fmt.Errorf("seal.keyFile: %w (make it once with signet seal new-key, and give every instance a copy)", err)
	}
	return ring, err
}
