package main

import (
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"html/template"
	"log"
	"net/http"
	"time"

	"signet/resource"
)

// Browsers take cookies with the prefix __Host- only from this very host, by https or
// from localhost: no other app, not even one on a subdomain, can plant them.
const (
	sessionCookie  = "__Host-hello"
	verifierCookie = "__Host-hello-verifier"
	verifierLife   = 10 * time.Minute
)

// styleHash lets the page's style element pass its Content-Security-Policy.
const styleHash = "vIXF5ifcbHKjEV1izaXp0efXd30rEmqi639D3s2agdg="

//go:embed page.html
var files embed.FS

// app is the relying app.
type app struct {
	config

	guard    *resource.Guard // checks Signet's tokens
	door     door
	sessions *sessions
	page     *template.Template
}

// door is one of the two ways to sign in at Signet: OAuth, or a handoff, which needs
// less of the app.
type door interface {
	// begin returns where the browser goes. The verifier stays with it, in a cookie.
	begin(verifier, locale string) string
	// finish returns who came back. It returns errCode where the answer is no good, and
	// errDenied where the user did not let the app in.
	finish(r *http.Request, verifier string) (session, error)
}

func newApp(c config) (*app, error) {
	guard, err := resource.Protect(c.issuer, c.audience, resource.Keys(c.signet+"/jwks"), resource.Clock(c.now))
	if err != nil {
		return nil, err
	}
	a := &app{
		config: c, guard: guard, door: handoff{c, guard}, sessions: newSessions(c.now),
		page: template.Must(template.ParseFS(files, "page.html")),
	}
	if c.oauth {
		a.door, err = newOAuth(c, guard)
	}
	return a, err
}

// challenge is the SHA-256 of a verifier (S256 of RFC 7636, section 4.2).
func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /login", a.login)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("POST /logout", a.logout)
	mux.HandleFunc("POST /backchannel-logout", a.backchannelLogout)
	return headers(http.NewCrossOriginProtection().Handler(mux)) // no other site may sign anybody out
}

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+styleHash+"'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("Referrer-Policy", "no-referrer") // the callback's address holds a code
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// view is what the page shows.
type view struct {
	Signet  string
	Session *session
	Problem string
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	a.show(w, http.StatusOK, view{Session: a.current(r)})
}

func (a *app) show(w http.ResponseWriter, status int, v view) {
	v.Signet = a.signet
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if err := a.page.Execute(w, v); err != nil {
		log.Printf("page not shown: %v", err)
	}
}

// current returns the session of a request, nil where nobody is signed in.
func (a *app) current(r *http.Request) *session {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	return a.sessions.find(c.Value)
}

// login sends the browser to Signet. The verifier stays in this browser, and only its
// hash goes along (PKCE, RFC 7636): so a code is of no use to who reads it on the way,
// and nobody can have this browser finish a sign-in that another one began.
func (a *app) login(w http.ResponseWriter, r *http.Request) {
	verifier := random()
	setCookie(w, verifierCookie, verifier, verifierLife)
	http.Redirect(w, r, a.door.begin(verifier, r.FormValue("locale")), http.StatusSeeOther) //nolint:gosec // to Signet, with the language in its query
}

// callback is where Signet sends the browser back, with a code. It is good once, for a
// minute, for this app and this browser.
func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	c, err := r.Cookie(verifierCookie)
	if err != nil {
		a.show(w, http.StatusBadRequest, view{Problem: "This sign-in was begun in another browser, or more than ten minutes ago."})
		return
	}
	setCookie(w, verifierCookie, "", -1)
	s, err := a.door.finish(r, c.Value)
	switch {
	case errors.Is(err, errDenied):
		a.show(w, http.StatusOK, view{Problem: "You did not let this app in."})
		return
	case errors.Is(err, errCode):
		a.show(w, http.StatusBadRequest, view{Problem: "This sign-in is over: its address was used before, or is too old."})
		return
	case err != nil:
		log.Printf("sign-in not finished: %v", err)
		a.show(w, http.StatusBadGateway, view{Problem: "Signet did not answer as it should. Try again soon."})
		return
	}
	// A fresh id: one that was there before may be known to somebody else.
	if old, err := r.Cookie(sessionCookie); err == nil {
		a.sessions.end(old.Value)
	}
	setCookie(w, sessionCookie, a.sessions.start(s), sessionLife)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// logout ends the session here. The one at Signet goes on; its /logout ends both.
func (a *app) logout(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(sessionCookie); err == nil {
		a.sessions.end(c.Value)
	}
	setCookie(w, sessionCookie, "", -1)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// backchannelLogout is where Signet says that a session has ended (OpenID Connect
// Back-Channel Logout 1.0, section 2.5). No browser is involved. Signet asks again
// where the answer is not 200.
func (a *app) backchannelLogout(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	ended, err := a.guard.Logout(r.Context(), r.PostFormValue("logout_token"), a.clientID)
	if err != nil || ended.Session == "" {
		log.Printf("logout token refused: %v", err)
		http.Error(w, "logout_token is not valid", http.StatusBadRequest)
		return
	}
	a.sessions.endSignet(ended.Session)
}

func setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// random returns 256 random bits.
func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
