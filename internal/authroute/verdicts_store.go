package authroute

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"signet/internal/db"
)

// insertSizes is how many rows go in one statement: a few sizes, so that the engine
// meets few different texts and keeps them prepared. PostgreSQL makes a round trip
// for each statement.
func insertSizes(d db.Dialect) []int {
	if d == db.SQLite {
		return []int{25, 5, 1}
	}
	return []int{50, 10, 1}
}

const verificationColumns = `message_id, sender_email, key_id, verification_result, failure_reason, verified_at,
	instance, queue_id, client_address, mode, action`

// insertedColumns are those and what rows are found by.
const (
	insertedColumns = verificationColumns + `, message_hash, key_hash`
	insertedWidth   = 13
)

func insertVerifications(ctx context.Context, tx *db.Tx, batch []*Verification) error {
	for _, size := range insertSizes(tx.Dialect()) {
		text := insertText(tx.Dialect(), size)
		for len(batch) >= size {
			if err := insertRows(ctx, tx, text, batch[:size]); err != nil {
				return err
			}
			batch = batch[size:]
		}
	}
	return nil
}

func insertRows(ctx context.Context, tx *db.Tx, text string, rows []*Verification) error {
	args := make([]any, 0, insertedWidth*len(rows))
	for _, r := range rows {
		args = append(args, r.MessageID, r.Sender, r.KeyID, string(r.Result), string(r.Cause), r.At,
			r.Instance, r.QueueID, r.ClientAddress, string(r.Mode), r.Action, indexHash(r.MessageID), indexHash(r.KeyID))
	}
	_, err := tx.ExecContext(ctx, text, args...)
	return err
}

// insertText has parameters without numbers for SQLite, whose driver would look each
// one up among all of the statement's.
func insertText(d db.Dialect, rows int) string {
	b := []byte("INSERT INTO authroute_verifications (" + insertedColumns + ") VALUES ")
	for n := range rows * insertedWidth {
		switch {
		case n == 0:
			b = append(b, '(')
		case n%insertedWidth == 0:
			b = append(b, "), ("...)
		default:
			b = append(b, ", "...)
		}
		if d == db.SQLite {
			b = append(b, '?')
		} else {
			b = strconv.AppendInt(append(b, '$'), int64(n+1), 10)
		}
	}
	return string(append(b, ')'))
}

// indexHash is what the index has in the place of a text.
func indexHash(text string) int64 { return int64(crc32.ChecksumIEEE([]byte(text))) }

// verificationExists reports whether a row was written by an earlier try.
func verificationExists(ctx context.Context, tx *db.Tx, r *Verification) (bool, error) {
	var one int
	err := tx.QueryRowContext(ctx, `
		SELECT 1 FROM authroute_verifications
		WHERE verified_at = $1 AND instance = $2 AND queue_id = $3 AND client_address = $4 AND sender_email = $5`,
		r.At, r.Instance, r.QueueID, r.ClientAddress, r.Sender).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Filter narrows a search. Zero members do not.
type Filter struct {
	MessageID string
	Sender    string
	Domain    string // of the sender, in lower case
	KeyID     string
	Result    Result
	From      time.Time // included
	To        time.Time // not included
	Oldest    bool      // the first written first
}

// where returns the conditions of f, and that rows come after one.
func (f Filter) where(last int64) (text string, args []any) {
	var conditions []string
	add := func(condition string, arg any) {
		args = append(args, arg)
		conditions = append(conditions, condition+" $"+strconv.Itoa(len(args)))
	}
	if f.Oldest {
		add("id >", last)
	} else {
		add("id <", last)
	}
	for _, c := range []struct{ column, hash, value string }{
		{"message_id", "message_hash", f.MessageID},
		{"key_id", "key_hash", f.KeyID},
		{"sender_email", "", f.Sender},
		{"verification_result", "", string(f.Result)},
	} {
		if c.value != "" {
			add(c.column+" =", c.value)
		}
		if c.value != "" && c.hash != "" {
			add(c.hash+" =", indexHash(c.value))
		}
	}
	if f.Domain != "" {
		suffix := "@" + f.Domain
		args = append(args, utf8.RuneCountInString(suffix)-1, suffix)
		n := len(args)
		conditions = append(conditions, fmt.Sprintf("lower(substr(sender_email, length(sender_email) - $%d)) = $%d", n-1, n))
	}
	if !f.From.IsZero() {
		add("verified_at >=", db.Now(f.From))
	}
	if !f.To.IsZero() {
		add("verified_at <", db.Now(f.To))
	}
	return strings.Join(conditions, " AND "), args
}

func searchVerifications(ctx context.Context, tx *db.Tx, f Filter, last int64, limit int) ([]Verification, error) {
	where, args := f.where(last)
	order := " ORDER BY id DESC"
	if f.Oldest {
		order = " ORDER BY id"
	}
	rows, err := tx.QueryContext(ctx, `SELECT id, `+verificationColumns+` FROM authroute_verifications
		WHERE `+where+order+` LIMIT `+strconv.Itoa(limit), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Verification
	for rows.Next() {
		var r Verification
		if err := rows.Scan(&r.ID, &r.MessageID, &r.Sender, &r.KeyID, &r.Result, &r.Cause, &r.At,
			&r.Instance, &r.QueueID, &r.ClientAddress, &r.Mode, &r.Action); err != nil {
			return nil, err
		}
		r.At = r.At.UTC()
		all = append(all, r)
	}
	return all, rows.Err()
}

// pruneNone and pruneOthers delete some of the oldest rows in a span of time.
const (
	pruneNone = `DELETE FROM authroute_verifications WHERE id IN (
		SELECT id FROM authroute_verifications
		WHERE verified_at >= $1 AND verified_at < $2 AND verification_result = 'none' ORDER BY verified_at LIMIT $3)`
	pruneOthers = `DELETE FROM authroute_verifications WHERE id IN (
		SELECT id FROM authroute_verifications
		WHERE verified_at >= $1 AND verified_at < $2 AND verification_result <> 'none' ORDER BY verified_at LIMIT $3)`
)

func pruneRows(ctx context.Context, tx *db.Tx, query string, from, to time.Time, limit int) (int, error) {
	res, err := tx.ExecContext(ctx, query, db.Now(from), db.Now(to), limit)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// noteUse adds the event that a key was used, unless there is one since day began.
// The key's row is locked, so that of several instances one adds it.
func noteUse(ctx context.Context, tx *db.Tx, one *Verification, day time.Time) error {
	var id string
	err := tx.QueryRowContext(ctx, `SELECT key_id FROM authroute_keys WHERE key_id = $1`+tx.Dialect().ForUpdate(), one.KeyID).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	data := db.JSON[map[string]string]{V: map[string]string{"client_address": one.ClientAddress, "queue_id": one.QueueID}}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO authroute_key_events (key_id, event_type, event_data, created_at)
		SELECT key_id, 'used', $2, $3 FROM authroute_keys WHERE key_id = $1 AND NOT EXISTS (
			SELECT 1 FROM authroute_key_events WHERE key_id = $1 AND event_type = 'used' AND created_at >= $4)`,
		one.KeyID, data, one.At, db.Now(day))
	return err
}
