package db

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// readers is how many connections read a SQLite store beside its one writer.
const readers = 4

// busyTimeout is how long a connection waits for another's lock.
const busyTimeout = 5 * time.Second

// openSQLite opens path with one connection that writes and four that only read.
// With a single pool SQLite answers SQLITE_BUSY under load (docs/adr/0002-data.md).
func openSQLite(path string) (*DB, error) {
	if path == "" {
		return nil, errors.New("store.url: sqlite: needs a path, such as sqlite:/var/lib/signet/signet.db")
	}
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	write := sql.OpenDB(connector{sqliteDSN(path, "_txlock=immediate", "_pragma=synchronous(FULL)",
		// The pages of busy indexes stay in memory, and go back to the store seldom.
		"_pragma=cache_size(-16000)", "_pragma=wal_autocheckpoint(8000)")})
	write.SetMaxOpenConns(1)
	read := sql.OpenDB(connector{sqliteDSN(path, "_pragma=query_only(1)")})
	read.SetMaxOpenConns(max(readers, runtime.NumCPU()))
	read.SetMaxIdleConns(max(readers, runtime.NumCPU()))
	return &DB{dialect: SQLite, write: write, read: read}, nil
}

// createPrivate makes an empty store file that only its owner may read: SQLite
// itself would leave that to the umask.
func createPrivate(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names the path
	if err != nil {
		return err
	}
	return f.Close()
}

func sqliteDSN(path string, extra ...string) string {
	options := append([]string{
		fmt.Sprintf("_pragma=busy_timeout(%d)", busyTimeout.Milliseconds()), "_pragma=journal_mode(WAL)", "_pragma=foreign_keys(1)",
		"_pragma=temp_store(2)", // a statement's own journal needs no file

		"_time_integer_format=unix_micro", "_inttotime=1",
	}, extra...)
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + strings.Join(options, "&")
}

func sqliteCode(err error) (int, bool) {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return 0, false
	}
	return e.Code(), true
}

func sqliteUnique(code int) bool {
	return code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
}

func sqliteFull(code int) bool { return code&0xff == sqlite3.SQLITE_FULL }

func sqliteBusy(code int) bool { return code&0xff == sqlite3.SQLITE_BUSY }
