package db_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/fault"
)

// insertAccount writes the smallest row that there is.
func insertAccount(ctx context.Context, tx *db.Tx, id string, at time.Time) error {
	_, err := tx.ExecContext(ctx,
		`INSERT INTO accounts (id, name, kind, created_at) VALUES ($1, $1, 'tenant', $2)`, id, at)
	return err
}

func count(t *testing.T, d *db.DB) (n int) {
	t.Helper()
	err := d.View(t.Context(), func(tx *db.Tx) error {
		return tx.QueryRowContext(t.Context(), "SELECT count(*) FROM accounts").Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTimesComeBackAsTheyWent(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		at := db.Now(time.Date(2026, 11, 21, 23, 59, 59, 123456789, time.FixedZone("", 7200)))
		err := d.Update(ctx, func(tx *db.Tx) error {
			if err := insertAccount(ctx, tx, "a", at); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, `UPDATE accounts SET disabled_at = $1 WHERE created_at = $2`, db.OrNull(time.Time{}), at)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var created time.Time
		disabled := db.OrNull(at)
		err = d.View(ctx, func(tx *db.Tx) error {
			return tx.QueryRowContext(ctx, `SELECT created_at, disabled_at FROM accounts WHERE created_at >= $1`, at).
				Scan(&created, &disabled)
		})
		if err != nil {
			t.Fatal(err)
		}
		if !created.Equal(at) || !db.Time(disabled).IsZero() {
			t.Errorf("got %v and %v, want %v and zero", created, db.Time(disabled), at)
		}
	})
}

func TestJSONKeepsItsBytes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		type pair struct{ B, A string }
		var text string
		var back db.JSON[pair]
		err := d.Update(t.Context(), func(tx *db.Tx) error {
			if err := insertAccount(t.Context(), tx, "a", db.Now(time.Now())); err != nil {
				return err
			}
			_, err := tx.ExecContext(t.Context(), `UPDATE accounts SET name = $1`, db.JSON[pair]{pair{"2", "1"}})
			if err != nil {
				return err
			}
			return tx.QueryRowContext(t.Context(), `SELECT name, name FROM accounts`).Scan(&text, &back)
		})
		if err != nil {
			t.Fatal(err)
		}
		if text != `{"B":"2","A":"1"}` || back.V != (pair{"2", "1"}) {
			t.Errorf("got %s and %+v", text, back.V)
		}
	})
}

func TestFailedUpdateLeavesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		want := errors.New("no")
		called := false
		fail := func(tx *db.Tx) error {
			tx.AfterCommit(func() { called = true })
			if err := insertAccount(t.Context(), tx, "a", db.Now(time.Now())); err != nil {
				return err
			}
			return want
		}
		if err := d.Update(t.Context(), fail); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
		func() {
			defer func() { _ = recover() }()
			_ = d.Update(t.Context(), func(tx *db.Tx) error { _ = fail(tx); panic("in the middle") })
		}()
		if n := count(t, d); n != 0 || called {
			t.Errorf("got %d rows, after-commit called %t; want 0, false", n, called)
		}
	})
}

func TestDuplicateIsUnique(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		add := func(tx *db.Tx) error { return insertAccount(t.Context(), tx, "a", db.Now(time.Now())) }
		if err := d.Update(t.Context(), add); err != nil {
			t.Fatal(err)
		}
		if err := d.Update(t.Context(), add); !db.IsUnique(err) {
			t.Errorf("IsUnique(%v) = false, want true", err)
		}
		err := d.Update(t.Context(), func(tx *db.Tx) error {
			_, err := tx.ExecContext(t.Context(), `INSERT INTO memberships VALUES ('no', 'no', $1)`, db.Now(time.Now()))
			return err
		})
		if err == nil || db.IsUnique(err) {
			t.Errorf("foreign key: got %v, want an error that is not unique", err)
		}
	})
}

func TestViewCannotWrite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		err := d.View(t.Context(), func(tx *db.Tx) error { return insertAccount(t.Context(), tx, "a", db.Now(time.Now())) })
		if err == nil {
			t.Error("View wrote a row")
		}
	})
}

func TestManyWritersAndReadersNeverFail(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var wg sync.WaitGroup
		for w := range 16 {
			wg.Go(func() {
				for i := range 25 {
					id := string(rune('a'+w)) + string(rune('a'+i))
					if err := d.Update(t.Context(), func(tx *db.Tx) error { return insertAccount(t.Context(), tx, id, db.Now(time.Now())) }); err != nil {
						t.Errorf("write %s: %v", id, err)
					}
					if err := d.View(t.Context(), func(tx *db.Tx) error {
						var n int
						return tx.QueryRowContext(t.Context(), "SELECT count(*) FROM accounts").Scan(&n)
					}); err != nil {
						t.Errorf("read: %v", err)
					}
				}
			})
		}
		wg.Wait()
		if n := count(t, d); n != 400 {
			t.Errorf("got %d rows, want 400", n)
		}
	})
}

