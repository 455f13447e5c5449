package token

import (
	"context"
	"errors"

	"signet/internal/audit"
	"signet/internal/db"
)

// Outcome is what became of a client.
type Outcome string

// The outcomes.
const (
	Created   Outcome = "created"
	Changed   Outcome = "changed"
	Unchanged Outcome = "unchanged"
)

// Apply has the client with n's id be as n says: it creates or changes it, as Create and
// Update do. Where n holds a secret the client has it afterwards, and one before that
// stays good for OldSecretLife; else a client that is there keeps what it has. secret is
// that of a client that was created. A trial tells all this, refusals too, and leaves
// nothing behind.
func (s *Clients) Apply(ctx context.Context, n NewClient, trial bool) (o Outcome, secret string, err error) {
	if n.ID == "" {
		return "", "", ErrClientID.At("client_id")
	}
	c, err := s.Get(ctx, n.ID)
	switch {
	case errors.Is(err, ErrNoClient):
		_, secret, err := s.create(ctx, n, trial)
		return Created, secret, err
	case err != nil:
		return "", "", err
	case !c.Disabled.IsZero():
		return "", "", ErrClientTaken.At("client_id")
	}
	o, err = s.reconcile(ctx, n, trial)
	return o, "", err
}

// reconcile is Apply for a client that is there.
func (s *Clients) reconcile(ctx context.Context, n NewClient, trial bool) (o Outcome, err error) {
	err = s.changeClient(ctx, n.ID, func(tx *db.Tx, old Client) error {
		account, err := s.accounts.AccountFor(ctx, tx, n.Account)
		if err != nil {
			return err
		}
		c := n.client(old.Created)
		c.Account, c.Created, c.OldSecretUntil = account, old.Created, old.OldSecretUntil
		changed, err := s.replace(ctx, tx, old, c)
		if err != nil {
			return err
		}
		adopted, err := s.adopt(ctx, tx, n, c.Auth)
		if err != nil {
			return err
		}
		if o = Unchanged; changed || adopted {
			o = Changed
		}
		if trial {
			return errTrial
		}
		return nil
	})
	if errors.Is(err, errTrial) {
		err = nil
	}
	return o, err
}

// adopt gives a client the secret that n holds, unless it is its last one already.
func (s *Clients) adopt(ctx context.Context, tx *db.Tx, n NewClient, m AuthMethod) (adopted bool, err error) {
	if n.Secret == "" {
		return false, nil
	}
	_, hash, err := n.secret(m)
	if err != nil {
		return false, err
	}
	_, kept, err := findProving(ctx, tx, n.ID)
	if err != nil {
		return false, err
	}
	if (secrets{hash: kept.hash}).has(hash, s.options.Now()) {
		return false, nil
	}
	if err := rotateSecret(ctx, tx, n.ID, hash, db.Now(s.options.Now().Add(OldSecretLife))); err != nil {
		return false, err
	}
	return true, s.audit.Record(ctx, tx, audit.Event{Action: "oauth_client.rotate", Target: n.ID, Detail: map[string]any{"old_ended": false}})
}
