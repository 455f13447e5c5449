package db

import (
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// poolSize bounds the connections of one instance; PostgreSQL's default allows
// 100 in all, for several instances.
const poolSize = 20

func openPostgres(url string) (*DB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		// The error of ParseConfig may quote the URL, and that its password.
		return nil, errors.New("store.url: not a PostgreSQL URL (want postgres://USER@HOST:PORT/DATABASE)")
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	set := func(k, v string) {
		if _, given := cfg.RuntimeParams[k]; !given {
			cfg.RuntimeParams[k] = v
		}
	}
	set("application_name", "signet")
	set("timezone", "UTC")
	// A statement that hangs must not hold its locks for ever.
	set("statement_timeout", "30000")
	// And those of an instance that was frozen, or that the network lost, must not keep
	// the others waiting: between two statements we only compute.
	set("idle_in_transaction_session_timeout", "2000")
	pool := sql.OpenDB(stdlib.GetConnector(*cfg, stdlib.OptionShouldPing(new(doubt).unsure)))
	pool.SetMaxOpenConns(poolSize)
	pool.SetMaxIdleConns(poolSize)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	return &DB{dialect: Postgres, write: pool, read: pool}, nil
}

func postgresCode(err error) (string, bool) {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return "", false
	}
	return e.Code, true
}

// SQLSTATE codes, PostgreSQL 15 manual, appendix A.
const (
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	diskFull             = "53100"
	tooManyConnections   = "53300"
	lockNotAvailable     = "55P03"
	queryCanceled        = "57014"
	idleInTransaction    = "25P03"
	connectionExceptions = "08"  // a class
	operatorShutdown     = "57P" // shutdown, crash and start
)
