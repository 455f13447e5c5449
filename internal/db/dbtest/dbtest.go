// Package dbtest gives each test stores of its own: SQLite in a temporary
// directory, and a database of a real PostgreSQL, which it starts itself from the
// installed binaries.
//
// One cluster serves all packages of one "go test" run. It ends with that run.
package dbtest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"signet/internal/db"
)

// Each runs f on every engine, with a migrated and empty store.
func Each(t *testing.T, f func(t *testing.T, d *db.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { f(t, Postgres(t)) })
}

// SQLite returns a migrated and empty SQLite store.
func SQLite(t testing.TB) *db.DB {
	t.Helper()
	return open(t, SQLiteURL(t))
}

// Postgres returns a migrated and empty database of a real PostgreSQL.
func Postgres(t testing.TB) *db.DB {
	t.Helper()
	return open(t, PostgresURL(t))
}

func open(t testing.TB, url string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return d
}

// migratedSQLite is the bytes of a migrated SQLite store: a copy takes a
// millisecond, the migrations many.
var migratedSQLite = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "signet-template-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "t.db")
	if err := migrate(context.Background(), "sqlite:"+path); err != nil {
		return nil, err
	}
	return os.ReadFile(path) //nolint:gosec // own path
})

// SQLiteURL returns the URL of a migrated and empty SQLite store.
func SQLiteURL(t testing.TB) string {
	t.Helper()
	content, err := migratedSQLite()
	if err != nil {
		t.Fatalf("make SQLite template: %v", err)
	}
	path := filepath.Join(t.TempDir(), "signet.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

func migrate(ctx context.Context, url string) error {
	d, err := db.Open(ctx, url)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Migrate(ctx)
}
