// Package config reads the configuration: defaults, one strict YAML file, the
// environment, and secrets from files.
//
// Every key of the file is also an environment variable, SIGNET_ and the path in
// upper case: authroute.policy.maxConnections is SIGNET_AUTHROUTE_POLICY_MAX_CONNECTIONS.
// A secret may stand in a file of its own, named by SIGNET_<PATH>_FILE. The
// environment wins over the file.
package config

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"
)

// Config is the whole configuration. A field's tag doc is its line in the reference.
type Config struct {
	Server    Server    `yaml:"server"`
	Store     Store     `yaml:"store"`
	Redis     Redis     `yaml:"redis"`
	Seal      Seal      `yaml:"seal"`
	Audit     Audit     `yaml:"audit"`
	Telemetry Telemetry `yaml:"telemetry"`
	Account   Account   `yaml:"account"`
	Login     Login     `yaml:"login"`
	Security  Security  `yaml:"security"`
	Authroute Authroute `yaml:"authroute"`
	Objects   Objects   `yaml:"objects"`
}

// Server is what listens, and how it is reached.
type Server struct {
	Origin           string       `yaml:"origin" doc:"Public origin as browsers and clients write it, such as https://auth.example.org"`
	Names            []string     `yaml:"names" doc:"Further host names that requests may carry; all others get 421"`
	Listen           []string     `yaml:"listen" doc:"Public listeners: API, key registry, revocation list"`
	InternalListen   string       `yaml:"internalListen" doc:"Service API for this product's own processes; keep it off the internet"`
	OperationsListen string       `yaml:"operationsListen" doc:"Health, readiness and metrics"`
	TLSCertFile      string       `yaml:"tlsCertFile" doc:"PEM certificate chain of the public listener; read again within seconds where the file changed"`
	TLSKeyFile       string       `yaml:"tlsKeyFile" doc:"PEM private key of tlsCertFile"`
	TrustedProxies   []Prefix     `yaml:"trustedProxies" doc:"Networks of reverse proxies whose X-Forwarded-For counts; they also end TLS for a plain listener"`
	DataDir          string       `yaml:"dataDir" doc:"Directory for what an instance keeps beside the database; --data sets it"`
	MTLS             MTLSListener `yaml:"mtls"`
	Drain            Duration     `yaml:"drain" doc:"Longest time that a stop waits for work in hand"`
}

// MTLSListener is where clients show certificates: browsers must not be asked for one
// on the pages of people.
type MTLSListener struct {
	Listen      string `yaml:"listen" doc:"Listener of the token endpoints that asks for a client certificate; empty for none"`
	Origin      string `yaml:"origin" doc:"How clients reach it, such as https://mtls.auth.example.org; it stands in the metadata"`
	TLSCertFile string `yaml:"tlsCertFile" doc:"PEM certificate chain of the listener; empty: server.tlsCertFile"`
	TLSKeyFile  string `yaml:"tlsKeyFile" doc:"PEM private key of tlsCertFile"`
	ClientCAs   string `yaml:"clientCAFile" doc:"PEM certificates of the authorities whose clients may prove themselves by certificate (tls_client_auth); empty: none"`
}

// Store is the database.
type Store struct {
	URL     Secret `yaml:"url" doc:"sqlite:PATH for one instance, postgres://... for several; empty: sqlite in server.dataDir"`
	Migrate string `yaml:"migrate" doc:"auto applies migrations at start, manual refuses to start without them" one:"auto,manual"`
}

// Redis is where several instances share used one-time values faster than in the database.
type Redis struct {
	URL Secret `yaml:"url" doc:"redis://... or rediss://...; empty keeps one-time values in PostgreSQL, or in a file beside SQLite"`
}

// Seal protects secrets at rest.
type Seal struct {
	KeyFile string `yaml:"keyFile" doc:"Master key file (mode 0600); empty: master.key in server.dataDir. With SQLite it is made at first start"`
	Key     Secret `yaml:"key" doc:"Master key itself, in the form of a line of the key file; wins over keyFile"`
}

// Audit is the audit log.
type Audit struct {
	HeadsFile string   `yaml:"headsFile" doc:"File that signed chain heads are appended to; empty: audit-heads.log in server.dataDir. Keep a copy on another machine"`
	Keep      Duration `yaml:"keep" doc:"How long audit rows are kept"`
}

// Telemetry is what the process tells about itself.
type Telemetry struct {
	LogLevel  string `yaml:"logLevel" doc:"Least level that is logged; reloaded by SIGHUP" one:"debug,info,warn,error"`
	LogFormat string `yaml:"logFormat" doc:"Form of a log line" one:"text,json"`
}

// Account is who may have an account here.
type Account struct {
	SignUp string `yaml:"signUp" doc:"Whom a first sign-in at an identity provider makes a user: open is everybody; invited and closed are nobody, and people whom an administrator created sign in by their verified address" one:"open,invited,closed"`

	TrustedEmailDomains []string `yaml:"trustedEmailDomains" doc:"Mail domains of your own organisations: Google may vouch for their addresses where its hd claim names the same domain, so that a first sign-in finds the user who has the address. gmail.com needs no entry"`

	Mail Mail `yaml:"mail"`
}