func TestCollidingUpdatesAreRepeated(t *testing.T) {
	d := dbtest.Postgres(t)
	ctx := t.Context()
	err := d.Update(ctx, func(tx *db.Tx) error {
		return errors.Join(insertAccount(ctx, tx, "a", db.Now(time.Now())), insertAccount(ctx, tx, "b", db.Now(time.Now())))
	})
	if err != nil {
		t.Fatal(err)
	}
	// Two that lock the same rows in opposite order: PostgreSQL kills one of them (40P01).
	var wg, both sync.WaitGroup
	both.Add(2)
	runs := make([]int, 2)
	for i, order := range [][2]string{{"a", "b"}, {"b", "a"}} {
		wg.Go(func() {
			err := d.Update(ctx, func(tx *db.Tx) error {
				runs[i]++
				for n, id := range order {
					if _, err := tx.ExecContext(ctx, `UPDATE accounts SET name = name WHERE id = $1`, id); err != nil {
						return err
					}
					if n == 0 && runs[i] == 1 {
						both.Done()
						both.Wait()
					}
				}
				return nil
			})
			if err != nil {
				t.Errorf("update %v: %v", order, err)
			}
		})
	}
	wg.Wait()
	if runs[0]+runs[1] < 3 {
		t.Errorf("ran %v times: the deadlock did not happen, so nothing was shown", runs)
	}
}

func TestEnginesHaveTheSameColumns(t *testing.T) {
	read := func(d *db.DB, query string) string {
		rows, err := d.SQL().QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var all []string
		for rows.Next() {
			var table, column string
			var notNull bool
			if err := rows.Scan(&table, &column, &notNull); err != nil {
				t.Fatal(err)
			}
			all = append(all, table+"."+column+map[bool]string{true: " not null"}[notNull])
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return strings.Join(all, "\n")
	}
	lite := read(dbtest.SQLite(t), `SELECT m.name, c.name, c."notnull" FROM sqlite_master m, pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT IN ('goose_db_version', 'sqlite_sequence') ORDER BY m.name, c.name`)
	post := read(dbtest.Postgres(t), `SELECT table_name, column_name, is_nullable = 'NO' FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name <> 'goose_db_version' ORDER BY table_name COLLATE "C", column_name COLLATE "C"`)
	if lite != post {
		t.Errorf("SQLite has\n%s\n\nPostgreSQL has\n%s", lite, post)
	}
}

func TestMigrationsOfBothEnginesAreTheSameList(t *testing.T) {
	ctx := t.Context()
	lite, err := dbtest.SQLite(t).SchemaVersion(ctx)
	if err != nil {
		t.Fatal(err)
	}
	post, err := dbtest.Postgres(t).SchemaVersion(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if lite != post || lite == 0 {
		t.Errorf("got versions %d and %d, want the same", lite, post)
	}
}

func TestInstancesThatMigrateTogetherWaitForEachOther(t *testing.T) {
	urls := map[string]string{"sqlite": "sqlite:" + t.TempDir() + "/s.db", "postgres": dbtest.EmptyPostgresURL(t)}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			openAtOnce(t, url, 4, func(d *db.DB) {
				if err := d.Migrate(t.Context()); err != nil {
					t.Errorf("migrate: %v", err)
				}
				if err := d.CheckMigrated(t.Context()); err != nil {
					t.Errorf("check after migrate: %v", err)
				}
			})
		})
	}
}

// The first to open a new SQLite store turns it to a write-ahead log; SQLite refuses
// who opens it at that moment, without waiting.
func TestNewSQLiteStoreIsOpenedByManyAtOnce(t *testing.T) {
	for range 20 {
		openAtOnce(t, "sqlite:"+t.TempDir()+"/s.db", 16, func(*db.DB) {})
	}
}

