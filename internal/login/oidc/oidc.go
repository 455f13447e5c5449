// Package oidc signs people in at an OpenID Connect provider (OpenID Connect Core
// 1.0, with PKCE, RFC 7636).
//
// What a provider says of an address is kept, and never believed: see
// [Config].Authority for the one exception.
package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"signet/internal/egress"
	"signet/internal/login"
)

// metadataLife is how long a discovery document is used. One that cannot be renewed
// is used on.
const metadataLife = time.Hour

// Config is a client at a provider.
type Config struct {
	Name, Label            string
	Issuer                 string
	ClientID, ClientSecret string
	Scopes                 []string // empty is openid, email and profile; openid is always asked for
	Client                 *egress.Client

	// The rest is for providers that we know better than their documents.
	Prompt       string              // OpenID Connect Core, section 3.1.2.1
	PostSecret   bool                // the secret goes in the body, whatever the documents prefer
	OtherIssuers []string            // further spellings of iss in ID tokens
	Authority    func(c Claims) bool // whether the provider may vouch for Claims.Email; nil is never
	Now          func() time.Time    // nil is time.Now
}

// Provider is an OpenID Connect provider. It is safe for concurrent use.
type Provider struct {
	c Config

	discovery singleflight.Group
	mu        sync.Mutex
	known     *metadata
}

// metadata is what discovery told.
type metadata struct {
	provider *goidc.Provider
	methods  []string // token_endpoint_auth_methods_supported
	at       time.Time
}

// New returns the provider. It is discovered by the first sign-in.
func New(c Config) *Provider {
	if len(c.Scopes) == 0 {
		c.Scopes = []string{"email", "profile"}
	}
	if !slices.Contains(c.Scopes, goidc.ScopeOpenID) {
		c.Scopes = append([]string{goidc.ScopeOpenID}, c.Scopes...)
	}
	if c.Label == "" {
		c.Label = c.Name
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Provider{c: c}
}

// Name implements [login.Provider].
func (p *Provider) Name() string { return p.c.Name }

// Label implements [login.Provider].
func (p *Provider) Label() string { return p.c.Label }

// Issuer implements [login.Provider].
func (p *Provider) Issuer() string { return p.c.Issuer }

// Begin implements [login.Provider].
func (p *Provider) Begin(ctx context.Context, c login.Ceremony) (string, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(c.Verifier), goidc.Nonce(c.Nonce)}
	if p.c.Prompt != "" {
		options = append(options, oauth2.SetAuthURLParam("prompt", p.c.Prompt))
	}
	if c.Locale != "" {
		options = append(options, oauth2.SetAuthURLParam("ui_locales", c.Locale))
	}
	return p.oauth(m, c).AuthCodeURL(c.State, options...), nil
}

// Finish implements [login.Provider].
func (p *Provider) Finish(ctx context.Context, code string, c login.Ceremony) (login.Profile, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return login.Profile{}, login.Fail(login.TokenExchangeFailed, p.c.Name, err)
	}
	ctx = p.client(ctx)
	t, err := p.oauth(m, c).Exchange(ctx, code, oauth2.VerifierOption(c.Verifier))
	if err != nil {
		return login.Profile{}, login.Fail(login.TokenExchangeFailed, p.c.Name, refusal(err))
	}
	claims, err := p.verify(ctx, m, t, c.Nonce)
	if err != nil {
		return login.Profile{}, login.Fail(login.TokenValidationFailed, p.c.Name, err)
	}
	if err := p.complete(ctx, m, t, &claims); err != nil {
		return login.Profile{}, login.Fail(login.ProfileFetchFailed, p.c.Name, err)
	}
	return login.Profile{
		Sub: claims.Sub, Email: claims.Email, DisplayName: claims.Name, Locale: claims.Locale,
		EmailVerified: p.c.Authority != nil && p.c.Authority(claims),
	}, nil
}

func (p *Provider) client(ctx context.Context) context.Context {
	return goidc.ClientContext(ctx, p.c.Client.HTTP())
}

func (p *Provider) oauth(m *metadata, c login.Ceremony) *oauth2.Config {
	endpoint := m.provider.Endpoint()
	// Said here, because the library tries one way after the other, and the first would
	// cost the code. Core, section 9: client_secret_basic is the default.
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if p.c.PostSecret || len(m.methods) > 0 && !slices.Contains(m.methods, "client_secret_basic") {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID: p.c.ClientID, ClientSecret: p.c.ClientSecret, Scopes: p.c.Scopes,
		Endpoint: endpoint, RedirectURL: c.RedirectURI,
	}
}

// metadata returns the discovery document, from memory while it is fresh. Many that
// ask at once ask the provider once.
func (p *Provider) metadata(ctx context.Context) (*metadata, error) {
	p.mu.Lock()
	known := p.known
	p.mu.Unlock()
	if known != nil && p.c.Now().Sub(known.at) < metadataLife {
		return known, nil
	}
	// The one who came first may leave: the egress client's own bound ends the request.
	fresh := p.discovery.DoChan("", func() (any, error) { return p.discover(context.WithoutCancel(ctx)) })
	select {
	case <-ctx.Done():
		return known, unless(known, ctx.Err())
	case r := <-fresh:
		if r.Err != nil {
			return known, unless(known, r.Err)
		}
		m, _ := r.Val.(*metadata)
		return m, nil
	}
}

// unless returns err where there is nothing older to go by.
func unless(known *metadata, err error) error {
	if known != nil {
		return nil
	}
	return err
}

func (p *Provider) discover(ctx context.Context) (*metadata, error) {
	provider, err := goidc.NewProvider(p.client(ctx), p.c.Issuer) // compares the issuer
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	var document struct {
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := provider.Claims(&document); err != nil {
		return nil, errors.New("discovery: the document is not of its shape")
	}
	m := &metadata{provider: provider, methods: document.Methods, at: p.c.Now()}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = m
	return m, nil
}

// refusal keeps the error code of a provider's refusal, and of the rest the status:
// the library's text has the answer's body.
func refusal(err error) error {
	e, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case !ok:
		return err
	case e.ErrorCode != "":
		return errors.New(e.ErrorCode)
	}
	return fmt.Errorf("status %d", e.Response.StatusCode)
}
