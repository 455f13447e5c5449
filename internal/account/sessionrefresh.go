package account

import (
	"context"
	"slices"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/seal"
)

// Refresh notes that the user of a live session proved themselves again (step-up): amr
// is added to its methods, authTime counts from now on where it is later. It returns
// the session's new secret, which has nothing to do with the old one: who copied that
// gains nothing. ErrNoSession where the session is not live.
//
// It asks for no ticket: the caller has checked the session, and the proof.
func (s *Sessions) Refresh(ctx context.Context, id string, amr []string, authTime time.Time) (secret string, err error) {
	secret, hash := seal.NewSecret(SessionPrefix)
	err = s.users.db.Update(ctx, func(tx *db.Tx) error {
		c, err := s.hold(ctx, tx, id)
		if err != nil {
			return err
		}
		now := db.Now(s.users.now())
		c.AMR = methods(c.AMR, amr)
		if at := db.Now(authTime); at.After(c.AuthTime) {
			c.AuthTime = at
		}
		if err := proveSession(ctx, tx, c); err != nil {
			return err
		}
		if err := replaceSessionValue(ctx, tx, c.ID, nil, now); err != nil {
			return err
		}
		if err := insertSessionValue(ctx, tx, hash, c.ID, now); err != nil {
			return err
		}
		tx.AfterCommit(func() { s.bus.Publish(SessionsTopic) })
		return s.record(ctx, tx, c, audit.Event{Action: "session.step_up", Detail: map[string]any{"amr": c.AMR}})
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// hold returns a live session, locked until the transaction ends.
func (s *Sessions) hold(ctx context.Context, tx *db.Tx, id string) (Session, error) {
	c, err := lockSession(ctx, tx, id)
	if err != nil {
		return Session{}, err
	}
	return s.stillLive(ctx, tx, c)
}

// look is hold without the lock.
func (s *Sessions) look(ctx context.Context, tx *db.Tx, id string) (Session, error) {
	c, err := readSession(ctx, tx, id)
	if err != nil {
		return Session{}, err
	}
	return s.stillLive(ctx, tx, c)
}

func (s *Sessions) stillLive(ctx context.Context, tx *db.Tx, c Session) (Session, error) {
	held, err := memberships(ctx, tx, c.User)
	if err != nil {
		return Session{}, err
	}
	member := slices.ContainsFunc(held, func(m membership) bool { return m.account == c.Account })
	if !member || !s.users.now().Before(s.expiry(c, s.users.powerful(held))) {
		return Session{}, ErrNoSession
	}
	return c, nil
}
