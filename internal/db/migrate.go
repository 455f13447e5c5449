package db

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// ErrPending says that the store's schema is older than this release.
var ErrPending = errors.New("the store has migrations to run: run signet migrate (store.migrate is manual)")

// ErrNewer says that a backup was written by a newer release than this one.
var ErrNewer = errors.New("the backup was written by a newer release: restore it with that one")

// Migrate brings the schema to this release's. Instances that start together
// wait for each other; one that is killed in the middle leaves whole migrations. A
// schema that is newer is left as it is: the release before must run on it, so
// that instances can be upgraded one after the other, and back.
func (d *DB) Migrate(ctx context.Context) error {
	p, err := d.provider()
	if err != nil {
		return err
	}
	unlock, err := d.lockMigration()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer unlock()
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// lockMigration makes processes that share a SQLite store wait for each other;
// on PostgreSQL the provider holds an advisory lock.
func (d *DB) lockMigration() (unlock func(), err error) {
	if d.dialect == Postgres {
		return func() {}, nil
	}
	return lockFile(strings.TrimPrefix(d.url, "sqlite:")+".migrate", syscall.LOCK_EX)
}

// CheckMigrated returns ErrPending where the schema is older than this release's.
func (d *DB) CheckMigrated(ctx context.Context) error {
	p, err := d.provider()
	if err != nil {
		return err
	}
	pending, err := p.HasPending(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if pending {
		return ErrPending
	}
	return nil
}

// SchemaVersion returns the number of the last migration that ran.
func (d *DB) SchemaVersion(ctx context.Context) (int64, error) {
	p, err := d.provider()
	if err != nil {
		return 0, err
	}
	return p.GetDBVersion(ctx)
}

// NewestSchema returns the number of the last migration that this release knows.
func (d *DB) NewestSchema() (int64, error) {
	p, err := d.provider()
	if err != nil {
		return 0, err
	}
	sources := p.ListSources()
	return sources[len(sources)-1].Version, nil
}

func (d *DB) provider() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations/"+d.dialect.String())
	if err != nil {
		return nil, err
	}
	if d.dialect == SQLite {
		return goose.NewProvider(database.DialectSQLite3, d.write, files)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(database.DialectPostgres, d.write, files, goose.WithSessionLocker(locker))
}
