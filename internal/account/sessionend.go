package account

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/seal"
	"signet/internal/ticket"
)

// End signs out: it ends the session that has the secret, or had it. An unknown one
// is no error.
func (s *Sessions) End(ctx context.Context, secret string) error {
	if !isSecret(secret, SessionPrefix) {
		return nil
	}
	hash := seal.SecretHash(secret)
	return s.users.db.Update(ctx, func(tx *db.Tx) error {
		row, err := findSession(ctx, tx, hash)
		if errors.Is(err, ErrNoSession) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.endOne(ctx, tx, row.Session, &audit.Event{Action: "session.end"})
	})
}

// List returns the live sessions of a user, named by id or verified address, oldest
// first. Users see their own; others need users:read, in an account of the user.
func (s *Sessions) List(ctx context.Context, user string) (all []Session, err error) {
	t := ticket.From(ctx)
	if t == nil {
		return nil, ticket.ErrNone
	}
	err = s.users.db.View(ctx, func(tx *db.Tx) error {
		u, err := s.mayRead(ctx, tx, t, user)
		if err != nil {
			return err
		}
		all, err = s.live(ctx, tx, u.ID)
		return err
	})
	for i := range all {
		all[i].Current = all[i].ID == t.Session
	}
	return all, err
}

func (s *Sessions) mayRead(ctx context.Context, tx *db.Tx, t *ticket.Ticket, user string) (User, error) {
	if !themselves(t, user) {
		if err := t.Demand("users:read"); err != nil {
			return User{}, err
		}
	}
	u, err := s.users.lookUp(ctx, tx, user, "")
	if err != nil {
		return User{}, err
	}
	if themselves(t, u.ID) || t.Kind == ticket.System {
		return u, nil
	}
	return u, memberOf(ctx, tx, u.ID, t.Account)
}

// live returns the sessions that Check would not refuse now for their age.
func (s *Sessions) live(ctx context.Context, tx *db.Tx, user string) ([]Session, error) {
	held, err := memberships(ctx, tx, user)
	if err != nil {
		return nil, err
	}
	stored, err := sessionsOf(ctx, tx, user)
	if err != nil {
		return nil, err
	}
	var all []Session
	for _, c := range stored {
		c.Expires = s.expiry(c, s.users.powerful(held))
		if s.users.now().Before(c.Expires) {
			all = append(all, c)
		}
	}
	return all, nil
}

// Revoke ends a session of a user, named by id or verified address. Users may end
// their own; others need users:write and a user whom they may change.
func (s *Sessions) Revoke(ctx context.Context, user, id string) error {
	return s.change(ctx, user, func(tx *db.Tx, u User) error {
		ids, err := s.end(ctx, tx, u.ID, id, "")
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return ErrUnknownSession
		}
		return s.users.record(ctx, tx, "session.revoke", id, map[string]any{"user": u.ID})
	})
}

// RevokeOthers ends all sessions of a user but one, or all where except is empty, as
// Revoke does, and returns how many it ended.
func (s *Sessions) RevokeOthers(ctx context.Context, user, except string) (n int, err error) {
	err = s.change(ctx, user, func(tx *db.Tx, u User) error {
		ids, err := s.end(ctx, tx, u.ID, "", except)
		if n = len(ids); err != nil || n == 0 {
			return err
		}
		return s.users.record(ctx, tx, "session.revoke_others", u.ID, map[string]any{"sessions": n})
	})
	return n, err
}

// change runs fn on a user whose sessions the caller may end, with the user's row locked.
func (s *Sessions) change(ctx context.Context, user string, fn func(tx *db.Tx, u User) error) error {
	if !themselves(ticket.From(ctx), user) {
		return s.users.changeUser(ctx, user, fn)
	}
	return s.users.db.Update(ctx, func(tx *db.Tx) error {
		u, err := s.users.Hold(ctx, tx, user)
		if err != nil {
			return err
		}
		return fn(tx, u)
	})
}

// CloseUser ends all sessions, sign-ins and mailed links of a user, named by id and held
// by the caller, for what must leave nobody signed in: that they are disabled, recover, or
// get a new password.
func (s *Sessions) CloseUser(ctx context.Context, tx *db.Tx, user string) error {
	if err := deleteMFATickets(ctx, tx, user); err != nil {
		return err
	}
	if err := deleteLinksOf(ctx, tx, user); err != nil {
		return err
	}
	if _, err := s.end(ctx, tx, user, "", ""); err != nil {
		return err
	}
	return s.o.Closed(ctx, tx, user)
}

// end ends the live sessions of a user: one, or all but one, or all.
func (s *Sessions) end(ctx context.Context, tx *db.Tx, user, id, except string) ([]string, error) {
	ids, err := endSessions(ctx, tx, user, id, except, db.Now(s.users.now()))
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	return ids, s.ended(ctx, tx, ids)
}

// ended tells of sessions that end in tx.
func (s *Sessions) ended(ctx context.Context, tx *db.Tx, ids []string) error {
	tx.AfterCommit(func() { s.bus.Publish(SessionsTopic) })
	return s.o.Ended(ctx, tx, ids)
}

// endOne ends a session and records e, unless it has ended meanwhile or e is nil.
func (s *Sessions) endOne(ctx context.Context, tx *db.Tx, c Session, e *audit.Event) error {
	ids, err := s.end(ctx, tx, c.User, c.ID, "")
	if err != nil || len(ids) == 0 || e == nil {
		return err
	}
	return s.record(ctx, tx, c, *e)
}

// endReused ends a session of which two hold secrets, and returns ErrNoSession. It
// commits, so that the refusal does not undo it.
func (s *Sessions) endReused(ctx context.Context, row sessionRow) error {
	err := s.users.db.Update(ctx, func(tx *db.Tx) error {
		tx.AfterCommit(func() {
			slog.WarnContext(ctx, "session ended: a secret of it that was replaced came again", "session", row.ID, "user", row.User)
		})
		return s.endOne(ctx, tx, row.Session, &audit.Event{
			Action: "session.reuse", Outcome: audit.Refused, Reason: "a secret that was replaced came again",
			Detail: map[string]any{"replaced": row.replaced.Time.UTC().Format(time.RFC3339)},
		})
	})
	if err != nil {
		return err
	}
	return ErrNoSession
}

// endExpired ends a session for good: it would else live again once its user has
// fewer permissions.
func (s *Sessions) endExpired(ctx context.Context, row sessionRow) error {
	err := s.users.db.Update(ctx, func(tx *db.Tx) error { return s.endOne(ctx, tx, row.Session, nil) })
	if err != nil && ctx.Err() == nil {
		slog.WarnContext(ctx, "expired session not ended", "session", row.ID, "error", err)
	}
	return ErrNoSession
}
