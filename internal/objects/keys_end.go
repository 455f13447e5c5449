package objects

import (
	"context"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/ticket"
)

// Revoke ends a key at once. What it was granted stays, for its successors.
func (k *Keys) Revoke(ctx context.Context, accessKeyID string) error {
	return k.change(ctx, func(tx *db.Tx) error {
		found, err := k.reachable(ctx, tx, accessKeyID, writeObjects, tx.Dialect().ForUpdate())
		if err != nil || !found.Revoked.IsZero() {
			return err
		}
		if _, err := revokeKeys(ctx, tx, "id", found.ID, db.Now(k.o.Now())); err != nil {
			return err
		}
		return k.record(ctx, tx, "objects.revoke_key", found, nil)
	})
}

// Rotate makes a successor of a key, with the same owner, grants and limits, and returns
// its secret. The old one ends after overlap: at once where it is 0, as configured where
// it is negative. Keys that act for a user are rotated by that user, or at the command line.
func (k *Keys) Rotate(ctx context.Context, accessKeyID string, overlap time.Duration) (next Key, secret string, err error) {
	t := ticket.From(ctx)
	if err := t.DemandFresh(k.o.Now()); err != nil {
		return Key{}, "", err
	}
	if overlap < 0 {
		overlap = k.o.Overlap
	}
	if overlap > maxOverlap {
		return Key{}, "", ErrOverlap
	}
	secret = newSecret()
	err = k.change(ctx, func(tx *db.Tx) error {
		old, err := k.reachable(ctx, tx, accessKeyID, writeObjects, tx.Dialect().ForUpdate())
		if err != nil {
			return err
		}
		if old.User != "" && t.Kind != ticket.System && old.User != t.Subject {
			return ErrKeyOfUser
		}
		if next, err = k.succeed(ctx, tx, old, overlap); err != nil {
			return err
		}
		if err := k.insert(ctx, tx, next, secret); err != nil {
			return err
		}
		return k.record(ctx, tx, "objects.rotate_key", old, map[string]any{"successor": next.AccessKeyID, "overlap": overlap.String()})
	})
	return next, secret, err
}

// succeed bounds the life of a key and returns who takes over.
func (k *Keys) succeed(ctx context.Context, tx *db.Tx, old Key, overlap time.Duration) (Key, error) {
	now := db.Now(k.o.Now())
	taken, err := hasSuccessor(ctx, tx, old.ID)
	if err != nil {
		return Key{}, err
	}
	if taken || !old.Live(now) {
		return Key{}, ErrKeyEnded
	}
	next := old
	next.ID, next.AccessKeyID, next.Predecessor = newID("sak"), newAccessKeyID("AKIA"), old.ID
	next.Created, next.LastUsed = now, time.Time{}
	if overlap == 0 {
		_, err := revokeKeys(ctx, tx, "id", old.ID, now)
		return next, err
	}
	if end := now.Add(overlap); old.Expires.IsZero() || end.Before(old.Expires) {
		return next, expireKey(ctx, tx, old.ID, end)
	}
	return next, nil
}

// CloseUser ends the keys that act for a user, temporary ones too, in the transaction
// that disables the user.
func (k *Keys) CloseUser(ctx context.Context, tx *db.Tx, user string) error {
	tx.AfterCommit(k.held.Forget)
	ended, err := revokeKeys(ctx, tx, "user_id", user, db.Now(k.o.Now()))
	if err != nil {
		return err
	}
	if err := endSessions(ctx, tx, "user_id", user); err != nil || ended == 0 {
		return err
	}
	return k.audit.Record(ctx, tx, audit.Event{Action: "objects.revoke_keys", Target: user, Detail: map[string]any{"keys": ended}})
}

// SessionsEnded ends the temporary keys that came of sign-ins, in the transaction that
// ends them.
func (k *Keys) SessionsEnded(ctx context.Context, tx *db.Tx, ids []string) error {
	tx.AfterCommit(k.held.Forget)
	for _, id := range ids {
		if err := endSessions(ctx, tx, "session_id", id); err != nil {
			return err
		}
	}
	return nil
}
