// Package github signs people in at GitHub, or at a GitHub Enterprise Server.
//
// GitHub speaks OAuth 2.0 without OpenID Connect: who somebody is comes from its
// API. https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
package github

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"signet/internal/egress"
	"signet/internal/login"
)

// Public is GitHub itself.
const Public = "https://github.com"

// scope lets us read the addresses, and nothing else that is not public.
const scope = "user:email"

// Config is an OAuth app at GitHub.
type Config struct {
	ClientID, ClientSecret string
	BaseURL                string // empty is Public; else that of an Enterprise Server, without a slash at the end
	LinkByEmail            bool   // the primary, verified address finds a user here, after a mailed code
	Client                 *egress.Client
}

// Provider is GitHub. It is safe for concurrent use.
type Provider struct {
	c     Config
	oauth oauth2.Config
	api   string
}

// New returns the provider.
func New(c Config) *Provider {
	if c.BaseURL == "" {
		c.BaseURL = Public
	}
	return &Provider{c: c, api: apiOf(c.BaseURL), oauth: oauth2.Config{
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, Scopes: []string{scope},
		Endpoint: oauth2.Endpoint{
			AuthURL: c.BaseURL + "/login/oauth/authorize", TokenURL: c.BaseURL + "/login/oauth/access_token",
			AuthStyle: oauth2.AuthStyleInParams, // to try the other way would cost the code
		},
	}}
}

// apiOf returns the API's address, which is another host only at GitHub's own sites.
func apiOf(base string) string {
	scheme, host, _ := strings.Cut(base, "://")
	if base == Public || strings.HasSuffix(host, ".ghe.com") {
		return scheme + "://api." + host
	}
	return base + "/api/v3"
}

// Name implements [login.Provider].
func (p *Provider) Name() string { return "github" }

// Label implements [login.Provider].
func (p *Provider) Label() string { return "GitHub" }

// Issuer implements [login.Provider].
func (p *Provider) Issuer() string { return p.c.BaseURL }

// ResponseIssuer is what GitHub calls itself in the parameter iss (RFC 9207), which
// it sent in 2026 for some days and may send again.
func (p *Provider) ResponseIssuer() string { return p.c.BaseURL + "/login/oauth" }

// Begin implements [login.Provider]. It asks nobody and cannot fail.
func (p *Provider) Begin(_ context.Context, c login.Ceremony) (string, error) {
	return p.at(c).AuthCodeURL(c.State, oauth2.S256ChallengeOption(c.Verifier)), nil
}

// Finish implements [login.Provider]. Sub is the user's number: names at GitHub
// change hands.
func (p *Provider) Finish(ctx context.Context, code string, c login.Ceremony) (login.Profile, error) {
	t, err := p.exchange(ctx, code, c)
	if err != nil {
		return login.Profile{}, login.Fail(login.TokenExchangeFailed, p.Name(), err)
	}
	profile, err := p.user(ctx, t.AccessToken)
	if err != nil {
		return login.Profile{}, login.Fail(login.ProfileFetchFailed, p.Name(), err)
	}
	if !granted(t) {
		return profile, nil // people may take the scope out; they sign in without an address
	}
	all, err := p.emails(ctx, t.AccessToken)
	if err != nil {
		return login.Profile{}, login.Fail(login.EmailFetchFailed, p.Name(), err)
	}
	p.choose(&profile, all)
	return profile, nil
}

// at returns the OAuth configuration of one ceremony.
func (p *Provider) at(c login.Ceremony) *oauth2.Config {
	o := p.oauth
	o.RedirectURL = c.RedirectURI
	return &o
}

// exchange gets the token. GitHub sends errors with status 200.
func (p *Provider) exchange(ctx context.Context, code string, c login.Ceremony) (*oauth2.Token, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, p.c.Client.HTTP())
	t, err := p.at(c).Exchange(ctx, code, oauth2.VerifierOption(c.Verifier))
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return nil, refusal(refused) // its own text has the answer's body
	}
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(t.TokenType, "bearer") {
		return nil, errors.New("the token is no bearer token")
	}
	return t, nil
}

// refusal keeps the error code of GitHub, and of the rest the status.
func refusal(e *oauth2.RetrieveError) error {
	if e.ErrorCode != "" {
		return errors.New(e.ErrorCode)
	}
	return statusError(e.Response.StatusCode)
}

// granted reports whether the token is for the addresses too. Tokens of GitHub Apps
// name no scopes.
func granted(t *oauth2.Token) bool {
	scopes, said := t.Extra("scope").(string)
	if !said {
		return true
	}
	return slices.ContainsFunc(strings.FieldsFunc(scopes, func(r rune) bool { return r == ',' || r == ' ' }),
		func(s string) bool { return s == scope || s == "user" })
}

func statusError(status int) error { return fmt.Errorf("status %d", status) }