// Mail is how users are written to: links to sign up and to set a new password, and
// what changed at their account.
type Mail struct {
	From      string `yaml:"from" doc:"Sender of mails to users, such as signet@example.org; empty: signet@ and the host of server.origin"`
	Server    string `yaml:"server" doc:"HOST:PORT of the mail server that takes them; empty: they are written as files and reach nobody"`
	TLS       string `yaml:"tls" doc:"How the server is spoken to: starttls demands STARTTLS (port 587), tls begins with TLS (port 465), none is for loopback. Certificates are verified" one:"starttls,tls,none"`
	User      string `yaml:"user" doc:"User name at the server; empty: no sign-in there"`
	Password  Secret `yaml:"password" doc:"Password at the server"`
	Directory string `yaml:"directory" doc:"Where mails are written while server is empty; empty: mail in server.dataDir"`
}

// Login is where people may sign in besides here.
type Login struct {
	Account LoginAccount `yaml:"account"`

	GitHub GitHub          `yaml:"github"`
	Google Google          `yaml:"google"`
	OIDC   map[string]OIDC `yaml:"oidc" item:"NAME" doc:"OpenID Connect providers by the name that stands in their callback, https://ORIGIN/login/callback/NAME. Keys of a provider that the file names may come from the environment: SIGNET_LOGIN_OIDC_NAME_CLIENT_SECRET_FILE"`
}

// LoginAccount is where users are asked for, where that is another process.
type LoginAccount struct {
	URL string `yaml:"url" doc:"Internal listener of the instance with the role account, such as http://10.0.0.5:8090; empty: this process itself"`
	Key Secret `yaml:"key" doc:"Service key with auth:login and auth:oauth, for every provider that is offered"`
}

// GitHub is sign-in at GitHub or GitHub Enterprise Server.
type GitHub struct {
	ClientID     string `yaml:"clientId" doc:"Client id of your OAuth app, whose callback is https://ORIGIN/login/callback/github; empty: GitHub is not offered"`
	ClientSecret Secret `yaml:"clientSecret" doc:"Client secret of the OAuth app"`
	LinkByEmail  string `yaml:"linkByEmail" doc:"Whether a first sign-in finds the user who has the primary, verified address at GitHub, after a code that is mailed there" one:"off,on"`
	BaseURL      string `yaml:"baseUrl" doc:"GitHub, or a GitHub Enterprise Server such as https://git.example.org"`
}

// Google is sign-in with Google.
type Google struct {
	ClientID     string `yaml:"clientId" doc:"Client id of your OAuth client, whose callback is https://ORIGIN/login/callback/google; empty: Google is not offered"`
	ClientSecret Secret `yaml:"clientSecret" doc:"Client secret of the OAuth client"`
	Issuer       string `yaml:"issuer" doc:"Google; another one is for tests"`
}

// OIDC is sign-in at an OpenID Connect provider. What it says of an address finds no user.
type OIDC struct {
	Issuer       string   `yaml:"issuer" doc:"Issuer, from which the rest is discovered, such as https://id.example.org/realms/staff"`
	ClientID     string   `yaml:"clientId" doc:"Client id at the provider; empty: it is not offered"`
	ClientSecret Secret   `yaml:"clientSecret" doc:"Client secret at the provider"`
	Label        string   `yaml:"label" doc:"Name for people, on the button; empty: NAME"`
	Scopes       []string `yaml:"scopes" doc:"Scopes to ask for; openid is always one of them"`
}

// Authroute is authenticated routing.
type Authroute struct {
	Domains       map[string]Domain `yaml:"domains" item:"DOMAIN" doc:"Mail domains that this installation hosts keys for; the registry answers for them alone"`
	DefaultMode   string            `yaml:"defaultMode" doc:"Mode for sender domains that are not listed" one:"monitor,quarantine,enforce,require"`
	Window        Duration          `yaml:"window" doc:"How far a proof's timestamp may lie from now"`
	Audiences     []string          `yaml:"audiences" doc:"DNS names of this relay that a version 2 proof may be made for; * in a proof always counts"`
	TrustedRelays []Prefix          `yaml:"trustedRelays" doc:"Relays whose mail was judged already; their proofs are not judged again"`
	ExemptSenders []string          `yaml:"exemptSenders" doc:"Sender addresses or @domains that are never judged"`
	ExemptClients []Prefix          `yaml:"exemptClients" doc:"Client networks that are never judged, such as forwarders"`
	TaggedSender  bool              `yaml:"taggedSender" doc:"Accept the proof in user+ap=PROOF@domain; read docs/AUTHROUTE_ADMIN.md first"`
	Policy        Policy            `yaml:"policy"`
	DNS           DNS               `yaml:"dns"`
	KeepVerdicts  Duration          `yaml:"keepVerdicts" doc:"How long verdicts on mail with a proof are kept"`
	KeepNone      Duration          `yaml:"keepNone" doc:"How long verdicts on mail without a proof are kept"`
}

