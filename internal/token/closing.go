package token

import (
	"context"
	"time"

	"signet/internal/db"
)

// endedTopic is published when tokens end in another way than by /revoke.
const endedTopic = "token.ended"

// CloseUser ends all tokens that a user let apps have, and what could still be exchanged
// for some, in the caller's transaction. Codes and devices come before families: an
// exchange under way is waited for, and its family then found.
func (c *Codes) CloseUser(ctx context.Context, tx *db.Tx, user string) error {
	at := c.now()
	for _, end := range []struct {
		query string
		args  []any
	}{
		{`UPDATE oauth_codes SET expires_at = $1 WHERE user_id = $2 AND used_at IS NULL AND expires_at > $1`, []any{at, user}},
		{`UPDATE oauth_devices SET state = 'denied' WHERE user_id = $1 AND state = 'approved'`, []any{user}},
		{`UPDATE authority_families SET revoked_at = $1 WHERE user_id = $2 AND revoked_at IS NULL`, []any{at, user}},
	} {
		if _, err := tx.ExecContext(ctx, end.query, end.args...); err != nil {
			return err
		}
	}
	tx.AfterCommit(func() { c.authority.bus.Publish(endedTopic) })
	return nil
}

// closeSession ends the tokens that came of a session, and what could still be exchanged
// for some, except those that a user let outlive it (scope offline_access).
func closeSession(ctx context.Context, tx *db.Tx, session string, at time.Time) error {
	for _, query := range []string{
		`UPDATE oauth_codes SET expires_at = $1 WHERE session_id = $2 AND used_at IS NULL AND expires_at > $1`,
		`UPDATE authority_families SET revoked_at = $1 WHERE session_id = $2 AND offline = 0 AND revoked_at IS NULL`,
	} {
		if _, err := tx.ExecContext(ctx, query, at, session); err != nil {
			return err
		}
	}
	return nil
}
