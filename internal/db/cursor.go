package db

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"signet/internal/fault"
)

// ErrCursor refuses a cursor that no answer gave.
var ErrCursor = fault.New(fault.Invalid, "is not a cursor of an earlier answer")

// Cursor names a place in a sorted list, for the client to send back: the values that
// the list is sorted by, of the last row of a page. They have no NUL, as no text has.
func Cursor(values ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(values, "\x00")))
}

// ReadCursor returns the n values of a cursor, or ErrCursor. Of the empty one, which is
// the begin, they are empty.
func ReadCursor(cursor string, n int) ([]string, error) {
	if cursor == "" {
		return make([]string, n), nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	values := strings.Split(string(b), "\x00")
	if err != nil || len(values) != n || Clean("cursor", strings.Join(values, "")) != nil {
		return nil, ErrCursor.At("cursor")
	}
	return values, nil
}

// TimeCursor is Cursor for lists that are sorted by a time and, where that is the same,
// by an id.
func TimeCursor(at time.Time, id string) string {
	return Cursor(strconv.FormatInt(at.UnixMicro(), 10), id)
}

// ReadTimeCursor returns what TimeCursor was given. Of the empty cursor the time is zero.
func ReadTimeCursor(cursor string) (at time.Time, id string, err error) {
	values, err := ReadCursor(cursor, 2)
	if err != nil || cursor == "" {
		return time.Time{}, "", err
	}
	micros, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil {
		return time.Time{}, "", ErrCursor.At("cursor")
	}
	return time.UnixMicro(micros).UTC(), values[1], nil
}
