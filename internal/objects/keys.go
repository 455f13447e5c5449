package objects

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/recent"
	"signet/internal/seal"
	"signet/internal/ticket"
)

// What the keys can refuse.
var (
	ErrNoAccessKey = fault.New(fault.NotFound, "no such access key")
	ErrNoKeyUser   = fault.New(fault.NotFound, "no such user in the account: users make keys of their own")
	ErrKeyName     = fault.New(fault.Invalid, "must have 1 to 200 characters, none of them a control character").At("name")
	ErrKeyExpiry   = fault.New(fault.Invalid, "must lie in the future").At("expires_at")
	ErrKeyRate     = fault.New(fault.Invalid, "must be from 0 to 100000 requests a second").At("rate")
	ErrOverlap     = fault.New(fault.Invalid, "must be from 0 s to 90 days").At("overlap")
	ErrKeyEnded    = fault.New(fault.Conflict, "the access key was revoked, has expired, or has a successor already").Named("key-ended")
	ErrKeySecret   = fault.New(fault.Conflict, "there is a key of this id with another secret, and secrets of keys do not change: rotate the key, or take another id").Named("key-secret")
	ErrKeyOfUser   = fault.New(fault.Forbidden, "the key acts for a user, who alone rotates it")
)

const (
	maxRate    = 100_000
	maxOverlap = 90 * 24 * time.Hour
)

// Accounts knows whom keys may belong to.
type Accounts interface {
	// AccountFor returns the id of the account of that name, of the caller's own where the
	// name is empty, where the caller may act in it.
	AccountFor(ctx context.Context, tx *db.Tx, name string) (string, error)
	// Member returns the id of a user, named by id or verified address, who may act in the
	// account; with an empty account, in any. The error is of kind NotFound where there is none.
	Member(ctx context.Context, tx *db.Tx, user, account string) (string, error)
	// MayAct reports whether an account may be used now and, where user is not empty, by
	// that user.
	MayAct(ctx context.Context, tx *db.Tx, user, account string) (bool, error)
}

// KeyOptions are what keys need besides the database.
type KeyOptions struct {
	Accounts Accounts
	Alive    func(context.Context, Parent) (bool, error) // whether what temporary keys came of goes on; nil: it does
	Rate     int                                         // requests a second of a key that has no rate of its own; 0: any
	Overlap  time.Duration                               // how long a rotated key lives beside its successor, unless said otherwise
	Now      func() time.Time
}

// Keys keeps the access keys, and tells the door which may sign. It is safe for
// concurrent use.
type Keys struct {
	db    *db.DB
	seal  *seal.Sealer
	audit Auditor
	o     KeyOptions

	held *recent.Cache[string, *signer] // by access key id; nil: there is none

	lock    sync.Mutex
	signers map[string]*signer // of held, for as long as their rows do not change
	rates   *rates
	used    map[string]time.Time // by id of the key, since the last flush
}

// NewKeys returns the keys in d. Their secrets are sealed by s.
func NewKeys(d *db.DB, s *seal.Sealer, a Auditor, o KeyOptions) *Keys {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Keys{
		db: d, seal: s, audit: a, o: o, held: recent.New[string, *signer](o.Now),
		signers: map[string]*signer{}, rates: newRates(o.Rate), used: map[string]time.Time{},
	}
}

// Key describes an access key. Its secret is shown once, when it is made.
type Key struct {
	ID          string
	AccessKeyID string
	Name        string
	Account     string
	User        string // whom it acts for; empty: for the account itself
	Owner       string // as Caller.Owner
	Family      string // id of the first key of its rotations
	Limited     bool   // it may only what it was granted itself
	Rate        int    // requests a second; 0: as configured
	Predecessor string // id of the key that it took over from
	Created     time.Time
	Expires     time.Time // zero: never
	LastUsed    time.Time // to the minute; zero: never
	Revoked     time.Time // zero while it may be used
}

// Live reports whether the key may sign at a time.
func (k Key) Live(at time.Time) bool {
	return k.Revoked.IsZero() && (k.Expires.IsZero() || at.Before(k.Expires))
}

// NewKey is what an access key is made from.
type NewKey struct {
	Name    string
	Account string      // name; the caller's own where empty, at the command line the system account
	User    string      // whom it acts for, by id or address; empty: for the account itself
	Expires time.Time   // zero: never
	Grants  []Allowance // where there are any, the key may nothing else
	Rate    int         // requests a second; 0: as configured
}

