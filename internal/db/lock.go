package db

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrServed says that another process serves this SQLite store.
var ErrServed = errors.New("another signet serve has this SQLite store: stop it, or use PostgreSQL for several instances")

// Serve claims the store for one serving process until release is called or the
// process ends. Only SQLite needs that: PostgreSQL serves several instances.
func (d *DB) Serve() (release func(), err error) {
	if d.dialect == Postgres {
		return func() {}, nil
	}
	path := strings.TrimPrefix(d.url, "sqlite:")
	if real, err := filepath.EvalSymlinks(path); err == nil { // one store, whatever it is called
		path = real
	}
	release, err = lockFile(path+".serve", syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, ErrServed
	}
	return release, err
}

// lockFile holds an advisory lock on a file of its own: SQLite's own file has
// SQLite's locks, which closing any descriptor of it would drop.
func lockFile(path string, how int) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // beside the store that the operator named
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}
