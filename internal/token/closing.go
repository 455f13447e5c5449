package token

import (
	"context"
	"time"

	"signet/internal/db"
)

// endedTopic is published when tokens end in another way than by /revoke.
const endedTopic = "token.ended"

// CloseUser ends all tokens that a user let apps have, in the caller's transaction.
func (c *Codes) CloseUser(ctx context.Context, tx *db.Tx, user string) error {
	_, err := tx.ExecContext(ctx, `UPDATE authority_families SET revoked_at = $1 WHERE user_id = $2 AND revoked_at IS NULL`, c.now(), user)
	tx.AfterCommit(func() { c.authority.bus.Publish(endedTopic) })
	return err
}

// closeSession ends the tokens that came of a session, except those that a user let
// outlive it (scope offline_access).
func closeSession(ctx context.Context, tx *db.Tx, session string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE authority_families SET revoked_at = $1 WHERE session_id = $2 AND offline = 0 AND revoked_at IS NULL`, at, session)
	return err
}
