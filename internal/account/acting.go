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
		open, err := s.MayAct(ctx, tx, user, account)
		if err != nil {
			return err
		}
		if !open {
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

// MayAct reports whether a user may act in an account now: both are enabled, and the user
// is a member. With no user it is about the account alone.
func (s *Service) MayAct(ctx context.Context, tx *db.Tx, user, account string) (bool, error) {
	var open int
	err := tx.QueryRowContext(ctx, `
		SELECT count(*) FROM accounts a WHERE a.id = $2 AND a.disabled_at IS NULL AND ($1 = '' OR EXISTS (
			SELECT 1 FROM memberships m JOIN users u ON u.id = m.user_id
			WHERE m.user_id = $1 AND m.account_id = a.id AND u.disabled_at IS NULL))`, user, account).Scan(&open)
	return open > 0, err
}

// Member returns the id of a user, named by id or verified address, who is an enabled
// member of the account; with an empty account, of any. Others are ErrNoUser.
func (s *Service) Member(ctx context.Context, tx *db.Tx, user, account string) (string, error) {
	u, err := s.lookUp(ctx, tx, user, "")
	switch {
	case err != nil:
		return "", err
	case !u.Disabled.IsZero():
		return "", ErrNoUser
	case account == "":
		return u.ID, nil
	}
	return u.ID, memberOf(ctx, tx, u.ID, account)
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
