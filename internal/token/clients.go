package token

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/recent"
	"signet/internal/seal"
	"signet/internal/ticket"
)

// What the clients can refuse.
var (
	ErrNoClient    = fault.New(fault.NotFound, "no such OAuth client")
	ErrNoTenant    = fault.New(fault.NotFound, "no such account")
	ErrClientTaken = fault.New(fault.Conflict, "another client has it, or had it: an id is not used again").Named("client-taken")

	ErrRedirect = fault.New(fault.Invalid, "is not an address that is taken here: https, or http on a loopback host, absolute, without user, fragment, spaces or control characters").Named("redirect-uri")
	// ErrUnregistered is of requests: the address may be good, but is not the client's.
	ErrUnregistered = fault.New(fault.Invalid, "is not among those that the client has registered").Named("unregistered-uri")

	ErrAudience  = fault.New(fault.Invalid, "must have 1 to 200 printable characters, none of them a space")
	ErrName      = fault.New(fault.Invalid, "must have 1 to 200 characters, none of them a control character")
	ErrFormat    = fault.New(fault.Invalid, "must be jwt or opaque")
	ErrClientID  = fault.New(fault.Invalid, "must have 1 to 64 of a-z, 0-9, -, _ and ., and not begin with cli_ or usr_").Named("client-id")
	ErrAuth      = fault.New(fault.Invalid, "must be client_secret_basic, client_secret_post, private_key_jwt, tls_client_auth, self_signed_tls_client_auth or none")
	ErrGrants    = fault.New(fault.Invalid, "is not a set of grant types that such a client can use").Named("client-grants")
	ErrScope     = fault.New(fault.Invalid, "must be scope-tokens of RFC 6749, section 3.3, of at most 100 characters").Named("client-scope")
	ErrNodeOnly  = fault.New(fault.Invalid, "concerns the whole installation: only clients of the system account may ask for it").Named("node-only")
	ErrKeys      = fault.New(fault.Invalid, "does not fit how the client proves itself").Named("client-keys")
	ErrSubject   = fault.New(fault.Invalid, "must be one of dn:, dns:, uri:, ip: and email: with a value (RFC 8705, section 2.1.2)").Named("client-subject")
	ErrConsent   = fault.New(fault.Invalid, "must be ask, or never for an app that cannot be mistaken for another").Named("client-consent")
	ErrDemand    = fault.New(fault.Invalid, "must be off, optional or required")
	ErrOwnSecret = fault.Newf(fault.Invalid, "must have %d to %d printable characters without spaces, such as 256 random bits in base64", minSecret, maxSecret)
	ErrFixed     = fault.New(fault.Invalid, "stays as the client was created")
	ErrMany      = fault.Newf(fault.Invalid, "has more than %d elements", maxElements)
	ErrNoSecret  = fault.New(fault.Conflict, "the client has no secret: it proves itself otherwise").Named("no-secret")
	ErrSecret    = fault.New(fault.Unauthorized, "client is unknown, disabled, or did not prove itself").Named("invalid-client")
)

// SecretPrefix tells client secrets apart, for people and for secret scanners.
const SecretPrefix = "sgc_"

const (
	maxElements = 50   // redirect URIs, audiences
	maxURI      = 2000 // bytes
	minSecret   = 43   // bytes: 256 bits in base64. It is kept as a plain hash, so nobody may guess it
	maxSecret   = 200

	// printable are the characters of a secret that needs no care anywhere.
	printable = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/="
)

// AuthMethod is how a client proves itself (OpenID Connect Core, section 9; RFC 8705,
// section 2).
type AuthMethod string

// The methods.
const (
	AuthBasic      AuthMethod = "client_secret_basic"
	AuthPost       AuthMethod = "client_secret_post"
	AuthKey        AuthMethod = "private_key_jwt"
	AuthTLS        AuthMethod = "tls_client_auth"
	AuthSelfSigned AuthMethod = "self_signed_tls_client_auth"
	AuthNone       AuthMethod = "none" // a public client
)

func (m AuthMethod) hasSecret() bool { return m == AuthBasic || m == AuthPost }
func (m AuthMethod) hasKeys() bool   { return m == AuthKey || m == AuthSelfSigned }

// AuthMethods lists the methods, the default first.
func AuthMethods() []AuthMethod {
	return []AuthMethod{AuthBasic, AuthPost, AuthKey, AuthTLS, AuthSelfSigned, AuthNone}
}

// The grant types (RFC 6749, RFC 8628).
const (
	GrantCode        = "authorization_code"
	GrantRefresh     = "refresh_token"
	GrantCredentials = "client_credentials"
	GrantDevice      = "urn:ietf:params:oauth:grant-type:device_code"
)

// Grants lists the grant types.
func Grants() []string { return []string{GrantCode, GrantRefresh, GrantCredentials, GrantDevice} }

