package db_test

import (
	"database/sql"
	"errors"
	"testing"

	"signet/internal/db"
	"signet/internal/db/dbtest"
)

func TestOneRowIsReadWithoutATransaction(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var n int
		if err := d.One(t.Context(), "SELECT count(*) FROM goose_db_version WHERE version_id > $1", []any{0}, &n); err != nil || n == 0 {
			t.Errorf("got %d, %v; want the migrations", n, err)
		}
		err := d.One(t.Context(), "SELECT version_id FROM goose_db_version WHERE version_id = $1", []any{-1}, &n)
		if !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("got %v, want sql.ErrNoRows", err)
		}
	})
}
