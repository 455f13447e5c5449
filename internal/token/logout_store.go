package token

import (
	"context"
	"time"

	"signet/internal/db"
)

// notice tells one client that one session has ended.
type notice struct {
	session, client, user string
	uri                   string
	attempts              int // this one included
	created               time.Time
}

// queueNotices turns the clients of a session into notices, where they want any.
func queueNotices(ctx context.Context, tx *db.Tx, session string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO logout_notices (session_id, client_id, user_id, attempts, created_at, due_at)
		SELECT s.session_id, s.client_id, s.user_id, 0, $1, $1
		FROM oauth_session_clients s JOIN oauth_clients c ON c.id = s.client_id
		WHERE s.session_id = $2 AND c.disabled_at IS NULL AND c.backchannel_logout_uri <> ''
		ON CONFLICT DO NOTHING`, at, session)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM oauth_session_clients WHERE session_id = $1`, session)
	return err
}

// handedSince returns the sessions that reached a client since then, and their users.
func handedSince(ctx context.Context, tx *db.Tx, since time.Time) ([]notice, error) {
	rows, err := tx.QueryContext(ctx, `SELECT DISTINCT session_id, user_id FROM oauth_session_clients WHERE created_at > $1`, since)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []notice
	for rows.Next() {
		var n notice
		if err := rows.Scan(&n.session, &n.user); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, rows.Err()
}

// claimNotices takes notices that are due, oldest first. Nobody else gets them until
// noticeClaim has passed.
func claimNotices(ctx context.Context, tx *db.Tx, now time.Time) ([]notice, error) {
	rows, err := tx.QueryContext(ctx, `
		UPDATE logout_notices SET due_at = $1, attempts = attempts + 1
		WHERE (session_id, client_id) IN (
			SELECT n.session_id, n.client_id FROM logout_notices n WHERE n.due_at <= $2
			ORDER BY n.due_at LIMIT $3`+tx.Dialect().SkipLocked()+`)
		RETURNING session_id, client_id, user_id, attempts, created_at,
			(SELECT c.backchannel_logout_uri FROM oauth_clients c WHERE c.id = logout_notices.client_id)`,
		now.Add(noticeClaim), now, noticeBatch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []notice
	for rows.Next() {
		var n notice
		if err := rows.Scan(&n.session, &n.client, &n.user, &n.attempts, &n.created, &n.uri); err != nil {
			return nil, err
		}
		n.created = n.created.UTC()
		all = append(all, n)
	}
	return all, rows.Err()
}

// deleteNotice forgets a notice, unless somebody else has claimed it since.
func deleteNotice(ctx context.Context, tx *db.Tx, n notice) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM logout_notices WHERE session_id = $1 AND client_id = $2 AND attempts = $3`,
		n.session, n.client, n.attempts)
	return err
}

// delayNotice gives a notice back, unless somebody else has claimed it since.
func delayNotice(ctx context.Context, tx *db.Tx, n notice, due time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE logout_notices SET due_at = $1 WHERE session_id = $2 AND client_id = $3 AND attempts = $4`,
		due, n.session, n.client, n.attempts)
	return err
}