// openAtOnce opens a store n times at once, and closes each after use.
func openAtOnce(t *testing.T, url string, n int, use func(d *db.DB)) {
	t.Helper()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			d, err := db.Open(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			use(d)
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestOlderSchemaIsToldAndANewerOneServed(t *testing.T) {
	ctx := t.Context()
	empty, err := db.Open(ctx, "sqlite:"+t.TempDir()+"/s.db")
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if err := empty.CheckMigrated(ctx); !errors.Is(err, db.ErrPending) {
		t.Errorf("empty store: got %v, want ErrPending", err)
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		_, err := d.SQL().ExecContext(ctx, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)`)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.Migrate(ctx), d.CheckMigrated(ctx)); err != nil {
			t.Errorf("newer schema: %v", err)
		}
		if v, err := d.SchemaVersion(ctx); err != nil || v != 99999 {
			t.Errorf("got version %d, %v: a newer schema must stay", v, err)
		}
	})
}

func TestBadURLIsRefusedWithoutItsPassword(t *testing.T) {
	for _, url := range []string{"mysql://u:geheim@h/d", "postgres://u:geheim@h:port/d", "postgres://u:geheim@127.0.0.1:1/d", "sqlite:", ""} {
		_, err := db.Open(t.Context(), url)
		if err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("Open(%q) = %v, want an error without the password", url, err)
		}
	}
}

func TestTextThatAnEngineCannotKeepIsRefused(t *testing.T) {
	for text, ok := range map[string]bool{"": true, "é\n": true, "a\x00b": false, "\xff": false} {
		err := db.Clean("name", text)
		if (err == nil) != ok || (err != nil && fault.KindOf(err) != fault.Invalid) {
			t.Errorf("Clean(%q) = %v, want ok %t", text, err, ok)
		}
	}
}

func TestSQLiteServesOneProcess(t *testing.T) {
	d := dbtest.SQLite(t)
	release, err := d.Serve()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Serve(); !errors.Is(err, db.ErrServed) {
		t.Errorf("second: got %v, want ErrServed", err)
	}
	release()
	again, err := d.Serve()
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	again()
}

func TestPreparedStatementsAreReusedRightly(t *testing.T) {
	d := dbtest.SQLite(t)
	ctx := t.Context()
	const count = "SELECT count(*) FROM accounts WHERE id >= $1"
	err := d.Update(ctx, func(tx *db.Tx) error {
		for i := range 1000 { // more different texts than a connection keeps
			id := fmt.Sprintf("a%04d", i)
			if _, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO accounts (id, name, kind, created_at) VALUES ('%s', $1, 'tenant', $2)`, id), id, db.Now(time.Now())); err != nil {
				return err
			}
			var n int
			if err := tx.QueryRowContext(ctx, count, "a").Scan(&n); err != nil || n != i+1 {
				t.Errorf("after row %d: got %d, %v", i, n, err)
			}
		}
		// A row that is there already, again and again: the statement must survive its error.
		for range 3 {
			if err := insertAccount(ctx, tx, "a0001", db.Now(time.Now())); !db.IsUnique(err) {
				t.Errorf("duplicate: got %v", err)
			}
		}
		// The same query inside the loop over its own rows.
		const list = "SELECT id FROM accounts WHERE id < $1 ORDER BY id"
		rows, err := tx.QueryContext(ctx, list, "a0003")
		if err != nil {
			return err
		}
		defer rows.Close()
		seen := 0
		for rows.Next() {
			var outer, inner string
			if err := errors.Join(rows.Scan(&outer), tx.QueryRowContext(ctx, list, "a0001").Scan(&inner)); err != nil || inner != "a0000" {
				t.Errorf("inner query: got %q, %v", inner, err)
			}
			seen++
		}
		if seen != 3 {
			t.Errorf("outer query: got %d rows, want 3", seen)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	// A schema that changes under a prepared statement.
	for i, change := range []string{"ALTER TABLE accounts ADD COLUMN note TEXT", "DROP INDEX accounts_one_system"} {
		if _, err := d.SQL().ExecContext(ctx, change); err != nil {
			t.Fatal(err)
		}
		if err := d.Update(ctx, func(tx *db.Tx) error { return insertAccount(ctx, tx, fmt.Sprint("b", i), db.Now(time.Now())) }); err != nil {
			t.Errorf("after %q: %v", change, err)
		}
	}
	// A query that is interrupted.
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_ = d.View(gone, func(tx *db.Tx) error {
		rows, err := tx.QueryContext(gone, count, "a")
		if err != nil {
			return err
		}
		defer rows.Close()
		return rows.Err()
	})
	var n int
	if err := d.View(ctx, func(tx *db.Tx) error { return tx.QueryRowContext(ctx, count, "a").Scan(&n) }); err != nil || n != 1002 {
		t.Errorf("got %d, %v, want 1002", n, err)
	}
}

func TestOnlyARelaxedCommitIsNotStrict(t *testing.T) {
	d := dbtest.SQLite(t)
	const normal, full = 1, 2
	level := func(run func(context.Context, func(*db.Tx) error) error, result error) (n int) {
		t.Helper()
		err := run(t.Context(), func(tx *db.Tx) error {
			if err := tx.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&n); err != nil {
				return err
			}
			return result
		})
		if !errors.Is(err, result) {
			t.Errorf("got %v, want %v", err, result)
		}
		return n
	}
	for _, result := range []error{nil, errors.New("no")} {
		for range 2 {
			if got := level(d.Relaxed, result); got != normal {
				t.Errorf("relaxed: level %d, want %d", got, normal)
			}
		}
		for range 2 {
			if got := level(d.Update, result); got != full {
				t.Errorf("strict: level %d, want %d", got, full)
			}
		}
	}
	for range 300 { // whoever gives up at any moment
		ctx, cancel := context.WithTimeout(t.Context(), rand.N(500*time.Microsecond))
		_ = d.Relaxed(ctx, func(tx *db.Tx) error {
			const long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT count(*) FROM n"
			var n int
			return tx.QueryRowContext(ctx, long).Scan(&n)
		})
		cancel()
		if got := level(d.Update, nil); got != full {
			t.Fatalf("after somebody gave up: level %d, want %d", got, full)
		}
	}
}
