package db_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"testing"
	"time"

	"signet/internal/db"
)

func TestACursorComesBackAsItWasGiven(t *testing.T) {
	for _, values := range [][]string{{"alice@example.org", "key 1"}, {"", "x"}, {"ä b", ""}} {
		got, err := db.ReadCursor(db.Cursor(values...), 2)
		if err != nil || !slices.Equal(got, values) {
			t.Errorf("%q: got %q, %v", values, got, err)
		}
	}
	if got, err := db.ReadCursor("", 2); err != nil || !slices.Equal(got, []string{"", ""}) {
		t.Errorf("the begin: got %q, %v", got, err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	if got, id, err := db.ReadTimeCursor(db.TimeCursor(at, "x")); err != nil || !got.Equal(at) || id != "x" {
		t.Errorf("got %v, %q, %v", got, id, err)
	}
	if got, id, err := db.ReadTimeCursor(""); err != nil || !got.IsZero() || id != "" {
		t.Errorf("the begin by time: got %v, %q, %v", got, id, err)
	}
}

func TestACursorThatNoAnswerGaveIsRefused(t *testing.T) {
	coded := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for name, cursor := range map[string]string{
		"no base64": "%", "padded": "YQ==", "too few": coded("a"), "too many": coded("a\x00b\x00c"), "not UTF-8": coded("\xff\x00b"),
	} {
		if _, err := db.ReadCursor(cursor, 2); !errors.Is(err, db.ErrCursor) {
			t.Errorf("%s: got %v, want ErrCursor", name, err)
		}
	}
	if _, _, err := db.ReadTimeCursor(coded("soon\x00x")); !errors.Is(err, db.ErrCursor) {
		t.Errorf("no time: got %v, want ErrCursor", err)
	}
}
