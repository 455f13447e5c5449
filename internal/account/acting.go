package account

import (
	"context"

	"signet/internal/db"
	"signet/internal/ticket"
)

// Acting returns what a user may do in an account now, without a session: what was
// given to an app acts on after one. A user who is disabled, is no member, or whose
// account is disabled, is ErrNoUser.
func (s *Service) Acting(ctx context.Context, user, account string) (t *ticket.Ticket, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) error {
		var open int
		err := tx.QueryRowContext(ctx, `
			SELECT count(*) FROM memberships m JOIN users u ON u.id = m.user_id JOIN accounts a ON a.id = m.account_id
			WHERE m.user_id = $1 AND m.account_id = $2 AND u.disabled_at IS NULL AND a.disabled_at IS NULL`, user, account).Scan(&open)
		if err != nil {
			return err
		}
		if open == 0 {
			return ErrNoUser
		}
		held, err := memberships(ctx, tx, user)
		if err != nil {
			return err
		}
		row := sessionRow{Session: Session{User: user, Account: account}}
		for _, m := range held {
			if m.account == account {
				row.permissions = append(row.permissions, s.expand(m.permissions, m.system)...)
			}
		}
		t = row.ticket()
		return nil
	})
	return t, err
}

// Profile returns a user, to whoever acts for them. A disabled one is ErrNoUser.
func (s *Service) Profile(ctx context.Context, user string) (u User, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) error {
		if u, err = s.lookUp(ctx, tx, user, ""); err == nil && !u.Disabled.IsZero() {
			err = ErrNoUser
		}
		return err
	})
	return u, err
}
