package account

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"signet/internal/db"
)

// passkeyRow is a stored passkey.
type passkeyRow struct {
	Passkey

	handle []byte // of the user
	count  uint32 // of signatures (section 6.1)
	record webauthn.Credential
}

func records(rows []passkeyRow) webauthn.Credentials {
	all := make(webauthn.Credentials, len(rows))
	for i, row := range rows {
		all[i] = row.record
	}
	return all
}

const selectKeys = `
	SELECT k.id, k.user_id, k.name, k.aaguid, k.synced, k.sign_count, k.credential, k.created_at, k.last_used_at, h.handle
	FROM user_passkeys k JOIN passkey_users h ON h.user_id = k.user_id `

func scanPasskey(scan func(...any) error) (row passkeyRow, err error) {
	var record db.JSON[webauthn.Credential]
	var used sql.NullTime
	err = scan(&row.ID, &row.User, &row.Name, &row.AAGUID, &row.Synced, &row.count, &record, &row.Created, &used, &row.handle)
	row.record, row.Created, row.LastUsed = record.V, row.Created.UTC(), db.Time(used)
	row.record.Authenticator.SignCount = row.count
	row.record.Flags.BackupState = row.Synced
	return row, err
}

func passkeysOf(ctx context.Context, tx *db.Tx, user string) ([]passkeyRow, error) {
	rows, err := tx.QueryContext(ctx, selectKeys+`WHERE k.user_id = $1 ORDER BY k.created_at, k.id`, user)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []passkeyRow
	for rows.Next() {
		row, err := scanPasskey(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

func passkeyByCredential(ctx context.Context, tx *db.Tx, credential []byte) (passkeyRow, error) {
	row, err := scanPasskey(tx.QueryRowContext(ctx, selectKeys+`WHERE k.credential_id = $1`, credential).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return passkeyRow{}, whyNot("passkey is unknown")
	}
	return row, err
}

func insertPasskey(ctx context.Context, tx *db.Tx, row passkeyRow) error {
	return firstOr(ErrPasskeyExists)(tx.ExecContext(ctx, `
		INSERT INTO user_passkeys (id, user_id, credential_id, name, aaguid, synced, sign_count, credential, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (credential_id) DO NOTHING`,
		row.ID, row.User, row.record.ID, row.Name, row.AAGUID, flag(row.Synced), row.count,
		db.JSON[webauthn.Credential]{V: row.record}, row.Created))
}

// usePasskey reports whether the counter grew, or the authenticator has none.
func usePasskey(ctx context.Context, tx *db.Tx, k Passkey, count uint32) (grew bool, err error) {
	var stored uint32
	err = tx.QueryRowContext(ctx, `SELECT sign_count FROM user_passkeys WHERE id = $1`+tx.Dialect().ForUpdate(), k.ID).Scan(&stored)
	if errors.Is(err, sql.ErrNoRows) {
		return false, whyNot("passkey was removed meanwhile")
	}
	if err != nil || count <= stored && (count > 0 || stored > 0) {
		return false, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE user_passkeys SET sign_count = $1, synced = $2, last_used_at = $3 WHERE id = $4`,
		count, flag(k.Synced), k.LastUsed, k.ID)
	return err == nil, err
}

func renamePasskey(ctx context.Context, tx *db.Tx, user, id, name string) error {
	return oneRow(ErrNoPasskey)(tx.ExecContext(ctx, `UPDATE user_passkeys SET name = $1 WHERE id = $2 AND user_id = $3`, name, id, user))
}

func deletePasskey(ctx context.Context, tx *db.Tx, user, id string) (name string, err error) {
	err = tx.QueryRowContext(ctx, `DELETE FROM user_passkeys WHERE id = $1 AND user_id = $2 RETURNING name`, id, user).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return "", ErrNoPasskey
	}
	return name, err
}

// makeUserHandle returns what authenticators know the user by, and makes it for the
// first passkey: random, as it must tell nothing of them (section 14.6.1).
func makeUserHandle(ctx context.Context, tx *db.Tx, user string) ([]byte, error) {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO passkey_users (user_id, handle) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING`, user, fresh); err != nil {
		return nil, err
	}
	return findUserHandle(ctx, tx, user)
}

func findUserHandle(ctx context.Context, tx *db.Tx, user string) (handle []byte, err error) {
	err = tx.QueryRowContext(ctx, `SELECT handle FROM passkey_users WHERE user_id = $1`, user).Scan(&handle)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, whyNot("user has begun nothing")
	}
	return handle, err
}

const (
	// challengeKept is how long beyond its expiry a used challenge is kept: the clock
	// of another instance may be behind.
	challengeKept = 10 * time.Minute

	// challengesPruned are at most deleted for each one that is added.
	challengesPruned = 20
)

// useChallenge spends a challenge. Of several that answer the same one, one gets through.
func useChallenge(ctx context.Context, tx *db.Tx, ch ceremony, at time.Time) error {
	if _, err := tx.ExecContext(ctx, `
		DELETE FROM passkey_challenges_used WHERE challenge_hash IN (
			SELECT challenge_hash FROM passkey_challenges_used WHERE keep_until < $1 LIMIT $2`+tx.Dialect().SkipLocked()+`)`,
		at, challengesPruned); err != nil {
		return err
	}
	return firstOr(whyNot("challenge was answered before"))(tx.ExecContext(ctx, `
		INSERT INTO passkey_challenges_used (challenge_hash, keep_until) VALUES ($1, $2)
		ON CONFLICT (challenge_hash) DO NOTHING`, ch.hash(), db.Now(ch.expires.Add(challengeKept))))
}

// flag is how a yes or no is stored.
func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
