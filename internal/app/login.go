package app

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"time"

	"signet/internal/config"
	"signet/internal/egress"
	"signet/internal/login"
	"signet/internal/login/github"
	"signet/internal/login/google"
	"signet/internal/login/oidc"
)

// providerTimeout bounds one request to an identity provider.
const providerTimeout = 5 * time.Second

// issuers says whom the names of identity providers stand for, offered or not: other
// login services name them too.
func issuers(c config.Login) map[string]string {
	all := map[string]string{"github": c.GitHub.BaseURL, "google": c.Google.Issuer}
	for name, o := range c.OIDC {
		all[name] = o.Issuer
	}
	return all
}

// providerName is what people call a provider.
func providerName(c config.Login, provider string) string {
	switch label := c.OIDC[provider].Label; {
	case label != "":
		return label
	case provider == "github":
		return "GitHub"
	case provider == "google":
		return "Google"
	}
	return provider
}

// providers returns the identity providers that have a client id, in the order of
// their buttons.
func (a *App) providers() (all []login.Provider, err error) {
	c := a.Config.Login
	if g := c.GitHub; g.ClientID != "" {
		client, err := providerClient(g.BaseURL)
		if err != nil {
			return nil, err
		}
		all = append(all, github.New(github.Config{
			ClientID: g.ClientID, ClientSecret: g.ClientSecret.Reveal(), BaseURL: g.BaseURL,
			LinkByEmail: g.LinkByEmail == "on", Client: client,
		}))
	}
	if g := c.Google; g.ClientID != "" {
		client, err := providerClient(g.Issuer)
		if err != nil {
			return nil, err
		}
		all = append(all, google.New(google.Config{
			ClientID: g.ClientID, ClientSecret: g.ClientSecret.Reveal(), Issuer: g.Issuer,
			TrustedDomains: a.Config.Account.TrustedEmailDomains, Client: client,
		}))
	}
	for _, name := range slices.Sorted(maps.Keys(c.OIDC)) {
		o := c.OIDC[name]
		if o.ClientID == "" {
			continue
		}
		client, err := providerClient(o.Issuer)
		if err != nil {
			return nil, err
		}
		all = append(all, oidc.New(oidc.Config{
			Name: name, Label: o.Label, Issuer: o.Issuer,
			ClientID: o.ClientID, ClientSecret: o.ClientSecret.Reveal(), Scopes: o.Scopes, Client: client,
		}))
	}
	return all, nil
}

// providerClient returns the client for one provider. The address in the
// configuration is the operator's: its host may be inside. What a discovery document
// names beyond that host must be on the open Internet. Loopback by http is for
// development, and open to this one provider alone.
func providerClient(address string) (*egress.Client, error) {
	c := egress.Config{Timeout: providerTimeout}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("address of an identity provider: %w", err)
	}
	switch {
	case u.Scheme == "http":
		c.Loopback = true
	case address != github.Public && address != google.Issuer:
		port := u.Port()
		if port == "" {
			port = "443"
		}
		c.Allow = []string{net.JoinHostPort(u.Hostname(), port)}
	}
	return egress.New(c)
}
