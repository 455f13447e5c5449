// Package google signs people in with Google: OpenID Connect, with what Google's
// documents add to it. https://developers.google.com/identity/openid-connect/openid-connect
package google

import (
	"slices"
	"strings"
	"time"

	"signet/internal/egress"
	"signet/internal/login/oidc"
)

// Issuer is Google.
const Issuer = "https://accounts.google.com"

// Config is an OAuth client at Google.
type Config struct {
	ClientID, ClientSecret string
	Issuer                 string   // empty is Issuer; another one in tests
	TrustedDomains         []string // of organisations whose hd claim counts, in lower case
	Client                 *egress.Client
	Now                    func() time.Time // nil is time.Now
}

// New returns the provider. Identities are keyed on sub: addresses at Google change
// hands.
func New(c Config) *oidc.Provider {
	if c.Issuer == "" {
		c.Issuer = Issuer
	}
	_, bare, _ := strings.Cut(c.Issuer, "://")
	return oidc.New(oidc.Config{
		Name: "google", Label: "Google", Issuer: c.Issuer,
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, Client: c.Client, Now: c.Now,
		Prompt: "select_account", PostSecret: true,
		OtherIssuers: []string{bare}, // Google's tokens have iss with and without https://
		Authority:    func(k oidc.Claims) bool { return authority(k, c.TrustedDomains) },
	})
}

// authority reports whether Google hosts the address: it may vouch for its own, and
// for those of an organisation that is its customer now (hd) and is trusted here. For
// every other address somebody proved once that they had it, and may have lost it.
func authority(c oidc.Claims, trusted []string) bool {
	at := strings.LastIndexByte(c.Email, '@')
	if !c.EmailVerified || at < 1 {
		return false
	}
	domain := strings.ToLower(c.Email[at+1:])
	return domain == "gmail.com" || domain == strings.ToLower(c.HostedDomain) && slices.Contains(trusted, domain)
}
