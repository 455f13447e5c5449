package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

func (a *Account) validate() (problems []error) {
	for _, domain := range a.TrustedEmailDomains {
		if !isDomain(domain) {
			problems = append(problems, fmt.Errorf("account.trustedEmailDomains: %q is not a domain in lower case (try example.org)", domain))
		}
	}
	return append(problems, a.Mail.validate()...)
}

func (m *Mail) validate() (problems []error) {
	if a, err := mail.ParseAddress(m.From); m.From != "" && (err != nil || strings.ContainsFunc(m.From, unicode.IsControl) || strings.ContainsFunc(a.Address, notASCII)) {
		problems = append(problems, fmt.Errorf("account.mail.from: %q is not a mail address (try Signet <signet@example.org>)", m.From))
	}
	if (m.User == "") != (m.Password == "") {
		problems = append(problems, errors.New("account.mail.user, account.mail.password: want both or neither"))
	}
	if m.Server == "" {
		return problems
	}
	problems = appendIf(problems, checkListen("account.mail.server", m.Server))
	if host, _, _ := net.SplitHostPort(m.Server); host == "" {
		problems = append(problems, fmt.Errorf("account.mail.server: %q names no host (try mail.example.org:587)", m.Server))
	}
	if m.TLS == "none" && !loopback(m.Server) {
		problems = append(problems, fmt.Errorf("account.mail.tls: none is for a server on loopback, and %s is not: links would cross the network in the clear", m.Server))
	}
	return problems
}

func notASCII(r rune) bool { return r > unicode.MaxASCII }

func (l *Login) validate() (problems []error) {
	if (l.Account.URL == "") != (l.Account.Key == "") {
		problems = append(problems, errors.New("login.account.url, login.account.key: want both or neither"))
	}
	if u, err := url.Parse(l.Account.URL); l.Account.URL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		problems = append(problems, errors.New("login.account.url: want an address such as http://10.0.0.5:8090"))
	}
	problems = appendIf(problems, checkProvider("login.github", l.GitHub.ClientID, l.GitHub.ClientSecret))
	problems = appendIf(problems, checkBase("login.github.baseUrl", l.GitHub.BaseURL))
	problems = appendIf(problems, checkProvider("login.google", l.Google.ClientID, l.Google.ClientSecret))
	problems = appendIf(problems, checkBase("login.google.issuer", l.Google.Issuer))
	variables := map[string]string{}
	for name, o := range l.OIDC {
		key := "login.oidc." + name
		if !isProviderName(name) {
			problems = append(problems, fmt.Errorf("login.oidc: %q is not a name for a provider: want 1 to 32 of a-z, 0-9 and '-', not github, google or a method such as otp", name))
		}
		variable := strings.ReplaceAll(name, "-", "_")
		if other, taken := variables[variable]; taken {
			problems = append(problems, fmt.Errorf("login.oidc: %q and %q have the same environment variables: rename one", min(name, other), max(name, other)))
		}
		variables[variable] = name
		problems = appendIf(problems, checkProvider(key, o.ClientID, o.ClientSecret))
		problems = appendIf(problems, checkBase(key+".issuer", o.Issuer))
	}
	return problems
}

// isProviderName keeps the names apart in addresses, in identities and in the environment.
func isProviderName(name string) bool {
	return name != "" && len(name) <= 32 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" &&
		!slices.Contains([]string{"github", "google", "pwd", "otp", "hwk", "swk", "user", "mfa", "link"}, name)
}

// checkProvider wants both halves of a credential, or none.
func checkProvider(key, id string, secret Secret) error {
	if (id == "") != (secret == "") {
		return fmt.Errorf("%[1]s.clientId, %[1]s.clientSecret: want both or neither", key)
	}
	return nil
}

var errBase = errors.New("want an https address without user and query, such as https://id.example.org; http is for loopback")

// checkBase wants an address that other addresses begin with. An issuer is compared
// as it is written (OpenID Connect Discovery 1.0, section 4.3).
func checkBase(key, address string) error {
	u, err := url.Parse(address)
	good := err == nil && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && !strings.HasSuffix(address, "?") &&
		(u.Scheme == "https" || u.Scheme == "http" && loopback(withPort(u)))
	if !good || key == "login.github.baseUrl" && strings.HasSuffix(address, "/") {
		return fmt.Errorf("%s: %w", key, errBase) // the address may hold a password
	}
	return nil
}

func withPort(u *url.URL) string {
	if u.Port() == "" {
		return u.Host + ":80"
	}
	return u.Host
}

func isDomain(domain string) bool {
	return domain == strings.ToLower(domain) && strings.Contains(domain, ".") && !strings.ContainsAny(domain, "@ /:")
}
