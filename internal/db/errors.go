package db

import (
	"errors"
	"syscall"
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

func wantsRepetition(err error) bool {
	code, ok := postgresCode(err)
	return ok && (code == serializationFailure || code == deadlockDetected)
}