// Domain is a mail domain that this installation hosts.
type Domain struct {
	Mode  string `yaml:"mode" doc:"monitor, quarantine, enforce or require" one:"monitor,quarantine,enforce,require"`
	V1    string `yaml:"v1" doc:"Whether version 1 proofs count" one:"accept,refuse"`
	Stale string `yaml:"stale" doc:"What a timestamp outside the window gets in enforce and require" one:"reject,defer"`
}

// Policy is the service that Postfix asks.
type Policy struct {
	Listen         string   `yaml:"listen" doc:"TCP address of the policy service; the protocol has no authentication"`
	Socket         string   `yaml:"socket" doc:"UNIX socket of the policy service; empty for none"`
	Allow          []Prefix `yaml:"allow" doc:"Networks that may ask; needed where listen is not loopback"`
	Deadline       Duration `yaml:"deadline" doc:"Longest time for one answer; after it DUNNO"`
	MaxConnections int      `yaml:"maxConnections" doc:"Connections served at once; at the bound the one that is idle for longest makes room" min:"1"`
}

// DNS is how keys of foreign domains are found.
type DNS struct {
	Resolver string   `yaml:"resolver" doc:"HOST:PORT of the resolver for keys of foreign domains; empty: that of resolv.conf"`
	Timeout  Duration `yaml:"timeout" doc:"Longest time for one DNS answer"`
}

// Default returns the configuration of an empty file.
func Default() Config {
	day := Duration(24 * time.Hour)
	return Config{
		Server: Server{
			Origin: "http://localhost:8080",
			Listen: []string{"127.0.0.1:8080"}, InternalListen: "127.0.0.1:8090", OperationsListen: "127.0.0.1:9464",
			DataDir: ".", Drain: Duration(30 * time.Second),
		},
		Store:     Store{Migrate: "auto"},
		Audit:     Audit{Keep: 365 * day},
		Telemetry: Telemetry{LogLevel: "info", LogFormat: "text"},
		Account:   Account{SignUp: "closed", Mail: Mail{TLS: "starttls"}},
		Login: Login{
			GitHub: GitHub{LinkByEmail: "off", BaseURL: "https://github.com"},
			Google: Google{Issuer: "https://accounts.google.com"},
			OIDC:   map[string]OIDC{},
		},
		Security: defaultSecurity(),
		Authroute: Authroute{
			Domains: map[string]Domain{}, DefaultMode: "monitor", Window: Duration(5 * time.Minute),
			Policy:       Policy{Listen: "127.0.0.1:10040", Deadline: Duration(time.Second), MaxConnections: 1000},
			DNS:          DNS{Timeout: Duration(800 * time.Millisecond)},
			KeepVerdicts: 90 * day, KeepNone: 7 * day,
		},
		Objects: defaultObjects(),
	}
}

// defaultDomain is what a listed domain has where its entry says nothing.
func defaultDomain() Domain { return Domain{Mode: "monitor", V1: "accept", Stale: "reject"} }

// defaultOIDC is what a listed provider has where its entry says nothing.
func defaultOIDC() OIDC { return OIDC{Scopes: []string{"openid", "email", "profile"}} }

// newItem returns an entry of a map of groups, such as domains, with its defaults.
func newItem(t reflect.Type) reflect.Value {
	item := reflect.New(t).Elem()
	switch t {
	case reflect.TypeFor[Domain]():
		item.Set(reflect.ValueOf(defaultDomain()))
	case reflect.TypeFor[OIDC]():
		item.Set(reflect.ValueOf(defaultOIDC()))
	}
	return item
}

// StoreURL returns where the database is.
func (c *Config) StoreURL() string {
	if u := c.Store.URL.Reveal(); u != "" {
		return u
	}
	return "sqlite:" + filepath.Join(c.Server.DataDir, "signet.db")
}

// KeyFile returns where the master key is, unless seal.key holds it.
func (c *Config) KeyFile() string { return c.inDataDir(c.Seal.KeyFile, "master.key") }

// HeadsFile returns where signed audit heads are appended.
func (c *Config) HeadsFile() string { return c.inDataDir(c.Audit.HeadsFile, "audit-heads.log") }

// MailDirectory returns where mails to users are written while no server is named.
func (c *Config) MailDirectory() string { return c.inDataDir(c.Account.Mail.Directory, "mail") }

// MailFrom returns the sender of mails to users.
func (c *Config) MailFrom() string {
	if c.Account.Mail.From != "" {
		return c.Account.Mail.From
	}
	u, err := url.Parse(c.Server.Origin)
	if err != nil {
		return ""
	}
	if net.ParseIP(u.Hostname()) != nil { // an address literal (RFC 5321, section 4.1.3)
		return "signet@localhost"
	}
	return "signet@" + u.Hostname()
}

func (c *Config) inDataDir(path, name string) string {
	if path != "" {
		return path
	}
	return filepath.Join(c.Server.DataDir, name)
}

// StoreExists reports whether there is a store that could hold anything: a SQLite
// file, or any PostgreSQL.
func (c *Config) StoreExists() bool {
	path, ok := strings.CutPrefix(c.StoreURL(), "sqlite:")
	if !ok {
		return true
	}
	_, err := os.Stat(path)
	return err == nil
}
