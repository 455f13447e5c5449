package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Claims are what a provider says of somebody (OpenID Connect Core, section 5.1).
type Claims struct {
	Sub           string
	Email         string
	EmailVerified bool
	HostedDomain  string // hd: Google's word for the organisation that has the user
	Name          string
	Locale        string
}

// wire is Claims as they arrive.
type wire struct {
	Sub           string `json:"sub"`
	Email         string `json:"email"`
	EmailVerified flag   `json:"email_verified"`
	HostedDomain  string `json:"hd"`
	Name          string `json:"name"`
	Locale        string `json:"locale"`
	AuthorizedFor string `json:"azp"`
}

// flag reads a boolean that some providers write as a string. All else is false.
type flag bool

// UnmarshalJSON implements [json.Unmarshaler].
func (f *flag) UnmarshalJSON(b []byte) error {
	*f = string(b) == `true` || string(b) == `"true"`
	return nil
}

func (w wire) claims() Claims {
	return Claims{w.Sub, w.Email, bool(w.EmailVerified), w.HostedDomain, w.Name, w.Locale}
}

// verify checks the ID token in the order of Core, section 3.1.3.7.
func (p *Provider) verify(ctx context.Context, m *metadata, t *oauth2.Token, nonce string) (Claims, error) {
	raw, ok := t.Extra("id_token").(string)
	if !ok || raw == "" {
		return Claims{}, errors.New("there is no ID token")
	}
	// Signature, aud, exp and nbf are the library's; of the algorithms that discovery
	// names it takes the asymmetric ones alone.
	id, err := m.provider.VerifierContext(ctx, &goidc.Config{
		ClientID: p.c.ClientID, SkipIssuerCheck: true, Now: p.c.Now,
	}).Verify(ctx, raw)
	if err != nil {
		return Claims{}, err
	}
	if id.Issuer != p.c.Issuer && !slices.Contains(p.c.OtherIssuers, id.Issuer) {
		return Claims{}, errors.New("iss is another issuer")
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1 {
		return Claims{}, errors.New("nonce is another sign-in's")
	}
	var w wire
	if err := id.Claims(&w); err != nil {
		return Claims{}, errors.New("the claims are not of their shape")
	}
	if w.AuthorizedFor != "" && w.AuthorizedFor != p.c.ClientID || w.AuthorizedFor == "" && len(id.Audience) > 1 {
		return Claims{}, errors.New("azp is another client")
	}
	if id.AccessTokenHash != "" && id.VerifyAccessToken(t.AccessToken) != nil {
		return Claims{}, errors.New("at_hash is another access token's")
	}
	return w.claims(), nil
}

// complete asks UserInfo where the ID token has neither an address nor a name: many
// providers answer there alone. Its sub must be the ID token's (Core, section 5.3.2).
func (p *Provider) complete(ctx context.Context, m *metadata, t *oauth2.Token, c *Claims) error {
	if c.Email != "" || c.Name != "" || m.provider.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := m.provider.UserInfo(ctx, oauth2.StaticTokenSource(t))
	if err != nil {
		return fmt.Errorf("userinfo: %w", err)
	}
	if info.Subject != c.Sub {
		return errors.New("userinfo: sub is somebody else")
	}
	var w wire
	if err := info.Claims(&w); err != nil {
		return errors.New("userinfo: the claims are not of their shape")
	}
	hosted := c.HostedDomain // signed; UserInfo is not
	*c = w.claims()
	c.HostedDomain = hosted
	return nil
}
