// Package db opens the store, SQLite or PostgreSQL, and runs transactions on it.
//
// One query text serves both engines: $1 parameters, ON CONFLICT, RETURNING.
// What keeps that true stands in docs/adr/0002-data.md; in short: times are bound
// as UTC [time.Time] of microseconds (see [Now]) and selected as bare columns only,
// JSON is TEXT (see [JSON]), and text from outside passes [Clean] first.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Dialect is the engine behind a store.
type Dialect int

// The engines.
const (
	SQLite Dialect = iota
	Postgres
)

// String returns the engine's name.
func (d Dialect) String() string {
	if d == Postgres {
		return "postgres"
	}
	return "sqlite"
}

// SkipLocked returns the clause that lets several workers claim rows side by
// side. SQLite has one writer, and needs none.
func (d Dialect) SkipLocked() string {
	if d == Postgres {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// ForUpdate returns the clause that locks the selected rows until the
// transaction ends. SQLite's writer holds the whole store already.
func (d Dialect) ForUpdate() string {
	if d == Postgres {
		return " FOR UPDATE"
	}
	return ""
}

// DB is an open store. It is safe for concurrent use.
type DB struct {
	dialect Dialect
	url     string
	write   *sql.DB
	read    *sql.DB // the same as write on PostgreSQL
	longest time.Duration
}

// Open opens the store at url, "sqlite:PATH" or "postgres://...". It connects
// once, and does not migrate. Errors never hold the password of the URL.
func Open(ctx context.Context, url string) (*DB, error) {
	var d *DB
	var err error
	scheme, rest, _ := strings.Cut(url, ":")
	switch scheme {
	case "sqlite":
		d, err = openSQLite(rest)
	case "postgres", "postgresql":
		d, err = openPostgres(url)
	default:
		return nil, errors.New("store.url: want sqlite:PATH or postgres://USER@HOST/DATABASE")
	}
	if err != nil {
		return nil, err
	}
	d.url, d.longest = url, longest
	if err := d.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s store: %w", d.dialect, err), d.Close())
	}
	return d, nil
}

// Close ends all connections.
func (d *DB) Close() error {
	if d.read == d.write {
		return d.write.Close()
	}
	return errors.Join(d.read.Close(), d.write.Close())
}

// Dialect returns the engine.
func (d *DB) Dialect() Dialect { return d.dialect }

// URL returns what Open was given. It may hold a password.
func (d *DB) URL() string { return d.url }

// SQL returns the pool that may write, for backup and for tests. What is written outside a
// transaction may not wait for the disk.
func (d *DB) SQL() *sql.DB { return d.write }

// Ping asks the engine for an answer.
func (d *DB) Ping(ctx context.Context) error {
	var one int
	return d.read.QueryRowContext(ctx, "SELECT 1").Scan(&one)
}

// View runs fn in a transaction that reads.
func (d *DB) View(ctx context.Context, fn func(tx *Tx) error) error {
	return d.run(ctx, d.read, &sql.TxOptions{ReadOnly: d.dialect == Postgres}, fn)
}

// Update runs fn in a transaction that writes, and commits where fn returns nil.
//
// fn may run more than once, since the engine may ask for a repetition
// (PostgreSQL's 40001 and 40P01): it must have no effect outside the transaction
// but through [Tx.AfterCommit]. It must not wait for the network or hash a
// password: SQLite has one writer.
func (d *DB) Update(ctx context.Context, fn func(tx *Tx) error) error {
	return d.retry(ctx, fn)
}

// Relaxed is Update for values whose loss at a power cut does no harm: the commit
// does not wait for the disk. It survives the end of this process at any point, and
// on PostgreSQL all but the last moments before a crash of the engine.
func (d *DB) Relaxed(ctx context.Context, fn func(tx *Tx) error) error {
	if d.dialect == SQLite {
		return d.retry(context.WithValue(ctx, relaxedKey{}, true), fn)
	}
	return d.retry(ctx, func(tx *Tx) error {
		if _, err := tx.ExecContext(ctx, "SET LOCAL synchronous_commit = off"); err != nil {
			return err
		}
		return fn(tx)
	})
}

// attempts bounds how often the engine may ask for a repetition before the
// caller learns of it.
const attempts = 5

func (d *DB) retry(ctx context.Context, fn func(tx *Tx) error) error {
	for i := 1; ; i++ {
		err := d.run(ctx, d.write, nil, fn)
		if err == nil || i == attempts || !wantsRepetition(err) {
			return err
		}
		// Two that collided must not collide again in step.
		pause := time.NewTimer(rand.N(time.Duration(i) * 10 * time.Millisecond)) //nolint:gosec // jitter is no secret
		select {
		case <-ctx.Done():
			pause.Stop()
			return context.Cause(ctx)
		case <-pause.C:
		}
	}
}

func (d *DB) run(ctx context.Context, pool *sql.DB, o *sql.TxOptions, fn func(tx *Tx) error) (err error) {
	tx := &Tx{dialect: d.dialect, whole: isRelaxed(ctx), limit: time.Now().Add(d.longest)}
	ctx, cancel := context.WithDeadline(ctx, tx.limit)
	defer cancel()
	stx, err := pool.BeginTx(ctx, o)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	done := false
	defer func() {
		if done {
			return
		}
		// fn returned an error or panicked; a failed rollback only repeats what err says.
		_ = stx.Rollback()
	}()
	tx.tx = stx
	defer tx.release()
	if err := fn(tx); err != nil {
		return err
	}
	done = true
	if err := stx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	for _, f := range tx.after {
		f()
	}
	return nil
}
