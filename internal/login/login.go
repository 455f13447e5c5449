// Package login is the browser boundary: the one part that browsers and outside
// identity providers meet. It shows the pages of sign-in and of the account home,
// keeps cookies, and hands apps a one-time code.
//
// It knows no user: it asks account through [authapi.Service], in process or over
// HTTP. [Login] is the way in.
//
// A [Provider] is an adapter in a sub-package (github, google, oidc). It says who
// somebody is there, and nothing about who that is here. [Providers] keeps one
// state a start, in the database: any instance may answer the callback.
package login

import (
	"context"
	"embed"
	"net/http"
	"time"

	"signet/internal/authapi"
	"signet/internal/page"
	"signet/internal/web"
)

//go:embed all:pages
var embedded embed.FS

// App is a relying app, as login needs it.
type App struct {
	ID, Name  string
	Redirects []string // where a sign-in may end, exactly
}

// Handoff is what a one-time code stands for.
type Handoff struct {
	App, Next, Challenge string // S256 of the app's verifier
	User, Session        string
}

// Apps knows the relying apps, and makes the codes that bring a sign-in to them.
type Apps interface {
	// App returns an app that may act; the error is of kind NotFound where there is none.
	App(ctx context.Context, id string) (App, error)
	// Issue returns a code that the app can redeem once, within 60 s.
	Issue(ctx context.Context, h Handoff) (code string, err error)
}

// Bus carries notices of changes; a subscription is woken every second at the latest.
type Bus interface {
	Subscribe(topic string) (changes <-chan struct{}, cancel func())
}

// Options say what an installation's login is like.
type Options struct {
	Origin  string     // public, such as https://auth.example.org
	SignUp  bool       // the sign-up page is shown
	Changed string     // topic of ended sessions
	Keys    AccessKeys // nil where there is no S3 API
	Now     func() time.Time
}

// Login serves the pages.
type Login struct {
	accounts   authapi.Service
	apps       Apps
	authority  Authority
	outside    *Providers
	site       *page.Site
	card       *page.Pages
	home       *page.Pages
	sessions   *sessions
	sameOrigin func(r *http.Request) error
	o          Options
}

// New returns a login over accounts. It shows nothing until Routes.
func New(accounts authapi.Service, apps Apps, authority Authority, outside *Providers, site *page.Site, bus Bus, o Options) (*Login, error) {
	sameOrigin, err := web.SameOrigin(o.Origin)
	if err != nil {
		return nil, err
	}
	l := &Login{sameOrigin: sameOrigin, accounts: accounts, apps: apps, authority: authority, outside: outside, site: site, o: o, sessions: newSessions(accounts, bus, o)}
	for _, set := range []struct {
		dir    string
		layout page.Layout
		into   **page.Pages
	}{{"pages/card", page.Card, &l.card}, {"pages/account", page.Shell, &l.home}} {
		if *set.into, err = site.Parse(set.layout, embedded, set.dir); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Run keeps what login remembers of sessions true, until ctx ends.
func (l *Login) Run(ctx context.Context) error { return l.sessions.run(ctx) }

// Routes mounts the pages.
func (l *Login) Routes(mux *http.ServeMux) {
	for pattern, f := range l.routes() {
		mux.Handle(pattern, l.page(f))
	}
	for pattern, f := range l.homeRoutes() {
		mux.Handle(pattern, l.page(l.signedIn(f)))
	}
	for pattern, f := range l.keyRoutes() {
		mux.Handle(pattern, l.page(l.signedIn(f)))
	}
	// Forms of other sites, which are only read.
	mux.Handle("POST "+pathAuthorize, l.open(l.authorizePosted))
	mux.Handle("POST "+pathEndSession, l.open(l.endSessionPosted))
}

// Where apps send people by forms of their own too.
const (
	pathAuthorize  = "/authorize"
	pathEndSession = "/end_session"
)

// fromApp reports whether a request may come from a form of an app. Nobody is signed in
// by it.
func fromApp(r *http.Request) bool {
	return r.Method == http.MethodPost && (r.URL.Path == pathAuthorize || r.URL.Path == pathEndSession)
}

type handler = func(w http.ResponseWriter, r *http.Request) error

// page makes a page of f: in the language of its reader, with refusals that are pages
// too. Forms of other origins are refused.
func (l *Login) page(f handler) http.Handler {
	own := func(w http.ResponseWriter, r *http.Request) error {
		if err := l.sameOrigin(r); err != nil {
			return err
		}
		return f(w, r)
	}
	return l.open(own)
}

// open is page for forms of other origins too.
func (l *Login) open(f handler) http.Handler {
	return web.Chain(web.Handler(f), l.site.Languages, web.Errors(l.writeProblem))
}

// routes are the pages of somebody who signs in, or out.
func (l *Login) routes() map[string]handler {
	return map[string]handler{
		"GET /{$}":                       l.front,
		"GET /login":                     l.showSignIn,
		"POST /login":                    l.signIn,
		"POST /login/passkey/begin":      l.beginPasskey,
		"POST /login/passkey":            l.passkey,
		"GET /login/continue":            l.goOn,
		"GET /login/start/{provider}":    l.start,
		"POST /login/start/{provider}":   l.start,
		"GET /login/callback/{provider}": l.callback,

		"GET /login/factor":                l.showFactor,
		"POST /login/factor":               l.factor,
		"POST /login/factor/passkey/begin": l.beginFactorPasskey,
		"GET /login/enrol":                 l.showEnrol,
		"POST /login/enrol":                l.enrol,
		"GET /login/recover":               l.showRecover,
		"POST /login/recover":              l.recover,

		"GET /login/sign-up":      l.showSignUp,
		"POST /login/sign-up":     l.signUp,
		"GET /login/forgot":       l.showForgot,
		"POST /login/forgot":      l.forgot,
		"GET /login/link/{code}":  l.showLink,
		"POST /login/link/{code}": l.useLink,
		"GET /setup/{code}":       l.showLink,
		"POST /setup/{code}":      l.useLink,

		"GET /logout":  l.showSignOut,
		"POST /logout": l.signOut,

		"GET /authorize":            l.authorize,
		"POST /authorize/decide":    l.decide,
		"GET /end_session":          l.endSession,
		"POST /end_session/confirm": l.confirmEndSession,
	}
}