// Consent says whether people are asked before an app gets what it asks for.
type Consent string

// The consents.
const (
	ConsentAsk   Consent = "ask"
	ConsentNever Consent = "never" // a trusted app of the same owner
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
	ID      string // client_id
	Account string // id of the account (tenant) that it belongs to
	Name    string
	Auth    AuthMethod // the only one by which it proves itself at the token endpoint
	Grants  []string   // grant types that it may use; none is needed for handoffs
	Scopes  []string   // scope-tokens (RFC 6749, section 3.3) that it may ask for

	Redirects           []string
	PostLogoutRedirects []string // OpenID Connect RP-Initiated Logout 1.0, section 3.1
	LogoutURI           string   // where it hears that a session has ended (OpenID Connect Back-Channel Logout 1.0); may be empty

	Audiences []string // that it may have tokens for; the first is the default
	Format    Format

	JWKS       string // its public keys (RFC 7517, section 5), as text; or
	JWKSURI    string // where they are
	TLSSubject string // whom its certificate names: dn:, dns:, uri:, ip: or email: and the value (RFC 8705, section 2.1.2)

	Consent Consent
	Policy  Policy // what it demands itself; see [Clients.Demands]

	Created        time.Time
	Disabled       time.Time // zero while it may act
	OldSecretUntil time.Time // how long the secret before the last one is good; zero where there is none
}

// MayRedirect reports whether uri is one of the client's: octet by octet (RFC 9700,
// section 2.1), but on any port where a loopback URI was registered without one (RFC
// 8252, section 7.3).
func (c Client) MayRedirect(uri string) bool { return hasRedirect(c.Redirects, uri) }

// MayLeaveTo is MayRedirect for the end of a session.
func (c Client) MayLeaveTo(uri string) bool { return hasRedirect(c.PostLogoutRedirects, uri) }

// MayUse reports whether the client may use a grant type.
func (c Client) MayUse(grant string) bool { return slices.Contains(c.Grants, grant) }

// Public reports whether the client cannot prove itself (RFC 6749, section 2.1).
func (c Client) Public() bool { return c.Auth == AuthNone }

// Accounts knows the accounts.
type Accounts interface {
	// AccountFor returns the id of the account of that name, where the caller of ctx
	// may act in it; of the caller's own where the name is empty.
	AccountFor(ctx context.Context, tx *db.Tx, name string) (id string, err error)
}

// ClientOptions say what clients are held to.
type ClientOptions struct {
	// Catalogue lists every permission: a scope of that name opens what it opens.
	Catalogue []ticket.Permission
	Issuer    string         // what client assertions are for
	Once      Once           // of AssertionSpace; nil where no client authenticates with one
	Getter    Getter         // of the keys of clients; nil where none authenticates
	ClientCAs *x509.CertPool // who may issue certificates of clients; nil is nobody
	Now       func() time.Time
}

// Clients keeps the relying apps.
type Clients struct {
	db       *db.DB
	accounts Accounts
	audit    Auditor
	options  ClientOptions
	remote   remoteKeys
	actors   *recent.Cache[string, actor]
	tenants  *recent.Cache[string, Policy]
}

// NewClients returns the clients kept in d.
func NewClients(d *db.DB, accounts Accounts, a Auditor, o ClientOptions) *Clients {
	return &Clients{
		db: d, accounts: accounts, audit: a, options: o,
		remote: remoteKeys{get: o.Getter, now: o.Now, byURI: map[string]heldKeys{}},
		actors: recent.New[string, actor](o.Now), tenants: recent.New[string, Policy](o.Now),
	}
}

// NewClient is what a client is created from. What is empty is as [Client] says, or its
// default.
type NewClient struct {
	ID      string // 1 to 64 of a-z, 0-9, -, _ and .; made where empty
	Name    string
	Account string     // name; the caller's own where empty
	Auth    AuthMethod // AuthBasic where empty
	Grants  []string
	Scopes  []string

	Redirects           []string
	PostLogoutRedirects []string
	LogoutURI           string // empty where it need not hear that a session has ended

	Audiences []string
	Format    Format // JWT where empty

	JWKS       string
	JWKSURI    string
	TLSSubject string

	Consent Consent // ConsentAsk where empty
	Policy  Policy  // Optional where empty

	Secret string // one that the owner has already, as random as ours; made where empty
}

// client returns the client that is to be.
func (n NewClient) client(now time.Time) Client {
	c := Client{
		ID: n.ID, Name: n.Name, Auth: n.Auth, Grants: n.Grants, Scopes: n.Scopes,
		Redirects: n.Redirects, PostLogoutRedirects: n.PostLogoutRedirects, LogoutURI: n.LogoutURI,
		Audiences: n.Audiences, Format: n.Format, JWKS: n.JWKS, JWKSURI: n.JWKSURI, TLSSubject: n.TLSSubject,
		Consent: n.Consent, Policy: n.Policy, Created: db.Now(now),
	}
	if c.ID == "" {
		c.ID = "cli_" + strings.ToLower(rand.Text())
	}
	return c.normal()
}

