package authroute

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"signet/authproof"
	"signet/internal/db"
)

const keyColumns = `key_id, key_type, user_id, address, public_key, certificate, primary_id,
	created_at, expires_at, revoked_at, revoked_reason, public_reason, sequence`

// scanner is what *sql.Row and *sql.Rows share.
type scanner interface{ Scan(dest ...any) error }

func scanKey(row scanner) (Key, error) {
	var k Key
	var public string
	var certificate, primary, note, reason sql.NullString
	var expires, revoked sql.NullTime
	err := row.Scan(&k.ID, &k.Type, &k.User, &k.Address, &public, &certificate, &primary,
		&k.Created, &expires, &revoked, &note, &reason, &k.Sequence)
	if err != nil {
		return Key{}, err
	}
	if k.Public, err = authproof.ParsePublicKey(public); err != nil {
		return Key{}, fmt.Errorf("stored key %s: %w", k.ID, err)
	}
	if k.Certificate, err = base64.StdEncoding.DecodeString(certificate.String); err != nil {
		return Key{}, fmt.Errorf("stored certificate of key %s: %w", k.ID, err)
	}
	k.Primary, k.Note, k.Reason = primary.String, note.String, Reason(reason.String)
	k.Created, k.Expires, k.Revoked = k.Created.UTC(), db.Time(expires), db.Time(revoked)
	return k, nil
}

func queryKeys(ctx context.Context, tx *db.Tx, where string, args ...any) ([]Key, error) {
	rows, err := tx.QueryContext(ctx, `SELECT `+keyColumns+` FROM authroute_keys WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Key
	for rows.Next() {
		k, err := scanKey(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, rows.Err()
}

// findKey returns a key by id. The clause locks its row, or is empty.
func findKey(ctx context.Context, tx *db.Tx, id, clause string) (Key, error) {
	k, err := scanKey(tx.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM authroute_keys WHERE key_id = $1`+clause, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Key{}, ErrNotFound
	}
	return k, err
}

// primaryOf returns a user's primary key, locked, or ErrNoPrimary.
func primaryOf(ctx context.Context, tx *db.Tx, user string) (Key, error) {
	k, err := scanKey(tx.QueryRowContext(ctx, `SELECT `+keyColumns+` FROM authroute_keys
		WHERE user_id = $1 AND key_type = 'primary' AND revoked_at IS NULL`+tx.Dialect().ForUpdate(), user))
	if errors.Is(err, sql.ErrNoRows) {
		return Key{}, ErrNoPrimary
	}
	return k, err
}

func liveSubkeys(ctx context.Context, tx *db.Tx, primary string) ([]Key, error) {
	return queryKeys(ctx, tx, `primary_id = $1 AND revoked_at IS NULL ORDER BY id`+tx.Dialect().ForUpdate(), primary)
}

// liveKeys returns a user's unrevoked keys: all, or those for one address.
func liveKeys(ctx context.Context, tx *db.Tx, user, address string) ([]Key, error) {
	return queryKeys(ctx, tx, `user_id = $1 AND ($2 = '' OR address = $2) AND revoked_at IS NULL ORDER BY id`+
		tx.Dialect().ForUpdate(), user, address)
}

// keysAfter returns the keys that changed after a sequence, oldest change first.
func keysAfter(ctx context.Context, tx *db.Tx, sequence int64, limit int) ([]Key, error) {
	return queryKeys(ctx, tx, `sequence > $1 ORDER BY sequence LIMIT $2`, sequence, limit)
}

// nextSequence returns the next number of a change of keys. It holds the counter
// until commit: a reader never sees a number before all lower ones.
func nextSequence(ctx context.Context, tx *db.Tx) (n int64, err error) {
	err = tx.QueryRowContext(ctx, `UPDATE authroute_sequence SET value = value + 1 WHERE name = 'keys' RETURNING value`).Scan(&n)
	return n, err
}

func insertKey(ctx context.Context, tx *db.Tx, k *Key) (err error) {
	if k.Sequence, err = nextSequence(ctx, tx); err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, `
		INSERT INTO authroute_keys (user_id, key_type, key_id, address, public_key, certificate, primary_id, created_at, expires_at, sequence)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (key_id) DO NOTHING`,
		k.User, k.Type, k.ID, k.Address, encodeKey(k.Public), orNull(base64.StdEncoding.EncodeToString(k.Certificate)),
		orNull(k.Primary), k.Created, db.OrNull(k.Expires), k.Sequence)
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return ErrExists.At("public_key")
	}
	return nil
}

