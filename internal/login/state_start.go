package login

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/seal"
)

// What a start can refuse. Anything else is ErrNext, an error of Nexts, one of the
// limiter, or internal.
var (
	ErrNoProvider   = fault.New(fault.NotFound, "there is no such identity provider")
	ErrProviderAway = fault.New(fault.Unavailable, "the identity provider cannot be reached: try again or sign in another way")
	ErrBusy         = fault.New(fault.Unavailable, "too many sign-ins are under way: try again soon").After(time.Minute)
	ErrChallenge    = fault.New(fault.Invalid, "must be the SHA-256 of a verifier in base64url (S256), and there where there is a client_id").At("challenge")
)

// Limits.
const (
	maxStates  = 50_000
	pruneBatch = 1000
	pruneEvery = time.Minute
	beginTime  = 8 * time.Second  // until a start gives up
	finishTime = 20 * time.Second // until a callback gives up; each request of it has a bound of its own
)

// Limiter bounds how often an address prefix begins.
type Limiter interface {
	// Take takes one start of key's, or returns a fault.
	Take(key string) error
}

// ProviderOptions are what [NewProviders] needs.
type ProviderOptions struct {
	Providers []Provider
	Origin    string // of this server, such as https://auth.example.org
	Key       []byte // 32 bytes, the same in every instance
	Limiter   Limiter

	// Nexts returns the redirect URIs of a relying app, or a fault where there is no
	// such app. It is not asked about no app.
	Nexts func(ctx context.Context, client string) ([]string, error)
	// Locale returns the language of ours that a tag stands for, and "" where none does.
	Locale func(tag string) string

	Now       func() time.Time // nil is time.Now
	MaxStates int              // zero is 50,000
}

// Providers begins sign-ins at outside providers and ends them. It is safe for
// concurrent use.
type Providers struct {
	db  *db.DB
	o   ProviderOptions
	now func() time.Time
}

// NewProviders returns the providers of an installation.
func NewProviders(d *db.DB, o ProviderOptions) *Providers {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxStates == 0 {
		o.MaxStates = maxStates
	}
	return &Providers{db: d, o: o, now: func() time.Time { return db.Now(o.Now()) }}
}

// Offered returns the providers that have a button, in the order of the options.
func (p *Providers) Offered() []Provider { return p.o.Providers }

func (p *Providers) named(name string) (Provider, bool) {
	for _, one := range p.o.Providers {
		if one.Name() == name {
			return one, true
		}
	}
	return nil, false
}

// StartRequest is what a browser begins with.
type StartRequest struct {
	Provider, Purpose string
	Next, Locale      string
	Client, Challenge string // of the relying app; both or neither
	User, Session     string // who links; empty for a sign-in
	Browser           string // value of the cookie __Host-signet-login, or ""
	Address           netip.Addr
}

// Started is where the browser goes.
type Started struct {
	URL     string // at the provider
	Browser string // for the cookie __Host-signet-login: HttpOnly, Secure, SameSite=Lax, for StateLife
}

// Start begins a sign-in, or the linking of an identity. A browser that has begun
// already keeps its cookie, so that several tabs can be under way.
func (p *Providers) Start(ctx context.Context, r StartRequest) (Started, error) {
	one, ok := p.named(r.Provider)
	if !ok {
		return Started{}, ErrNoProvider
	}
	if err := p.checkStart(ctx, &r); err != nil {
		return Started{}, err
	}
	if !isSecret(r.Browser) {
		r.Browser, _ = seal.NewSecret("")
	}
	value, hash := seal.NewSecret("")
	begin, cancel := context.WithTimeout(ctx, beginTime)
	defer cancel()
	url, err := one.Begin(begin, p.ceremony(value, one.Name(), r.Locale))
	if err != nil {
		return Started{}, fmt.Errorf("begin at %s: %w (%w)", one.Name(), ErrProviderAway, err)
	}
	at := p.now()
	err = p.store(ctx, state{
		hash: hash, browser: seal.SecretHash(r.Browser), provider: one.Name(), issuer: one.Issuer(),
		purpose: r.Purpose, next: r.Next, locale: r.Locale, client: r.Client, challenge: r.Challenge,
		user: r.User, session: r.Session, created: at, expires: at.Add(StateLife),
	})
	return Started{URL: url, Browser: r.Browser}, err
}

// checkStart checks a request, and keeps of it only what is ours.
func (p *Providers) checkStart(ctx context.Context, r *StartRequest) (err error) {
	links := r.User != "" && r.Session != ""
	if r.Purpose != PurposeSignIn && r.Purpose != PurposeLink || links != (r.Purpose == PurposeLink) {
		return fmt.Errorf("start with purpose %q: a link has user and session, a sign-in neither", r.Purpose)
	}
	if err := p.o.Limiter.Take(prefix(r.Address)); err != nil {
		return err
	}
	if (r.Client == "") != (r.Challenge == "") || r.Challenge != "" && !isSecret(r.Challenge) {
		return ErrChallenge
	}
	r.Locale = p.o.Locale(r.Locale)
	r.Next, err = p.checkNext(ctx, r.Next, r.Client)
	return err
}

// checkNext asks who is registered even where next is empty: an app must exist.
func (p *Providers) checkNext(ctx context.Context, next, client string) (string, error) {
	if client == "" {
		return CheckNext(next, nil)
	}
	if err := db.Clean("client_id", client); err != nil {
		return "", err
	}
	registered, err := p.o.Nexts(ctx, client)
	if err != nil {
		return "", err
	}
	return CheckNext(next, registered)
}

// prefix is whom starts are counted for: an IPv4 address, or a network of 56 bits. One
// customer often has as much as that, and with 256 budgets could fill the table.
func prefix(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	network, _ := a.Prefix(56)
	return network.String()
}

// store keeps a state. A full table first loses what has expired.
func (p *Providers) store(ctx context.Context, s state) error {
	return p.db.Update(ctx, func(tx *db.Tx) error {
		for range 2 {
			if ok, err := insertState(ctx, tx, s, p.o.MaxStates); ok || err != nil {
				return err
			}
			if _, err := pruneStates(ctx, tx, p.now(), pruneBatch); err != nil {
				return err
			}
		}
		return ErrBusy
	})
}

// Prune deletes the states that have expired, in batches, and says how many.
func (p *Providers) Prune(ctx context.Context) (total int64, err error) {
	for {
		var n int64
		err = p.db.Update(ctx, func(tx *db.Tx) (err error) {
			n, err = pruneStates(ctx, tx, p.now(), pruneBatch)
			return err
		})
		total += n
		if err != nil || n < pruneBatch {
			return total, err
		}
	}
}

// Run prunes until ctx ends. A database that is away is asked again.
func (p *Providers) Run(ctx context.Context) error {
	t := time.NewTicker(pruneEvery)
	defer t.Stop()
	for {
		if _, err := p.Prune(ctx); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "expired sign-ins were not deleted", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}
