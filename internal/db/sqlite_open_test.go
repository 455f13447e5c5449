package db_test

import (
	"sync"
	"testing"

	"signet/internal/db"
)

// The first to open a new store turns it to a write-ahead log; SQLite refuses who
// opens it at that moment, without waiting.
func TestNewSQLiteStoreIsOpenedByManyAtOnce(t *testing.T) {
	for range 20 {
		url := "sqlite:" + t.TempDir() + "/s.db"
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				d, err := db.Open(t.Context(), url)
				if err != nil {
					t.Error(err)
					return
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}
