package account

import (
	"context"
	"time"

	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/limit"
	"signet/internal/seal"
	"signet/internal/ticket"
)

// ErrChanged refuses a change that another one overtook.
var ErrChanged = fault.New(fault.Conflict, "was changed by another request meanwhile")

// Throttle bounds guessing, over restarts and instances.
type Throttle interface {
	Take(ctx context.Context, buckets ...limit.Bucket) error
	Give(ctx context.Context, buckets ...limit.Bucket) error
}

// Sealer seals secrets and derives keys: a [seal.Sealer] from seal.Attach.
type Sealer interface {
	Seal(plaintext []byte, context string) ([]byte, error)
	Open(sealed []byte, context string) ([]byte, error)
	Derive(label string) []byte
}

// Credentials keeps what users know or have: passwords, one-time passwords and
// recovery codes. It is safe for concurrent use.
//
// Changes need the ticket of the user, not narrowed by scopes, or the operator's.
// Checks need none: they make one.
type Credentials struct {
	users    *Service
	throttle Throttle
	seal     Sealer
	notify   Notifier
	device   []byte // key of device values
	guess    guesser
	slots    *slots
	decoy    phc // verified where there is no hash
}

// NewCredentials returns the credentials of the users of s. The notifier tells users
// of changes; nil means LogNotifier.
func NewCredentials(s *Service, t Throttle, sealer Sealer, n Notifier) *Credentials {
	if n == nil {
		n = LogNotifier{}
	}
	return &Credentials{
		users: s, throttle: t, seal: sealer, notify: n, device: sealer.Derive("account device"),
		guess: newGuesser(), slots: newSlots(), decoy: newDecoy(passwordCost),
	}
}

// SealedColumns names the sealed values, for a rotation of the master key.
func SealedColumns() []seal.Column {
	return []seal.Column{{
		Table: "user_totp", Name: "secret", ID: []string{"id"}, With: []string{"user_id"},
		Context: func(v []string) string { return totpContext(v[0], v[1]) },
	}}
}

// mayChange returns nil where the caller is the user, or the operator. Where fresh is
// set, the user must have proven themselves within maxAuthAge.
func (c *Credentials) mayChange(ctx context.Context, user string, fresh bool) error {
	t := ticket.From(ctx)
	switch {
	case t == nil:
		return ticket.ErrNone
	case t.Kind == ticket.System:
		return nil
	case t.Kind != ticket.User || t.Subject != user || t.Scopes != nil:
		return ErrNoUser // not even that they exist
	case fresh && !c.isFresh(t):
		return ErrStepUp
	}
	return nil
}

func (c *Credentials) isFresh(t *ticket.Ticket) bool {
	age := c.users.now().Sub(t.AuthTime)
	return t.Kind == ticket.System || age >= -time.Minute && age <= maxAuthAge // another instance's clock may run ahead
}

// change runs fn on a user, named by id, with the user's row locked. So credentials of one
// user change one after the other.
func (c *Credentials) change(ctx context.Context, user string, fresh bool, fn func(tx *db.Tx, u User) error) error {
	if err := c.mayChange(ctx, user, fresh); err != nil {
		return err
	}
	return c.users.db.Update(ctx, func(tx *db.Tx) error {
		u, err := c.users.Hold(ctx, tx, user)
		if err != nil {
			return err
		}
		return fn(tx, u)
	})
}

// tell has the user told of a change once it is committed.
func (c *Credentials) tell(ctx context.Context, tx *db.Tx, u User, what, name string) {
	tx.AfterCommit(func() { c.notify.CredentialChanged(ctx, CredentialChange{User: u, What: what, Name: name}) })
}
