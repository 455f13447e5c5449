// Package console is the pages of administration at /console: what the services of
// the other capabilities tell and do, for the eyes and hands of people.
//
// It decides nothing. Each page asks a service with the ticket of who looks, and the
// service refuses. Pages only leave out what would be refused anyway. Every change is
// a page of its own that names the object, shows the command that does the same, and
// takes a POST; changes that could lock somebody in or out ask for a fresh sign-in.
package console

import (
	"context"
	"embed"
	"maps"
	"net/http"
	"time"

	"signet/internal/account"
	"signet/internal/audit"
	"signet/internal/authroute"
	"signet/internal/page"
	"signet/internal/ticket"
	"signet/internal/token"
)

//go:embed all:pages
var embedded embed.FS

// Inviter lets people in who cannot sign in yet, or not any more.
type Inviter interface {
	Invite(ctx context.Context, n account.NewUser) (account.User, error)
	SetupLink(ctx context.Context, user string) (address string, err error)
	ResetFactors(ctx context.Context, user string) error
}

// Services are what the pages show and do.
type Services struct {
	Users      *account.Service
	Clients    *token.Clients
	Identities *account.Identities
	Sessions   *account.Sessions
	Inviter    Inviter
	Audit      *audit.Log
	MailKeys   *authroute.Registry
	Keyset     *authroute.Keyset
	Verdicts   *authroute.Verdicts
	Domains    *authroute.Domains
	Bypass     *authroute.Bypass
	Senders    Senders
	Apps       Apps
	Files      Files
}

// Person is who looks at a page.
type Person struct {
	Name    string
	Account string // its name
}

// Login is what the console needs of sign-in.
type Login interface {
	// Members makes a page for who is signed in; others sign in first. Forms of other
	// sites are refused, and refusals are pages.
	Members(page func(w http.ResponseWriter, r *http.Request) error) http.Handler
	// Say explains a refusal in the reader's language.
	Say(r *http.Request, err error) string
}

// Options say what an installation's console is like.
type Options struct {
	Person      func(r *http.Request) Person
	Origin      string              // public, such as https://auth.example.org
	Permissions []ticket.Permission // the catalogue
	MailServer  bool                // mails to users go to a server
	Now         func() time.Time
	Started     time.Time             // of this instance
	Counters    func() token.Counters // of this instance, since then
}

// Console serves the pages.
type Console struct {
	Services
	login   Login
	site    *page.Site
	pages   *page.Pages
	actions map[string]action // by path
	o       Options
}

// New returns a console. It shows nothing until Routes.
func New(s Services, l Login, site *page.Site, o Options) (*Console, error) {
	pages, err := site.Parse(page.Shell, embedded, "pages")
	return &Console{Services: s, login: l, site: site, pages: pages, o: o}, err
}

// Routes mounts the pages.
func (c *Console) Routes(mux *http.ServeMux) {
	for path, v := range c.views() {
		mux.Handle("GET "+path, c.handle(v.permission, v.show))
	}
	c.actions = c.allActions()
	for path, a := range c.actions {
		mux.Handle("GET "+path, c.handle(a.permission, func(q *request) error { return q.ask(a, nil) }))
		mux.Handle("POST "+path, c.handle(a.permission, func(q *request) error { return q.act(a) }))
	}
}

// view is a page that only shows.
type view struct {
	permission string // empty: everybody who is signed in
	show       func(q *request) error
}

func (c *Console) views() map[string]view {
	return map[string]view{
		"/console":                     {"", c.home},
		"/console/users":               {readUsers, c.users},
		"/console/users/{user}":        {readUsers, c.user},
		"/console/roles":               {readUsers, c.roles},
		"/console/sessions":            {readUsers, c.sessions},
		"/console/tokens":              {readUsers, c.tokens},
		"/console/clients":             {manageClients, c.clients},
		"/console/clients/id/{client}": {manageClients, c.client},
		"/console/senders":             {manageClients, c.senders},
		"/console/audit":               {readAudit, c.audit},
		"/console/mail-keys":           {readMail, c.mailKeys},
		"/console/verifications":       {readMail, c.verifications},
		"/console/domains":             {adminMail, c.domains},
		"/console/bypass":              {adminMail, c.bypass},
		"/console/keys":                {"", c.accessKeys},
		"/console/buckets":             {"", c.buckets},
		"/console/buckets/{bucket}":    {"", c.bucket},
		"/console/denials":             {readObjects, c.denials},
		"/console/denials/{request}":   {readObjects, c.denial},
	}
}

// The permissions that pages ask for.
const (
	readUsers     = "users:read"
	writeUsers    = "users:write"
	readAudit     = "audit:read"
	manageClients = "oauth:clients"
	runKeys       = "oauth:keys"
	readMail      = "authroute:read"
	adminMail     = "authroute:admin"
	readObjects   = "objects:read"
	writeObjects  = "objects:write"
)

// allActions are the pages that change something, by path.
func (c *Console) allActions() map[string]action {
	all := map[string]action{}
	for _, group := range []map[string]action{
		c.userActions(), c.memberActions(), c.roleActions(), c.tokenActions(), c.clientActions(), c.appActions(), c.mailActions(),
		c.accessKeyActions(), c.bucketActions(), c.objectActions(),
	} {
		maps.Copy(all, group)
	}
	return all
}