func (k *Keys) check(n NewKey) error {
	switch {
	case n.Name == "", utf8.RuneCountInString(n.Name) > 200, strings.ContainsFunc(n.Name, unicode.IsControl):
		return ErrKeyName
	case !n.Expires.IsZero() && !n.Expires.After(k.o.Now()):
		return ErrKeyExpiry
	case n.Rate < 0 || n.Rate > maxRate:
		return ErrKeyRate
	}
	for _, g := range n.Grants {
		if err := g.check(); err != nil {
			return err
		}
	}
	return db.Clean("name", n.Name)
}

// Create makes an access key and returns its secret. Users make keys that act for
// themselves; keys of the account itself need objects:write; the command line makes any.
// A person must have signed in within minutes.
func (k *Keys) Create(ctx context.Context, n NewKey) (made Key, secret string, err error) {
	t := ticket.From(ctx)
	if err := mayMake(t, n); err != nil {
		return Key{}, "", err
	}
	if err := t.DemandFresh(k.o.Now()); err != nil {
		return Key{}, "", err
	}
	if err := k.check(n); err != nil {
		return Key{}, "", err
	}
	made = Key{
		ID: newID("sak"), AccessKeyID: newAccessKeyID("AKIA"), Name: n.Name, Limited: len(n.Grants) > 0, Rate: n.Rate,
		Created: db.Now(k.o.Now()), Expires: db.Now(n.Expires),
	}
	if n.Expires.IsZero() {
		made.Expires = time.Time{}
	}
	made.Family, secret = made.ID, newSecret()
	err = k.change(ctx, func(tx *db.Tx) error {
		if err := k.assign(ctx, tx, &made, n); err != nil {
			return err
		}
		if err := k.insert(ctx, tx, made, secret); err != nil {
			return err
		}
		for _, g := range n.Grants {
			if err := insertGrant(ctx, tx, grantOf(t, made, g)); err != nil {
				return err
			}
		}
		return k.record(ctx, tx, "objects.create_key", made, map[string]any{"name": made.Name, "user": made.User, "grants": allowanceTexts(n.Grants)})
	})
	return made, secret, err
}

// mayMake refuses who may not make such a key. Nobody makes a key that acts for another.
func mayMake(t *ticket.Ticket, n NewKey) error {
	switch {
	case t == nil:
		return ticket.ErrNone
	case t.Kind == ticket.System:
		return nil
	case n.User == "":
		return t.Demand(writeObjects)
	case t.Kind != ticket.User || n.User != t.Subject:
		return ErrNoKeyUser
	}
	return inScope(t, writeObjects)
}

func inScope(t *ticket.Ticket, scope string) error {
	if !t.InScope(scope) {
		return ticket.ErrForbidden.Because("the token lacks the scope %s", scope)
	}
	return nil
}

// assign sets whose a key is.
func (k *Keys) assign(ctx context.Context, tx *db.Tx, made *Key, n NewKey) (err error) {
	if made.Account, err = k.o.Accounts.AccountFor(ctx, tx, n.Account); err != nil {
		return err
	}
	made.Owner = "key:" + made.Family
	if n.User == "" {
		return nil
	}
	made.User, err = k.o.Accounts.Member(ctx, tx, n.User, made.Account)
	if fault.KindOf(err) == fault.NotFound {
		return ErrNoKeyUser
	}
	made.Owner = "user:" + made.User
	return err
}

// insert keeps a key with its sealed secret.
func (k *Keys) insert(ctx context.Context, tx *db.Tx, made Key, secret string) error {
	sealed, err := k.seal.Seal([]byte(secret), keyContext(made.ID))
	if err != nil {
		return err
	}
	return insertKey(ctx, tx, made, sealed)
}

// change runs fn in a transaction that changes keys, and forgets what was read before.
func (k *Keys) change(ctx context.Context, fn func(tx *db.Tx) error) error {
	return k.db.Update(ctx, func(tx *db.Tx) error {
		tx.AfterCommit(k.held.Forget)
		return fn(tx)
	})
}

func (k *Keys) record(ctx context.Context, tx *db.Tx, action string, of Key, detail map[string]any) error {
	return k.audit.Record(ctx, tx, audit.Event{Action: action, Target: of.AccessKeyID, Account: of.Account, Detail: detail})
}

func newID(kind string) string { return kind + "_" + strings.ToLower(rand.Text()) }

// newAccessKeyID returns 80 random bits as AWS writes them, 20 characters in all.
func newAccessKeyID(kind string) string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // it never fails
	return kind + base32.StdEncoding.EncodeToString(b[:])
}

// newSecret returns 240 random bits in 40 characters, as AWS writes them. Those that
// people's tools stumble over stay out: + and / become letters of base64url.
func newSecret() string {
	var b [30]byte
	_, _ = rand.Read(b[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
