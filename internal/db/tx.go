package db

import (
	"context"
	"database/sql"
	"time"
)

// longest bounds a transaction. An engine that hangs behind a network that is silent
// would else hold its caller for ever: nobody but we would end the statement.
const longest = 40 * time.Second // PostgreSQL ends a statement itself after 30 s

// Tx is a transaction. It is passed by hand.
type Tx struct {
	tx      *sql.Tx
	dialect Dialect
	after   []func()
	limit   time.Time
	whole   bool                 // SQLite, relaxed: its statements are short, and nobody ends one
	cancels []context.CancelFunc // of queries, whose rows are read later
}

// ExecContext runs a statement.
func (t *Tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	switch {
	case t.whole && ctx.Err() == nil:
		// The driver starts a goroutine for each statement that may be ended, which wakes
		// a thread: more work than a row, and where others wait for an answer, at their cost.
		ctx = context.WithoutCancel(ctx)
	case t.dialect == Postgres:
		limited, cancel := context.WithDeadline(ctx, t.limit)
		defer cancel()
		ctx = limited
	}
	return t.tx.ExecContext(ctx, query, args...)
}

// QueryContext runs a query.
func (t *Tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.tx.QueryContext(t.bound(ctx), query, args...)
}

// QueryRowContext runs a query of one row.
func (t *Tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return t.tx.QueryRowContext(t.bound(ctx), query, args...)
}

// Dialect returns the engine.
func (t *Tx) Dialect() Dialect { return t.dialect }

// AfterCommit has fn called once the transaction is committed, in order, and
// never where it is not.
func (t *Tx) AfterCommit(fn func()) { t.after = append(t.after, fn) }

// bound returns a context that ends with the transaction at the latest. SQLite has no
// network that could fall silent, and watching a context costs as much as a row.
func (t *Tx) bound(ctx context.Context) context.Context {
	if t.dialect == SQLite {
		return ctx
	}
	ctx, cancel := context.WithDeadline(ctx, t.limit)
	t.cancels = append(t.cancels, cancel)
	return ctx
}

func (t *Tx) release() {
	for _, cancel := range t.cancels {
		cancel()
	}
}
