package signettest

import (
	"testing"

	"signet/internal/db"
)

// Count returns how many verdicts the store holds, without asking an instance.
func (n *Installation) Count(t testing.TB) (verdicts int) {
	t.Helper()
	d, err := db.Open(t.Context(), n.storeURL)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	err = d.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM authroute_verifications`).Scan(&verdicts)
	if err != nil {
		t.Fatal(err)
	}
	return verdicts
}