func orNull(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

func markRevoked(ctx context.Context, tx *db.Tx, id string, at time.Time, reason Reason, note string) error {
	n, err := nextSequence(ctx, tx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		UPDATE authroute_keys SET revoked_at = $1, public_reason = $2, revoked_reason = $3, sequence = $4
		WHERE key_id = $5 AND revoked_at IS NULL`, at, reason, note, n, id)
	if err != nil {
		return err
	}
	// What is sealed for a key that signs no more would only wait to be stolen.
	_, err = tx.ExecContext(ctx, `DELETE FROM authroute_delegations WHERE key_id = $1`, id)
	return err
}

func updateCertificate(ctx context.Context, tx *db.Tx, id, primary string, certificate []byte) error {
	n, err := nextSequence(ctx, tx)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE authroute_keys SET primary_id = $1, certificate = $2, sequence = $3 WHERE key_id = $4`,
		primary, base64.StdEncoding.EncodeToString(certificate), n, id)
	return err
}

func addEvent(ctx context.Context, tx *db.Tx, keyID, what string, data map[string]any, at time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO authroute_key_events (key_id, event_type, event_data, created_at) VALUES ($1, $2, $3, $4)`,
		keyID, what, db.JSON[map[string]any]{V: data}, at)
	return err
}

// KeyEvent is something that happened to a key.
type KeyEvent struct {
	Type string // created, used, rotated, revoked
	Data map[string]any
	At   time.Time
}

func keyEvents(ctx context.Context, tx *db.Tx, keyID string, limit int) ([]KeyEvent, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT event_type, event_data, created_at FROM authroute_key_events WHERE key_id = $1 ORDER BY id LIMIT $2`, keyID, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []KeyEvent
	for rows.Next() {
		var e KeyEvent
		var data db.JSON[map[string]any]
		if err := rows.Scan(&e.Type, &data, &e.At); err != nil {
			return nil, err
		}
		e.Data, e.At = data.V, e.At.UTC()
		all = append(all, e)
	}
	return all, rows.Err()
}

func insertDelegation(ctx context.Context, tx *db.Tx, user string, d Delegation, sealed []byte, at time.Time) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO authroute_delegations (key_id, user_id, address, public_key, private_key, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, d.KeyID, user, d.Address, d.PublicKey, sealed, at, d.Expires)
	return err
}

// sequenceBase returns where numbers began again after a restore, and 0 before one.
func sequenceBase(ctx context.Context, tx *db.Tx) (n int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT value FROM authroute_sequence WHERE name = 'base'`).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return n, err
}

// Restored has the numbers of changes, and with them those of the revocation list, go
// on above every one that was given out after the backup that was restored: readers
// refuse a list with a lower number than one they have seen. at is the time of the
// restore; its milliseconds are far ahead of any count of changes.
func Restored(ctx context.Context, tx *db.Tx, at time.Time) error {
	base := at.UnixMilli()
	if _, err := tx.ExecContext(ctx, `UPDATE authroute_sequence SET value = $1 WHERE value < $1`, base); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO authroute_sequence (name, value) VALUES ('base', $1) ON CONFLICT (name) DO NOTHING`, base)
	return err
}

// maxSubkeys is how many subkeys of one user may be live: a public page lists those
// of an address.
const maxSubkeys = 100

// checkQuota returns ErrQuota where a user has as many subkeys as they may. The user
// is held by the transaction, so that two requests cannot both take the last place.
func checkQuota(ctx context.Context, tx *db.Tx, user string) error {
	var n int
	err := tx.QueryRowContext(ctx, `
		SELECT count(*) FROM authroute_keys WHERE user_id = $1 AND key_type = 'subkey' AND revoked_at IS NULL`, user).Scan(&n)
	if err == nil && n >= maxSubkeys {
		err = ErrQuota
	}
	return err
}

// tidyDelegations drops a user's delegated keys that were not certified in time, and
// refuses more than may wait.
func tidyDelegations(ctx context.Context, tx *db.Tx, user string, before time.Time) error {
	const waiting = ` FROM authroute_delegations WHERE user_id = $1
		AND NOT EXISTS (SELECT 1 FROM authroute_keys k WHERE k.key_id = authroute_delegations.key_id)`
	if _, err := tx.ExecContext(ctx, `DELETE`+waiting+` AND created_at < $2`, user, before); err != nil {
		return err
	}
	var n int
	err := tx.QueryRowContext(ctx, `SELECT count(*)`+waiting, user).Scan(&n)
	if err == nil && n >= maxSubkeys {
		err = ErrQuota
	}
	return err
}
