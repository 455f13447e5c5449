// Package login_test signs people in at the real command with a real browser.
package login_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"signet/internal/db/dbtest"
	"signet/test/browser"
	githubtest "signet/test/github"
	oidctest "signet/test/oidc"
	signettest "signet/test/signet"
)

// config is that of every installation here. Tests that have no browser come from
// addresses of their own, so that they share no budget.
const config = `
account:
  signUp: open
server:
  trustedProxies: [127.0.0.1/32]
login:
  oidc:
    staff: {label: Staff, clientId: %q, issuer: %q}
`

// world is an installation with the providers, the app and the browser around it.
type world struct {
	*signettest.Installation

	t             *testing.T
	origin        string // where people sign in
	api, pages    *signettest.Instance
	github        *githubtest.Server
	google, staff *oidctest.Server
	mails         *mails
	hello         *hello
	browser       *browser.Tab
	looks         bool     // pages are looked at
	known         []string // origins of other apps
}

// kind is how an installation runs.
type kind struct {
	name     string
	postgres bool
	split    bool
}

var kinds = []kind{
	{"SQLite", false, false},
	{"PostgreSQL", true, false},
	{"PostgreSQL in two processes", true, true},
}

func newWorld(t *testing.T, k kind) *world {
	t.Helper()
	w := &world{
		t: t, looks: !k.postgres, github: githubtest.Start(t), google: oidctest.Start(t), staff: oidctest.Start(t),
		mails: &mails{dir: t.TempDir()},
	}
	o := signettest.Options{Config: fmt.Sprintf(config, w.staff.ClientID, w.staff.Issuer), Env: []string{
		"SIGNET_ACCOUNT_MAIL_DIRECTORY=" + w.mails.dir,
		"SIGNET_LOGIN_GITHUB_CLIENT_ID=" + githubtest.ClientID, "SIGNET_LOGIN_GITHUB_CLIENT_SECRET=" + githubtest.ClientSecret,
		"SIGNET_LOGIN_GITHUB_BASE_URL=" + w.github.URL,
		"SIGNET_LOGIN_GOOGLE_CLIENT_ID=" + w.google.ClientID, "SIGNET_LOGIN_GOOGLE_CLIENT_SECRET=" + w.google.ClientSecret,
		"SIGNET_LOGIN_GOOGLE_ISSUER=" + w.google.Issuer,
		"SIGNET_LOGIN_OIDC_STAFF_CLIENT_SECRET=" + w.staff.ClientSecret,
	}}
	if k.postgres {
		o.StoreURL = dbtest.PostgresURL(t)
	}
	w.Installation = signettest.New(t, o)
	w.Secrets.Add(githubtest.ClientSecret, w.google.ClientSecret, w.staff.ClientSecret)
	w.BootstrapAdmin("admin@example.org")
	if k.split {
		w.api, w.pages = w.StartSplit()
	} else {
		w.api = w.Start()
		w.pages = w.api
	}
	w.origin = w.pages.Origin
	w.hello = w.startHello(t, false)
	w.browser = browser.New(t)
	t.Cleanup(w.askedNobodyElse)
	return w
}

// askedNobodyElse fails where the browser asked a host that is none of the test's.
func (w *world) askedNobodyElse() {
	var known []string
	for _, address := range append(w.known, w.origin, w.hello.origin, w.github.URL, w.google.Issuer, w.staff.Issuer) {
		known = append(known, hostOf(w.t, address))
	}
	for _, host := range w.browser.Hosts() {
		if !slices.Contains(known, host) {
			w.t.Errorf("the browser asked %s, want nobody but %v", host, known)
		}
	}
}

func hostOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// tab opens a browser that was never here. It ends with the test.
func (w *world) tab(t *testing.T) *browser.Tab {
	t.Helper()
	b := w.browser.Stranger(t)
	b.OffersNothing()
	return b
}

// look keeps pictures of a page, of one installation.
func (w *world) look(b *browser.Tab, name string) {
	if w.looks {
		b.Look(name)
	}
}

// logs waits until the pages' instance has logged a line with all of the texts.
func (w *world) logs(t *testing.T, texts ...string) {
	t.Helper()
	signettest.Await(t, fmt.Sprintf("log line with %q", texts), patience, func() error {
		for line := range strings.Lines(w.pages.Log()) {
			if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
				return nil
			}
		}
		return fmt.Errorf("there is none")
	})
}

// person is a user with a password.
type person struct{ email, password string }

// person makes a user by the forms of the sign-up, without a browser.
func (w *world) person(t *testing.T) person {
	t.Helper()
	return w.personAt(t, "example.org")
}

// personAt is person with an address of a mail domain.
func (w *world) personAt(t *testing.T, domain string) person {
	t.Helper()
	p := w.stranger()
	p.email = strings.Replace(p.email, "example.org", domain, 1)
	from := fmt.Sprintf("10.%d.%d.%d", random(), random(), random())
	w.post(t, from, "/login/sign-up", url.Values{"email": {p.email}})
	link := w.mails.link(t, p.email)
	w.post(t, from, strings.TrimPrefix(link, w.origin), url.Values{"name": {"Ada Lovelace"}, "password": {p.password}})
	return p
}

// stranger is somebody who has no account.
func (w *world) stranger() person {
	p := person{strings.ToLower(rand.Text()[:10]) + "@example.org", strings.ToLower(rand.Text())}
	w.Secrets.Add(p.password)
	return p
}

func random() byte {
	var b [1]byte
	_, _ = rand.Read(b[:]) // never fails
	return b[0]
}

// post sends a form from an address, which must not be refused.
func (w *world) post(t *testing.T, from, path string, form url.Values) {
	t.Helper()
	a := w.pages.Call(http.MethodPost, path, "", form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "X-Forwarded-For", from)
	if a.Status >= http.StatusBadRequest {
		t.Fatalf("%s: %d %s", path, a.Status, a.Body)
	}
}

// signIn signs somebody in by their password, up to whatever comes then.
func (p person) signIn(b *browser.Tab) {
	b.Fill("E-mail address", p.email)
	b.Fill("Password", p.password)
	b.Press("Sign in")
}

// home signs somebody in by their password alone.
func (w *world) home(b *browser.Tab, p person) {
	b.Go(w.origin + "/login")
	p.signIn(b)
	b.At(w.origin + "/account")
}

// signOut signs out at the account home.
func (w *world) signOut(b *browser.Tab) {
	b.Go(w.origin + "/logout")
	b.Press("Sign out")
	b.Sees("You are signed out")
}