// normal returns the client with its defaults, and with one way to say the same.
func (c Client) normal() Client {
	c.Auth, c.Format = cmp.Or(c.Auth, AuthBasic), cmp.Or(c.Format, JWT)
	c.Consent, c.Policy.DPoP, c.Policy.MTLS = cmp.Or(c.Consent, ConsentAsk), cmp.Or(c.Policy.DPoP, Optional), cmp.Or(c.Policy.MTLS, Optional)
	c.blank()
	var short bytes.Buffer
	if json.Compact(&short, []byte(c.JWKS)) == nil {
		c.JWKS = short.String()
	}
	return c
}

// blank has every list that is empty be nil.
func (c *Client) blank() {
	for _, list := range []*[]string{&c.Grants, &c.Scopes, &c.Redirects, &c.PostLogoutRedirects, &c.Audiences} {
		if len(*list) == 0 {
			*list = nil
		}
	}
}

// Create adds a client and returns it with its secret, 256 random bits, which is empty
// where the client proves itself otherwise. It returns ErrClientTaken where the id is
// another's, or was. The caller holds every permission that a scope names.
func (s *Clients) Create(ctx context.Context, n NewClient) (c Client, secret string, err error) {
	return s.create(ctx, n, false)
}

// create is Create; a trial leaves nothing behind.
func (s *Clients) create(ctx context.Context, n NewClient, trial bool) (c Client, secret string, err error) {
	if err := ticket.From(ctx).Demand("oauth:clients"); err != nil {
		return Client{}, "", err
	}
	if n.ID != "" && !isClientID(n.ID) {
		return Client{}, "", ErrClientID.At("client_id")
	}
	c = n.client(s.options.Now())
	if err := checkClient(c); err != nil {
		return Client{}, "", err
	}
	secret, hash, err := n.secret(c.Auth)
	if err != nil {
		return Client{}, "", err
	}
	err = s.change(ctx, func(tx *db.Tx) error {
		if c.Account, err = s.accounts.AccountFor(ctx, tx, n.Account); err != nil {
			return err
		}
		if err := s.mayScope(ctx, tx, c); err != nil {
			return err
		}
		if err := mayAudience(ctx, tx, c, nil); err != nil {
			return err
		}
		if err := insertClient(ctx, tx, c, hash); err != nil {
			return err
		}
		if trial {
			return errTrial
		}
		detail := c.detail()
		detail["account"] = c.Account
		return s.audit.Record(ctx, tx, audit.Event{Action: "oauth_client.create", Target: c.ID, Detail: detail})
	})
	if err != nil && !errors.Is(err, errTrial) {
		return Client{}, "", err
	}
	return c, secret, nil
}

// secret returns the secret that the client will have, and what is kept of it.
func (n NewClient) secret(m AuthMethod) (secret string, hash []byte, err error) {
	switch {
	case n.Secret == "" && m.hasSecret():
		secret, hash = seal.NewSecret(SecretPrefix)
		return secret, hash, nil
	case n.Secret == "":
		return "", nil, nil
	case !m.hasSecret():
		return "", nil, ErrKeys.At("secret").Because("%s takes none", m)
	case len(n.Secret) < minSecret || len(n.Secret) > maxSecret || strings.Trim(n.Secret, printable) != "":
		return "", nil, ErrOwnSecret.At("secret")
	}
	return n.Secret, seal.SecretHash(n.Secret), nil
}

// detail is what the audit log keeps of a client.
func (c Client) detail() map[string]any {
	return map[string]any{
		"name": c.Name, "auth_method": c.Auth, "grants": c.Grants, "scopes": c.Scopes,
		"redirect_uris": c.Redirects, "post_logout_redirect_uris": c.PostLogoutRedirects, "backchannel_logout_uri": c.LogoutURI,
		"audiences": c.Audiences, "token_format": c.Format, "jwks": c.JWKS, "jwks_uri": c.JWKSURI, "tls_subject": c.TLSSubject,
		"consent": c.Consent, "dpop": c.Policy.DPoP, "mtls": c.Policy.MTLS,
	}
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

// Disable ends what a client can do, at once and for good. Tokens that it has live on until they expire.
func (s *Clients) Disable(ctx context.Context, id string) error {
	account, err := reach(ctx)
	if err != nil {
		return err
	}
	if db.Clean("client_id", id) != nil {
		return ErrNoClient
	}
	return s.change(ctx, func(tx *db.Tx) error {
		if err := disableClient(ctx, tx, id, account, db.Now(s.options.Now())); err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, audit.Event{Action: "oauth_client.disable", Target: id})
	})
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
