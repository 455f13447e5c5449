package db

import (
	"database/sql/driver"
	"errors"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// IsUnique reports whether err says that a row with such a key exists already.
func IsUnique(err error) bool {
	if code, ok := postgresCode(err); ok {
		return code == uniqueViolation
	}
	code, ok := sqliteCode(err)
	return ok && sqliteUnique(code)
}

// IsFull reports whether err says that the disk is full.
func IsFull(err error) bool {
	if code, ok := postgresCode(err); ok {
		return code == diskFull
	}
	if code, ok := sqliteCode(err); ok {
		return sqliteFull(code)
	}
	return errors.Is(err, syscall.ENOSPC)
}

// IsAway reports whether err says that the store, or another service behind a
// socket, cannot be reached.
func IsAway(err error) bool {
	if code, ok := postgresCode(err); ok {
		return strings.HasPrefix(code, connectionExceptions) || strings.HasPrefix(code, operatorShutdown) ||
			code == tooManyConnections || code == idleInTransaction
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// IsBusy reports whether err says that the store gave up waiting for a lock.
func IsBusy(err error) bool {
	if code, ok := postgresCode(err); ok {
		return wantsRepetition(err) || code == lockNotAvailable
	}
	code, ok := sqliteCode(err)
	return ok && sqliteBusy(code)
}

// IsTimeout reports whether err says that the store ended a statement that took too long.
func IsTimeout(err error) bool {
	code, ok := postgresCode(err)
	return ok && code == queryCanceled
}

func wantsRepetition(err error) bool {
	code, ok := postgresCode(err)
	return ok && (code == serializationFailure || code == deadlockDetected)
}
