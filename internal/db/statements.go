package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"time"

	"modernc.org/sqlite"
)

// maxStatements bounds how many statements one connection keeps prepared.
const maxStatements = 256

// connector opens SQLite connections that keep their statements prepared. The
// driver parses each query anew, which was a quarter of the CPU time of a mail
// (docs/adr/0002-data.md); pgx does the like for PostgreSQL by itself.
type connector struct{ dsn string }

// Connect implements [driver.Connector].
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := conn.(sqliteConn)
	if !ok {
		return nil, errors.Join(errors.New("the SQLite driver lacks an interface"), conn.Close())
	}
	return &cachingConn{sqliteConn: full, statements: map[string]*statement{}}, nil
}

// open opens a connection. The first one turns a new store to a write-ahead log;
// SQLite refuses who comes at that moment, without waiting for busy_timeout.
func (c connector) open(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for {
		conn, err := c.Driver().Open(c.dsn)
		if code, ok := sqliteCode(err); !ok || !sqliteBusy(code) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-pause.C:
		}
	}
}

// Driver implements [driver.Connector].
func (connector) Driver() driver.Driver { return &sqlite.Driver{} }

// sqliteConn is what the driver's connections can do.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// cachingConn is a connection with its prepared statements. database/sql uses a
// connection from one goroutine at a time.
type cachingConn struct {
	sqliteConn

	statements map[string]*statement
	relaxed    bool // commits may not wait for the disk
}

// relaxedKey marks the context of a transaction whose commit leaves the write to the
// operating system, which keeps it when this process ends.
type relaxedKey struct{}

func isRelaxed(ctx context.Context) bool { return ctx.Value(relaxedKey{}) != nil }

// BeginTx implements [driver.ConnBeginTx]. Whether commits wait for the disk is a setting
// of the connection, and none within a transaction: each says what it wants before it
// begins, whatever became of the one before.
func (c *cachingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	relaxed, whole := isRelaxed(ctx), context.WithoutCancel(ctx)
	if err := c.relax(whole, relaxed); err != nil {
		return nil, err
	}
	if relaxed {
		ctx = whole
	}
	return c.sqliteConn.BeginTx(ctx, o)
}

// relax leaves the connection marked where it is not known to be strict.
func (c *cachingConn) relax(ctx context.Context, relaxed bool) error {
	if c.relaxed == relaxed {
		return nil
	}
	c.relaxed = true
	level := "FULL"
	if relaxed {
		level = "NORMAL"
	}
	if _, err := c.sqliteConn.ExecContext(ctx, "PRAGMA synchronous = "+level, nil); err != nil {
		return err
	}
	c.relaxed = relaxed
	return nil
}

// statement is a prepared statement; busy while rows of it are being read.
type statement struct {
	driver.Stmt

	busy bool
}

// ExecContext implements [driver.ExecerContext].
func (c *cachingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.prepared(ctx, query)
	if err != nil || s == nil {
		return orNow(err, func() (driver.Result, error) { return c.sqliteConn.ExecContext(ctx, query, args) })
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args) // the driver's statements are all of one type
}

// QueryContext implements [driver.QueryerContext].
func (c *cachingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.prepared(ctx, query)
	if err != nil || s == nil {
		return orNow(err, func() (driver.Rows, error) { return c.sqliteConn.QueryContext(ctx, query, args) })
	}
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args) // as above
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &cachedRows{rows, s}, nil
}

// orNow does without a prepared statement, unless preparing one has failed.
func orNow[T any](err error, do func() (T, error)) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return do()
}

// prepared returns the statement for a query, and nil where it should not be kept:
// it is in use (a query inside the loop over its own rows), or is no plain
// statement (schema changes and pragmas run once).
func (c *cachingConn) prepared(ctx context.Context, query string) (*statement, error) {
	if s, ok := c.statements[query]; ok {
		if s.busy {
			return nil, nil
		}
		return s, nil
	}
	if !isPlain(query) {
		return nil, nil
	}
	if len(c.statements) >= maxStatements {
		if err := c.evict(); err != nil {
			return nil, err
		}
	}
	prepared, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s := &statement{Stmt: prepared}
	c.statements[query] = s
	return s, nil
}

// evict drops one statement that is not in use. Which one matters little: the
// product has fewer queries than fit, save for batches of odd lengths.
func (c *cachingConn) evict() error {
	for query, s := range c.statements {
		if !s.busy {
			delete(c.statements, query)
			return s.Close()
		}
	}
	return nil
}

// Close closes the statements and the connection.
func (c *cachingConn) Close() error {
	var all []error
	for _, s := range c.statements {
		all = append(all, s.Close())
	}
	return errors.Join(append(all, c.sqliteConn.Close())...)
}

func isPlain(query string) bool {
	verb, _, _ := strings.Cut(strings.TrimLeft(query, " \t\n"), " ")
	switch strings.ToUpper(strings.TrimSpace(verb)) {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
		return !strings.Contains(query, ";")
	}
	return false
}

// cachedRows frees its statement for the next use.
type cachedRows struct {
	driver.Rows

	of *statement
}

// Close implements [driver.Rows]; the driver resets the statement.
func (r *cachedRows) Close() error {
	err := r.Rows.Close()
	r.of.busy = false
	return err
}
