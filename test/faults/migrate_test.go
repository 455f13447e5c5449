package faults_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	signettest "signet/test/signet"
)

// Killed at any moment, signet migrate leaves whole migrations, from wherever it set
// out; the next one finishes, and the installation works.
func TestKilledMigrationIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	for engine, url := range map[db.Dialect]func() string{
		db.SQLite:   func() string { return "" },
		db.Postgres: func() string { return dbtest.EmptyPostgresURL(t) },
	} {
		t.Run(engine.String(), func(t *testing.T) {
			t.Parallel()
			whole := signettest.New(t, signettest.Options{StoreURL: url()})
			k := newKiller(t, whole, "migrate")
			want := schema(t, whole.Store(t))
			for range size(6, 50) {
				n := signettest.New(t, signettest.Options{StoreURL: url()})
				from := k.random.Int64N(newest)
				migrateTo(t, n.Store(t), from)
				for range 2 {
					k.run(n, "migrate")
				}
				n.Run("migrate")
				if got := schema(t, n.Store(t)); got != want {
					t.Fatalf("from %d: got schema\n%s\nwant\n%s", from, got, want)
				}
				n.BootstrapAdmin("root@" + domain)
				n.Run("audit", "verify")
			}
			k.report(t)
		})
	}
}

// newest is the first version that the command migrates to in every case.
const newest = 8

// migrateTo brings a store to an older schema, as an older release left it.
func migrateTo(t *testing.T, d *db.DB, version int64) {
	t.Helper()
	defer d.Close()
	if version == 0 {
		return
	}
	dialect := map[db.Dialect]database.Dialect{db.SQLite: database.DialectSQLite3, db.Postgres: database.DialectPostgres}[d.Dialect()]
	p, err := goose.NewProvider(dialect, d.SQL(), os.DirFS("../../internal/db/migrations/"+d.Dialect().String()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
}

// schema returns every column of every table, and every index.
func schema(t *testing.T, d *db.DB) string {
	t.Helper()
	defer d.Close()
	query := `SELECT name || coalesce(sql, '') FROM sqlite_master ORDER BY 1`
	if d.Dialect() == db.Postgres {
		query = `
			SELECT table_name || ' ' || column_name || ' ' || data_type FROM information_schema.columns WHERE table_schema = 'public'
			UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1`
	}
	rows, err := d.SQL().QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
