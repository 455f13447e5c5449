package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"signet/internal/authroute"
	"signet/internal/backup"
	"signet/internal/config"
	"signet/internal/db"
	"signet/internal/once"
	"signet/internal/seal"
)

// Backup writes a backup of the store to a new directory.
func (a *App) Backup(ctx context.Context, to string, withKey bool, progress func(done, total int)) (backup.Manifest, error) {
	o := backup.Options{Version: Version(), WithKey: withKey, KeyFile: a.Config.KeyFile(), Progress: progress}
	if a.Config.Objects.Store == "disk" {
		o.Objects = a.Config.ObjectsPath()
	}
	if a.Config.Seal.Key.Reveal() != "" {
		o.KeyFile = ""
	}
	return backup.Backup(ctx, a.DB, to, o)
}

// Restore puts a backup in the place of the store that cfg names.
func Restore(ctx context.Context, cfg config.Config, from string, force bool, progress func(done, total int)) (m backup.Manifest, err error) {
	if err := os.MkdirAll(cfg.Server.DataDir, 0o700); err != nil {
		return m, err
	}
	o := backup.RestoreOptions{Force: force, KeyFile: cfg.KeyFile(), Progress: progress}
	if cfg.Objects.Store == "disk" {
		o.Objects = cfg.ObjectsPath()
	}
	if key := cfg.Seal.Key.Reveal(); key != "" {
		if o.Ring, err = seal.ParseRing(key); err != nil {
			return m, fmt.Errorf("seal.key: %w", err)
		}
	}
	if m, err = backup.Restore(ctx, from, cfg.StoreURL(), o); err != nil {
		return m, err
	}
	return m, errors.Join(startAnew(ctx, cfg), setHeadsAside(cfg))
}

// startAnew has the store go on from what the backup cannot know: which proofs were
// used since (older ones are refused), and which numbers its revocation lists had.
func startAnew(ctx context.Context, cfg config.Config) error {
	d, err := db.Open(ctx, cfg.StoreURL())
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Migrate(ctx); err != nil {
		return err
	}
	return d.Update(ctx, func(tx *db.Tx) error {
		return errors.Join(once.Forget(ctx, tx), authroute.Restored(ctx, tx, time.Now()))
	})
}

// setHeadsAside renames the file of signed audit heads: it tells of rows that the
// restored log does not have, and is evidence of them.
func setHeadsAside(cfg config.Config) error {
	path := cfg.HeadsFile()
	err := os.Rename(path, path+".until-"+time.Now().UTC().Format("20060102T150405Z"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
