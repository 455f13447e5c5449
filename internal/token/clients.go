package token

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/seal"
	"signet/internal/ticket"
)

// What the clients can refuse.
var (
	ErrNoClient = fault.New(fault.NotFound, "no such OAuth client")
	ErrRedirect = fault.New(fault.Invalid, "is not a redirect URI: https, or http on a loopback host, absolute, without user, fragment, spaces or control characters")
	ErrAudience = fault.New(fault.Invalid, "must have 1 to 200 printable characters, none of them a space")
	ErrName     = fault.New(fault.Invalid, "must have 1 to 200 characters, none of them a control character")
	ErrFormat   = fault.New(fault.Invalid, "must be jwt or opaque")
	ErrMany     = fault.Newf(fault.Invalid, "has more than %d elements", maxElements)
	ErrSecret   = fault.New(fault.Unauthorized, "client is unknown, disabled, or did not prove itself").Named("invalid-client")
)

// SecretPrefix tells client secrets apart, for people and for secret scanners.
const SecretPrefix = "sgc_"

const (
	maxElements = 50   // redirect URIs, audiences
	maxURI      = 2000 // bytes
)

// Format is the form of a client's access tokens.
type Format string

// The formats.
const (
	JWT    Format = "jwt"    // RFC 9068
	Opaque Format = "opaque" // to be introspected (RFC 7662)
)

// Client is a relying app. Its secret is shown once and not kept.
type Client struct {
	ID        string // client_id
	Account   string // id of the account (tenant) that it belongs to
	Name      string
	Redirects []string
	LogoutURI string   // where it hears that a session has ended (OpenID Connect Back-Channel Logout 1.0); may be empty
	Audiences []string // that it may have tokens for; the first is the default
	Format    Format
	Created   time.Time
	Disabled  time.Time // zero while it may act
}

// MayRedirect reports whether uri is one of the client's, octet by octet (RFC 9700,
// section 2.1).
func (c Client) MayRedirect(uri string) bool { return slices.Contains(c.Redirects, uri) }

// Accounts knows the accounts.
type Accounts interface {
	// AccountFor returns the id of the account of that name, where the caller of ctx
	// may act in it; of the caller's own where the name is empty.
	AccountFor(ctx context.Context, tx *db.Tx, name string) (id string, err error)
}

// Clients keeps the relying apps.
type Clients struct {
	db       *db.DB
	accounts Accounts
	audit    Auditor
	now      func() time.Time
}

// NewClients returns the clients kept in d.
func NewClients(d *db.DB, accounts Accounts, a Auditor, now func() time.Time) *Clients {
	return &Clients{db: d, accounts: accounts, audit: a, now: now}
}

// NewClient is what a client is created from.
type NewClient struct {
	Name      string
	Account   string // name; the caller's own where empty
	Redirects []string
	LogoutURI string // empty where it need not hear that a session has ended
	Audiences []string
	Format    Format // JWT where empty
}

// Create adds a client and returns it with its secret: 256 random bits.
func (s *Clients) Create(ctx context.Context, n NewClient) (c Client, secret string, err error) {
	if err := ticket.From(ctx).Demand("oauth:clients"); err != nil {
		return Client{}, "", err
	}
	if n.Format == "" {
		n.Format = JWT
	}
	if err := checkClient(n); err != nil {
		return Client{}, "", err
	}
	secret, hash := seal.NewSecret(SecretPrefix)
	c = Client{
		ID: "cli_" + strings.ToLower(rand.Text()), Name: n.Name, Redirects: n.Redirects, LogoutURI: n.LogoutURI, Audiences: n.Audiences,
		Format: n.Format, Created: db.Now(s.now()),
	}
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		if c.Account, err = s.accounts.AccountFor(ctx, tx, n.Account); err != nil {
			return err
		}
		if err := insertClient(ctx, tx, c, hash); err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, audit.Event{Action: "oauth_client.create", Target: c.ID, Detail: map[string]any{
			"name": c.Name, "account": c.Account, "redirect_uris": c.Redirects, "audiences": c.Audiences, "token_format": c.Format,
			"backchannel_logout_uri": c.LogoutURI,
		}})
	})
	if err != nil {
		return Client{}, "", err
	}
	return c, secret, nil
}

// Get returns a client of the caller's account; the operator sees all.
func (s *Clients) Get(ctx context.Context, id string) (Client, error) {
	account, err := reach(ctx)
	if err != nil {
		return Client{}, err
	}
	if db.Clean("client_id", id) != nil {
		return Client{}, ErrNoClient
	}
	var c Client
	err = s.db.View(ctx, func(tx *db.Tx) error {
		c, err = findClient(ctx, tx, id, account)
		return err
	})
	return c, err
}

// List returns the clients of the caller's account, oldest first; the operator sees all.
func (s *Clients) List(ctx context.Context) ([]Client, error) {
	account, err := reach(ctx)
	if err != nil {
		return nil, err
	}
	var all []Client
	err = s.db.View(ctx, func(tx *db.Tx) error {
		all, err = selectClients(ctx, tx, account)
		return err
	})
	return all, err
}

// Disable ends what a client can do. Tokens that it has live on until they expire.
func (s *Clients) Disable(ctx context.Context, id string) error {
	account, err := reach(ctx)
	if err != nil {
		return err
	}
	if db.Clean("client_id", id) != nil {
		return ErrNoClient
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		if err := disableClient(ctx, tx, id, account, db.Now(s.now())); err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, audit.Event{Action: "oauth_client.disable", Target: id})
	})
}

// Authenticate returns the client whose secret it is. It returns ErrSecret for
// unknown clients, disabled ones and their accounts', and wrong secrets alike.
func (s *Clients) Authenticate(ctx context.Context, id, secret string) (Client, error) {
	if db.Clean("client_id", id) != nil {
		return Client{}, ErrSecret
	}
	hash := seal.SecretHash(secret)
	var c Client
	err := s.db.View(ctx, func(tx *db.Tx) error {
		kept, err := secretOf(ctx, tx, id)
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare(kept, hash) != 1 {
			return ErrSecret
		}
		c, err = findClient(ctx, tx, id, "")
		return err
	})
	return c, err
}

// reach returns the account whose clients the caller may see; empty for all.
func reach(ctx context.Context) (account string, err error) {
	t := ticket.From(ctx)
	if err := t.Demand("oauth:clients"); err != nil {
		return "", err
	}
	if t.Kind == ticket.System {
		return "", nil
	}
	if t.Account == "" {
		return "", ErrNoClient
	}
	return t.Account, nil
}
