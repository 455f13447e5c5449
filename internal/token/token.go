// Package token is the token authority: it signs and verifies access tokens
// (RFC 9068), keeps the keys for that and publishes them (RFC 7517), and knows the
// relying apps (OAuth clients, RFC 6749, section 2).
//
// [Authority] issues and verifies, [Clients] keeps the clients, [Codes] brings sign-ins
// to them and tells them of ends. All are safe for concurrent use.
package token

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/ticket"
)

const (
	// Lifetime is how long an access token is good, unless it is to end earlier.
	Lifetime = 5 * time.Minute
	// Skew is by how much the clocks of instances may differ.
	Skew = 10 * time.Second
	// MaxSize is the longest token that is read or issued, in bytes.
	MaxSize = 8 << 10

	// freshFor is how long an instance signs with the key that it knows as active.
	freshFor = time.Minute
	// maxAge is how long others may keep the published keys.
	maxAge = 5 * time.Minute
	// lead is how long a key is published before it signs.
	lead = maxAge + freshFor
	// retired is how long a key verifies after it was retired: an instance may sign
	// with it for freshFor more, what it signs is good for Lifetime, and its clock and
	// that of the instance which verifies may both be off.
	retired = freshFor + Lifetime + 2*Skew

	loadTime = 2 * time.Second // bounds one look at the store
	topic    = "token.keys"
)

// What the authority can refuse. Anything else it returns is an internal error.
var (
	ErrToken   = fault.New(fault.Unauthorized, "access token is not valid").Named("invalid-token")
	ErrClaim   = fault.New(fault.Invalid, "cannot stand in an access token")
	ErrTooSoon = fault.New(fault.Conflict, "the next signing key is not published long enough")
)

// Permissions lists what this package asks for.
func Permissions() []ticket.Permission {
	return []ticket.Permission{
		{Name: "oauth:clients", Text: "see, create, change and delete OAuth clients"},
		{Name: "oauth:keys", Node: true, Text: "rotate the keys that sign access tokens"},
	}
}

// Sealer encrypts what is stored.
type Sealer interface {
	Seal(plaintext []byte, context string) ([]byte, error)
	Open(sealed []byte, context string) ([]byte, error)
}

// Auditor writes to the audit log, in the caller's transaction.
type Auditor interface {
	Record(ctx context.Context, tx *db.Tx, e audit.Event) error
}

// Bus carries notices of changes; a subscription is woken every second at the latest.
type Bus interface {
	Publish(topic string)
	Subscribe(topic string) (changes <-chan struct{}, cancel func())
}

// Options say how an authority issues.
type Options struct {
	Issuer    string    // its URL, as it stands in every token
	Algorithm Algorithm // of new keys; ES256 where empty
	Now       func() time.Time
}

// Authority issues and verifies access tokens with keys of its own.
type Authority struct {
	db      *db.DB
	seal    Sealer
	bus     Bus
	audit   Auditor
	options Options

	loading chan struct{} // has room for one: an older answer of the store must not overtake a younger one
	ring    atomic.Pointer[ring]
}

// New returns an authority that keeps its keys in d. It has none in memory until
// Load, which Issue and Verify call where nobody did.
func New(d *db.DB, s Sealer, b Bus, a Auditor, o Options) *Authority {
	if o.Algorithm == "" {
		o.Algorithm = ES256
	}
	return &Authority{db: d, seal: s, bus: b, audit: a, options: o, loading: make(chan struct{}, 1)}
}

// Run keeps the keys in memory as the store has them, until ctx ends.
func (a *Authority) Run(ctx context.Context) error {
	changes, cancel := a.bus.Subscribe(topic)
	defer cancel()
	failing := false
	for {
		err := a.loadInTime(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			slog.WarnContext(ctx, "signing keys of tokens were not read again", "error", err)
		}
		if err == nil && failing {
			slog.InfoContext(ctx, "signing keys of tokens are read again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
		}
	}
}

func (a *Authority) loadInTime(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, loadTime, errors.New("the store took too long"))
	defer cancel()
	return a.Load(ctx)
}
