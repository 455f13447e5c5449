package account

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/db"
)

// sessionRow is a session as one of its secrets finds it.
type sessionRow struct {
	Session
	replaced    sql.NullTime // when the secret was
	current     []byte       // hash of the current secret
	since       time.Time    // when that was made
	user        User
	permissions []string
	member      bool // of the session's account
	powerful    bool
}

const sessionColumns = `s.id, s.user_id, s.account_id, s.amr, s.auth_time, s.created_at, s.seen_at, s.expires_at, s.address, s.agent`

func scanSession(scan func(...any) error, more ...any) (c Session, err error) {
	var amr db.JSON[[]string]
	err = scan(append([]any{&c.ID, &c.User, &c.Account, &amr, &c.AuthTime, &c.Created, &c.LastSeen, &c.Expires, &c.Address, &c.Agent}, more...)...)
	c.AuthTime, c.Created, c.LastSeen, c.Expires = c.AuthTime.UTC(), c.Created.UTC(), c.LastSeen.UTC(), c.Expires.UTC()
	c.AMR, c.ACR, c.Device = amr.V, ACR(amr.V), device(c.Agent)
	return c, err
}

// findSession returns the session that has or had the secret of that hash, where it
// has not ended and neither its user nor its account is disabled.
func findSession(ctx context.Context, tx *db.Tx, hash []byte) (row sessionRow, err error) {
	u := &row.user
	row.Session, err = scanSession(tx.QueryRowContext(ctx, `
		SELECT `+sessionColumns+`, v.replaced_at, c.hash, c.created_at, u.id, u.display_name, u.created_at
		FROM account_session_values v
		JOIN account_sessions s ON s.id = v.session_id
		JOIN account_session_values c ON c.session_id = s.id AND c.replaced_at IS NULL
		JOIN users u ON u.id = s.user_id
		JOIN accounts a ON a.id = s.account_id
		WHERE v.hash = $1 AND s.ended_at IS NULL AND u.disabled_at IS NULL AND a.disabled_at IS NULL`, hash).Scan,
		&row.replaced, &row.current, &row.since, &u.ID, &u.DisplayName, &u.Created)
	if errors.Is(err, sql.ErrNoRows) {
		return sessionRow{}, ErrNoSession
	}
	return row, err
}

// lockSession is readSession of one that cannot end before the transaction does.
func lockSession(ctx context.Context, tx *db.Tx, id string) (Session, error) {
	if lock := tx.Dialect().ForUpdate(); lock != "" {
		return selectSession(ctx, tx, id, lock+" OF s")
	}
	return readSession(ctx, tx, id)
}

// readSession returns a session that has not ended, of a user and an account that may act.
func readSession(ctx context.Context, tx *db.Tx, id string) (Session, error) {
	return selectSession(ctx, tx, id, "")
}

func selectSession(ctx context.Context, tx *db.Tx, id, lock string) (Session, error) {
	c, err := scanSession(tx.QueryRowContext(ctx, `
		SELECT `+sessionColumns+` FROM account_sessions s
		JOIN users u ON u.id = s.user_id
		JOIN accounts a ON a.id = s.account_id
		WHERE s.id = $1 AND s.ended_at IS NULL AND u.disabled_at IS NULL AND a.disabled_at IS NULL`+lock, id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Session{}, ErrNoSession
	}
	return c, err
}

func sessionsOf(ctx context.Context, tx *db.Tx, user string) ([]Session, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT `+sessionColumns+` FROM account_sessions s
		WHERE s.user_id = $1 AND s.ended_at IS NULL ORDER BY s.created_at, s.id`, user)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Session
	for rows.Next() {
		c, err := scanSession(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

func insertSession(ctx context.Context, tx *db.Tx, c Session) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO account_sessions (id, user_id, account_id, amr, auth_time, created_at, seen_at, expires_at, address, agent)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		c.ID, c.User, c.Account, db.JSON[[]string]{V: c.AMR}, c.AuthTime, c.Created, c.LastSeen, c.Expires, c.Address, c.Agent)
	return err
}

// useSession returns ErrNoSession where the session has ended.
func useSession(ctx context.Context, tx *db.Tx, c Session) error {
	return oneRow(ErrNoSession)(tx.ExecContext(ctx, `
		UPDATE account_sessions SET seen_at = $1, expires_at = $2, address = $3, agent = $4
		WHERE id = $5 AND ended_at IS NULL`, c.LastSeen, c.Expires, c.Address, c.Agent, c.ID))
}

func proveSession(ctx context.Context, tx *db.Tx, c Session) error {
	_, err := tx.ExecContext(ctx, `UPDATE account_sessions SET amr = $1, auth_time = $2 WHERE id = $3`,
		db.JSON[[]string]{V: c.AMR}, c.AuthTime, c.ID)
	return err
}

// endSessions ends live sessions of a user, and returns their ids: that one, or all
// where id is empty, but never except.
func endSessions(ctx context.Context, tx *db.Tx, user, id, except string, at time.Time) ([]string, error) {
	return texts(tx.QueryContext(ctx, `
		UPDATE account_sessions SET ended_at = $1
		WHERE user_id = $2 AND ($3 = '' OR id = $3) AND id <> $4 AND ended_at IS NULL RETURNING id`, at, user, id, except))
}

// expireSessions ends sessions that nobody used any more, and returns their ids.
func expireSessions(ctx context.Context, tx *db.Tx, at time.Time) ([]string, error) {
	return texts(tx.QueryContext(ctx, `
		UPDATE account_sessions SET ended_at = $1 WHERE ended_at IS NULL AND id IN (
			SELECT id FROM account_sessions WHERE ended_at IS NULL AND expires_at <= $1
			ORDER BY expires_at LIMIT $2`+tx.Dialect().SkipLocked()+`) RETURNING id`, at, sessionBatch))
}

// deleteSessions removes sessions that ended before, with their secrets.
func deleteSessions(ctx context.Context, tx *db.Tx, before time.Time) (int64, error) {
	res, err := tx.ExecContext(ctx, `
		DELETE FROM account_sessions WHERE id IN (
			SELECT id FROM account_sessions WHERE ended_at <= $1
			ORDER BY ended_at LIMIT $2`+tx.Dialect().SkipLocked()+`)`, before, sessionBatch)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func insertSessionValue(ctx context.Context, tx *db.Tx, hash []byte, session string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO account_session_values (hash, session_id, created_at) VALUES ($1, $2, $3)`, hash, session, at)
	return err
}

// replaceSessionValue makes the current secret an old one. Where hash is given and is
// not the current one's, it returns errOvertaken.
func replaceSessionValue(ctx context.Context, tx *db.Tx, session string, hash []byte, at time.Time) error {
	if hash == nil {
		return firstOr(errOvertaken)(tx.ExecContext(ctx, `
			UPDATE account_session_values SET replaced_at = $1 WHERE session_id = $2 AND replaced_at IS NULL`, at, session))
	}
	return firstOr(errOvertaken)(tx.ExecContext(ctx, `
		UPDATE account_session_values SET replaced_at = $1
		WHERE session_id = $2 AND hash = $3 AND replaced_at IS NULL`, at, session, hash))
}

// forgetSessionValues bounds the secrets that a session in use leaves behind.
func forgetSessionValues(ctx context.Context, tx *db.Tx, session string, before time.Time) error {
	_, err := tx.ExecContext(ctx, `
		DELETE FROM account_session_values WHERE session_id = $1 AND replaced_at < $2`, session, before)
	return err
}
