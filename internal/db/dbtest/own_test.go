package dbtest_test

import (
	"testing"

	"signet/internal/db"
	"signet/internal/db/dbtest"
)

func TestOwnClusterKeepsItsRowsOverAStopAndACrash(t *testing.T) {
	c := dbtest.NewCluster(t)
	do := func(statement string) {
		t.Helper()
		d, err := db.Open(t.Context(), c.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if _, err := d.SQL().ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	do("CREATE TABLE kept (n INTEGER PRIMARY KEY)")
	for _, end := range []func(){c.Stop, c.Crash} {
		end()
		if d, err := db.Open(t.Context(), c.URL()); err == nil {
			_ = d.Close()
			t.Error("a stopped cluster still answers")
		}
		c.Start()
		do("SELECT n FROM kept")
	}
}
