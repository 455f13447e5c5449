package db

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"signet/internal/fault"
)

// errText is what a text that no engine can keep is refused with.
var errText = fault.New(fault.Invalid, "must be valid UTF-8 without NUL")

// Clean returns a fault at field where s is no text that both engines keep:
// PostgreSQL refuses NUL and invalid UTF-8.
func Clean(field, s string) error {
	if strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		return errText.At(field)
	}
	return nil
}

// Now returns t as both engines keep it: UTC, in whole microseconds.
func Now(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// OrNull binds t, and NULL where t is zero.
func OrNull(t time.Time) sql.NullTime {
	if t.IsZero() {
		return sql.NullTime{}
	}
	return sql.NullTime{Time: Now(t), Valid: true}
}

// Time returns the time of a nullable column in UTC, and the zero time for NULL.
func Time(t sql.NullTime) time.Time {
	if !t.Valid {
		return time.Time{}
	}
	return t.Time.UTC()
}

// JSON keeps a value as JSON in a TEXT column. The text is what was hashed or
// signed: neither engine may reorder it.
type JSON[T any] struct{ V T }

// Value implements [driver.Valuer].
func (j JSON[T]) Value() (driver.Value, error) {
	b, err := json.Marshal(j.V)
	return string(b), err
}

// Scan implements [sql.Scanner].
func (j *JSON[T]) Scan(src any) error {
	switch s := src.(type) {
	case string:
		return json.Unmarshal([]byte(s), &j.V)
	case []byte:
		return json.Unmarshal(s, &j.V)
	}
	return fmt.Errorf("scan JSON: got %T, want text", src)
}
