package db

import "context"

// One runs a query of one row outside of any transaction, and scans the row: it sees what
// is committed, as a transaction of its own would, without the cost of one. It returns
// [database/sql.ErrNoRows].
func (d *DB) One(ctx context.Context, query string, args []any, into ...any) error {
	if d.dialect == SQLite {
		// There is no network to wait for, and to watch for the caller's leave costs a
		// goroutine or two, as much as the row itself.
		return d.read.QueryRowContext(context.WithoutCancel(ctx), query, args...).Scan(into...)
	}
	ctx, cancel := context.WithTimeout(ctx, d.longest)
	defer cancel()
	return d.read.QueryRowContext(ctx, query, args...).Scan(into...)
}
