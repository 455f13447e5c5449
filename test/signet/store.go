package signettest

import (
	"path/filepath"
	"testing"

	"signet/internal/db"
)

// Store opens the store, beside the instances that work on it, until the test ends.
func (n *Installation) Store(t testing.TB) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), n.storeURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// KeyFile returns the path of the master key file.
func (n *Installation) KeyFile() string { return filepath.Join(n.dir, "master.key") }

// Data returns the data directory of the command line and of the first instance.
// With SQLite it holds the store.
func (n *Installation) Data() string { return n.data() }

// Count returns how many verdicts the store holds, without asking an instance.
func (n *Installation) Count(t testing.TB) (verdicts int) {
	t.Helper()
	d := n.Store(t)
	defer d.Close()
	err := d.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM authroute_verifications`).Scan(&verdicts)
	if err != nil {
		t.Fatal(err)
	}
	return verdicts
}
