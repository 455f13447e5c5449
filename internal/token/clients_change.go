package token

import (
	"context"
	"crypto/subtle"
	"errors"
	"reflect"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/seal"
)

// OldSecretLife is how long the secret before stays good after a rotation.
const OldSecretLife = 24 * time.Hour

// errTrial rolls back what was only tried.
var errTrial = errors.New("this was a trial")

// Update has change edit a client of the caller's account, and reports whether anything
// is other than before. Id, account, times and the kind of proof stay (ErrFixed); the
// caller holds every permission that a scope names, before and after. change may run
// twice, each time on what is kept.
func (s *Clients) Update(ctx context.Context, id string, change func(*Client)) (c Client, changed bool, err error) {
	err = s.changeClient(ctx, id, func(tx *db.Tx, old Client) error {
		c = old
		change(&c)
		c = c.normal()
		changed, err = s.replace(ctx, tx, old, c)
		return err
	})
	if err != nil {
		return Client{}, false, err
	}
	return c, changed, nil
}

// replace writes c over old, and reports whether that is another.
func (s *Clients) replace(ctx context.Context, tx *db.Tx, old, c Client) (changed bool, err error) {
	if err := checkFixed(old, c); err != nil {
		return false, err
	}
	if err := checkClient(c); err != nil {
		return false, err
	}
	if reflect.DeepEqual(old, c) {
		return false, nil
	}
	if err := s.mayScope(ctx, tx, c); err != nil {
		return false, err
	}
	if err := mayAudience(ctx, tx, c, old.Audiences); err != nil {
		return false, err
	}
	if err := updateClient(ctx, tx, c); err != nil {
		return false, err
	}
	return true, s.audit.Record(ctx, tx, audit.Event{Action: "oauth_client.update", Target: c.ID, Detail: c.detail()})
}

// checkFixed refuses to make another client of one.
func checkFixed(old, c Client) error {
	switch {
	case old.ID != c.ID:
		return ErrFixed.At("client_id")
	case old.Account != c.Account:
		return ErrFixed.At("account")
	case old.Auth.hasSecret() != c.Auth.hasSecret() || old.Auth.hasKeys() != c.Auth.hasKeys() || old.Public() != c.Public():
		return ErrFixed.At("auth_method").Because("its kind of proof: secret, keys, certificate or none")
	case old.Created != c.Created || old.Disabled != c.Disabled || old.OldSecretUntil != c.OldSecretUntil:
		return ErrFixed.At("client_id")
	}
	return nil
}

// Rotate gives a client of the caller's account a new secret and returns it. The one
// before stays good for OldSecretLife, unless it ends at once; the one before that ends.
// It returns ErrNoSecret where the client proves itself otherwise.
func (s *Clients) Rotate(ctx context.Context, id string, endOld bool) (secret string, err error) {
	secret, hash := seal.NewSecret(SecretPrefix)
	err = s.changeClient(ctx, id, func(tx *db.Tx, c Client) error {
		if !c.Auth.hasSecret() {
			return ErrNoSecret
		}
		var until time.Time
		if !endOld {
			until = db.Now(s.options.Now().Add(OldSecretLife))
		}
		if err := rotateSecret(ctx, tx, c.ID, hash, until); err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, audit.Event{Action: "oauth_client.rotate", Target: c.ID, Detail: map[string]any{"old_ended": endOld}})
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// changeClient runs fn on a client that may act, locked, which the caller may change.
func (s *Clients) changeClient(ctx context.Context, id string, fn func(tx *db.Tx, c Client) error) error {
	account, err := reach(ctx)
	if err != nil {
		return err
	}
	if db.Clean("client_id", id) != nil {
		return ErrNoClient
	}
	return s.change(ctx, func(tx *db.Tx) error {
		c, err := lockClient(ctx, tx, id, account)
		if err != nil {
			return err
		}
		// Who may not give the client its scopes must not get at them through it either.
		if err := s.mayScope(ctx, tx, c); err != nil {
			return err
		}
		return fn(tx, c)
	})
}

// Authenticate returns the client whose secret it is. It returns ErrSecret for unknown
// clients, those without a secret, disabled ones and their accounts', and wrong secrets
// alike.
func (s *Clients) Authenticate(ctx context.Context, id, secret string) (Client, error) {
	if db.Clean("client_id", id) != nil {
		return Client{}, ErrSecret
	}
	hash := seal.SecretHash(secret)
	var c Client
	err := s.db.View(ctx, func(tx *db.Tx) error {
		found, kept, err := findProving(ctx, tx, id)
		switch {
		case errors.Is(err, ErrNoClient):
			return ErrSecret
		case err != nil:
			return err
		case !found.Auth.hasSecret() || !kept.has(hash, s.options.Now()):
			return ErrSecret
		}
		c = found
		return nil
	})
	return c, err
}

// secrets are the hashes of those that a client has.
type secrets struct {
	hash, old []byte
	oldUntil  time.Time
}

// has reports whether hash is one of them, in the time that both comparisons take.
func (s secrets) has(hash []byte, now time.Time) bool {
	is, was := subtle.ConstantTimeCompare(s.hash, hash), subtle.ConstantTimeCompare(s.old, hash)
	if !now.Before(s.oldUntil) {
		was = 0
	}
	return is|was == 1
}
