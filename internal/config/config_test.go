package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/internal/config"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "signet.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFileAndEnvironmentAreRead(t *testing.T) {
	path := write(t, `
# a comment
server:
  origin: https://auth.example.org
  trustedProxies: [10.0.0.0/8, 192.0.2.7]
store:
  url: postgres://signet:geheim@db/signet
authroute:
  window: 2m
  domains:
    example.org: {mode: enforce}
    example.net:
  policy: {maxConnections: 7}
`)
	c, err := config.Load(path, []string{
		"SIGNET_AUTHROUTE_POLICY_MAX_CONNECTIONS=9", "SIGNET_SERVER_NAMES=a.example.org, b.example.org", "HOME=/root",
		"SIGNET_CONFIG=" + path,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Authroute.Window.D(); got != 2*time.Minute {
		t.Errorf("window: got %v, want 2m", got)
	}
	if c.Authroute.Policy.MaxConnections != 9 {
		t.Errorf("the environment must win: got %d, want 9", c.Authroute.Policy.MaxConnections)
	}
	want := map[string]config.Domain{
		"example.org": {Mode: "enforce", V1: "accept", Stale: "reject"},
		"example.net": {Mode: "monitor", V1: "accept", Stale: "reject"},
	}
	if fmt.Sprint(c.Authroute.Domains) != fmt.Sprint(want) {
		t.Errorf("domains: got %v, want %v", c.Authroute.Domains, want)
	}
	if got := fmt.Sprint(c.Server.TrustedProxies, c.Server.Names); got != "[10.0.0.0/8 192.0.2.7/32] [a.example.org b.example.org]" {
		t.Errorf("lists: got %s", got)
	}
	if c.Store.URL.Reveal() != "postgres://signet:geheim@db/signet" {
		t.Errorf("store.url: got %q", c.Store.URL.Reveal())
	}
}

func TestSecretComesFromItsFile(t *testing.T) {
	path := write(t, "postgres://u:geheim@db/signet\n")
	c, err := config.Load("", []string{"SIGNET_STORE_URL_FILE=" + path})
	if err != nil {
		t.Fatal(err)
	}
	if c.Store.URL.Reveal() != "postgres://u:geheim@db/signet" {
		t.Errorf("got %q", c.Store.URL.Reveal())
	}
}

func TestProblemsNameKeyPlaceAndRemedy(t *testing.T) {
	for text, want := range map[string]string{
		"authroute:\n  window: 5x\n":                                                 `:2:11: authroute.window: "5x" is not a duration (try 5m)`,
		"authroute:\n  windw: 5m\n":                                                  `:2:3: authroute.windw: no such key (did you mean window?)`,
		"Server: {}\n":                                                               `:1:1: Server: no such key (did you mean server?)`,
		"zzz: 1\n":                                                                   `:1:1: zzz: no such key (signet config docs prints every key)`,
		"authroute:\n  defaultMode: strict\n":                                        `authroute.defaultMode: "strict" is not one of monitor, quarantine, enforce, require`,
		"authroute:\n  policy:\n    maxConnections: many\n":                          `authroute.policy.maxConnections: "many" is not a whole number`,
		"authroute:\n  policy: {maxConnections: 0}\n":                                `authroute.policy.maxConnections: 0 is too small: want at least 1`,
		"authroute:\n  taggedSender: sometimes\n":                                    `authroute.taggedSender: "sometimes" is not true or false`,
		"authroute:\n  exemptClients: [10.0.0.0/8, somewhere]":                       `authroute.exemptClients[1]: "somewhere" is not a network (try 192.0.2.0/24)`,
		"authroute:\n  exemptClients: 10.0.0.0/8\n":                                  `authroute.exemptClients: want a list, such as [a, b]`,
		"authroute: 5\n":                                                             `authroute: want a group of keys`,
		"server:\n  origin: [a]\n":                                                   `server.origin: want one value`,
		"server:\n  listen: a\n  listen: b\n":                                        `already defined`,
		"server: &a {}\nstore: *a\n":                                                 `anchors, aliases and tags are not supported`,
		"server:\n\torigin: x\n":                                                     `signet.yaml: [2:`,
		"server:\n  origin: ftp://x\n":                                               `server.origin: "ftp://x" is not an origin (try https://auth.example.org)`,
		"server:\n  listen: [0.0.0.0:80]\n":                                          `reachable from outside without TLS`,
		"server:\n  listen: [nowhere]\n":                                             `server.listen: "nowhere" is not HOST:PORT`,
		"server:\n  tlsCertFile: x\n":                                                `want both or neither`,
		"authroute:\n  policy: {listen: '0.0.0.0:1'}\n":                              `authroute.policy.allow: 0.0.0.0:1 is reachable from outside`,
		"authroute:\n  domains: {Example.ORG: {}}\n":                                 `"Example.ORG" is not a domain in lower case`,
		"authroute:\n  domains: {example.org: {mode: on}}\n":                         `authroute.domains.example.org.mode: "on" is not one of`,
		"authroute:\n  window: 0s\n":                                                 `authroute.window: must be more than 0 and at most 1h`,
		"authroute:\n  window: 2h\n":                                                 `authroute.window: must be more than 0 and at most 1h`,
		"account:\n  mail: {server: mail.example.org}\n":                             `account.mail.server: "mail.example.org" is not HOST:PORT`,
		"account:\n  mail: {server: ':25'}\n":                                        `account.mail.server: ":25" names no host`,
		"account:\n  mail: {server: 'mail.test:25', tls: none}\n":                    `account.mail.tls: none is for a server on loopback`,
		"account:\n  mail: {tls: maybe}\n":                                           `account.mail.tls: "maybe" is not one of starttls, tls, none`,
		"account:\n  mail: {user: signet}\n":                                         `account.mail.user, account.mail.password: want both or neither`,
		"account:\n  mail: {from: nobody}\n":                                         `account.mail.from: "nobody" is not a mail address`,
		"account:\n  mail: {from: \"a@b.test\\r\\nBcc: c@d.test\"}\n":                `is not a mail address`,
		"objects:\n  listen: 9000\n":                                                 `objects.listen: "9000" is not HOST:PORT`,
		"objects:\n  listen: 0.0.0.0:9000\n  auth: off\n":                            `objects.auth: off on 0.0.0.0:9000 lets everybody do everything`,
		"objects:\n  store: upstream\n":                                              `objects.upstream.endpoint: is missing`,
		"server:\n  origin: https://a.test\nobjects:\n  origin: https://a.test:9000": `objects.origin: a.test is the host of server.origin`,
		"server:\n  origin: https://a.test\nobjects:\n  hosts: [a.test]":             `objects.hosts: a.test is the host of server.origin`,
		"authroute:\n  trustedRelays: ['0.0.0.0/0']\n":                               `authroute.trustedRelays: a network of all addresses`,
	} {
		_, err := config.Load(write(t, text), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	_, err := config.Load(write(t, "authroute:\n  window: 5x\n  taggedSender: 7up\nzzz: 1\n"), []string{"SIGNET_NO_SUCH=1", "SIGNET_AUTHROUTE_DOMAINS=x"})
	for _, want := range []string{"authroute.window", "authroute.taggedSender", "zzz", "SIGNET_NO_SUCH: no such key", "SIGNET_AUTHROUTE_DOMAINS: this key can only be set in the file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
}

func TestNoOutputShowsASecret(t *testing.T) {
	path := write(t, "store:\n  url: postgres://u:geheim@db/signet\nauthroute:\n  windw: 1\n  geheim: 2\n")
	_, err := config.Load(path, nil)
	if err == nil || strings.Contains(err.Error(), "u:geheim") {
		t.Errorf("the error shows the secret or is missing: %v", err)
	}
	c, err := config.Load("", []string{"SIGNET_STORE_URL=postgres://u:geheim@db/signet"})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := c.WriteEffective(&b); err != nil {
		t.Fatal(err)
	}
	if out := b.String() + fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(out, "geheim") {
		t.Errorf("output shows the secret: %s", out)
	}
}

func TestEffectiveConfigurationLoadsAgain(t *testing.T) {
	c, err := config.Load(write(t, "authroute:\n  window: 7m\n  audiences: [mx.example.org]\n  domains: {example.org: {mode: require}}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := c.WriteEffective(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "window: 7m  # set") {
		t.Errorf("what is set is not marked:\n%s", b.String())
	}
	text := strings.ReplaceAll(b.String(), `"(secret)"`, `"sqlite:signet.db"`)
	again, err := config.Load(write(t, text), nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	if fmt.Sprintf("%+v", again) != fmt.Sprintf("%+v", c) {
		t.Errorf("got %+v, want %+v", again, c)
	}
}

func TestReferenceIsUpToDate(t *testing.T) {
	var b strings.Builder
	if err := config.WriteDocs(&b); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != b.String() {
		t.Error("docs/configuration.md is not what signet config docs prints: run signet config docs > docs/configuration.md")
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("authroute:\n  domains: {example.org: {mode: enforce}}\n")
	f.Add("server: &a\n  listen: [1]\n? x\n: y\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = config.Load(write(t, text), nil) // must not panic
	})
}

func TestSecretOfANamedProviderComesFromItsFile(t *testing.T) {
	secret := write(t, "geheim\n")
	path := write(t, `
login:
  github: {clientId: gh, linkByEmail: on}
  oidc:
    staff-id: {issuer: 'https://id.example.org/staff', clientId: x}
`)
	c, err := config.Load(path, []string{
		"SIGNET_LOGIN_OIDC_STAFF_ID_CLIENT_SECRET_FILE=" + secret, "SIGNET_LOGIN_GITHUB_CLIENT_SECRET=auch",
	})
	if err != nil {
		t.Fatal(err)
	}
	o := c.Login.OIDC["staff-id"]
	if o.ClientSecret.Reveal() != "geheim" || o.ClientID != "x" || fmt.Sprint(o.Scopes) != "[openid email profile]" {
		t.Errorf("got %#v, secret %q", o, o.ClientSecret.Reveal())
	}
	if c.Login.GitHub.ClientSecret.Reveal() != "auch" || c.Login.GitHub.LinkByEmail != "on" {
		t.Errorf("got %#v", c.Login.GitHub)
	}
	var b strings.Builder
	if err := c.WriteEffective(&b); err != nil {
		t.Fatal(err)
	}
	if out := b.String(); strings.Contains(out, "geheim") || strings.Contains(out, "auch") || !strings.Contains(out, "staff-id: {issuer") {
		t.Errorf("effective configuration: %s", out)
	}
}

func TestDemandThatNobodyCanMeetIsRefused(t *testing.T) {
	const of = "security:\n  senderConstraints:\n    "
	for text, want := range map[string]string{
		of + "dpop: {enabled: false, requireForTenants: ['*']}\n":                "dpop.enabled: false takes no proofs",
		of + "mtls: {enabled: false, requireForTenants: ['*']}\n":                "mtls.enabled: false takes no certificates",
		of + "mtls: {enabled: false, enforceForAudiences: ['https://x']}\n":      "mtls.enabled: false takes no certificates",
		of + "dpop: {nonce: {store: redis}}\n":                                   "nonce.store: redis needs redis.url",
		of + "dpop: {nonce: {store: memory}}\nstore: {url: 'postgres://db/s'}\n": "nonce.store: memory is for one instance on SQLite",
		"plain\n": "signet.yaml:1:1: want a group of keys",
	} {
		_, err := config.Load(write(t, text), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
	for _, text := range []string{
		of + "dpop: {enabled: false}\n", of + "mtls: {enabled: false}\n", of + "dpop: {nonce: {store: memory}}\n",
		of + "dpop: {nonce: {store: redis}}\nredis: {url: 'redis://r'}\n",
	} {
		if _, err := config.Load(write(t, text), nil); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestProviderThatCannotWorkIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"login:\n  github: {clientId: a}\n":                            "login.github.clientId, login.github.clientSecret: want both or neither",
		"login:\n  github: {baseUrl: 'http://git.example.org'}\n":      "login.github.baseUrl: want an https address",
		"login:\n  github: {baseUrl: 'https://git.example.org/'}\n":    "login.github.baseUrl",
		"login:\n  github: {linkByEmail: maybe}\n":                     `login.github.linkByEmail: "maybe" is not one of off, on`,
		"login:\n  google: {issuer: 'https://u:p@accounts.example'}\n": "login.google.issuer",
		"login:\n  oidc: {GitHub: {issuer: 'https://x.example'}}\n":    `login.oidc: "GitHub" is not a name for a provider`,
		"login:\n  oidc: {github: {issuer: 'https://x.example'}}\n":    `login.oidc: "github" is not a name for a provider`,
		"login:\n  oidc: {mfa: {issuer: 'https://x.example'}}\n":       `login.oidc: "mfa" is not a name for a provider`,
		"login:\n  oidc: {a: {clientId: x, clientSecret: y}}\n":        `login.oidc.a.issuer: want an https address`,
		"login:\n  oidc: {a: {isuer: x}}\n":                            "did you mean issuer?",
		"account:\n  trustedEmailDomains: [Example.org]\n":             `account.trustedEmailDomains: "Example.org" is not a domain`,
	} {
		_, err := config.Load(write(t, text), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
	if _, err := config.Load("", []string{"SIGNET_LOGIN_OIDC_STAFF_CLIENT_SECRET=x"}); err == nil {
		t.Error("a variable of a provider that no file names is a setting that does nothing, and was accepted")
	}
}

func TestMailsComeFromTheHostOfTheOriginUnlessTold(t *testing.T) {
	for text, want := range map[string]string{
		"server: {origin: 'https://auth.example.org:8443'}\n": "signet@auth.example.org",
		"server: {origin: 'http://127.0.0.1:8080'}\n":         "signet@localhost",
		"account: {mail: {from: 'Me <me@example.org>'}}\n":    "Me <me@example.org>",
	} {
		c, err := config.Load(write(t, text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.MailFrom(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
