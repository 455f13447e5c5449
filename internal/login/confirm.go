package login

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"signet/internal/authapi"
	"signet/internal/page"
)

// freshFor is how long a sign-in opens what changes how one signs in. Account holds
// to it; pages ask a little early, so that a form is not refused after it was filled.
const freshFor = 4 * time.Minute

func (l *Login) fresh(s authapi.Session) bool {
	return l.o.Now().Sub(s.Ticket.AuthTime) < freshFor
}

// askToSignIn sends somebody to the sign-in page who comes back here after it.
func (l *Login) askToSignIn(w http.ResponseWriter, r *http.Request) error {
	return seeOther(w, r, "/login?next="+url.QueryEscape(here(r)))
}

// askToConfirm is askToSignIn for who is signed in since too long.
func (l *Login) askToConfirm(w http.ResponseWriter, r *http.Request) error {
	return seeOther(w, r, "/login/confirm?next="+url.QueryEscape(here(r)))
}

// here is the page of the request: the form's own page where it is one.
func here(r *http.Request) string {
	if r.Method == http.MethodGet {
		return r.URL.RequestURI()
	}
	if strings.HasPrefix(r.URL.Path, "/console") || strings.HasPrefix(r.URL.Path, "/account/keys/") { // its forms are sent to the pages that show them
		return r.URL.RequestURI()
	}
	if strings.HasPrefix(r.URL.Path, "/device") {
		return "/device"
	}
	return "/account/security"
}

type confirmPage struct {
	Flow flow
	User authapi.User
}

// showConfirm is GET /login/confirm: who is signed in proves it once more.
func (l *Login) showConfirm(w http.ResponseWriter, r *http.Request) error {
	return l.renderConfirm(w, r, nil)
}

func (l *Login) renderConfirm(w http.ResponseWriter, r *http.Request, refused error) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	s, _ := sessionOf(r)
	u, err := l.accounts.User(r.Context(), s.Ticket.Subject)
	if err != nil {
		return err
	}
	return l.show(w, r, "confirm", page.View{Data: confirmPage{f, u}, App: f.App, Script: []string{"passkey.js"}}, refused)
}

// confirm is POST /login/confirm: a password, a code or a passkey.
func (l *Login) confirm(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	q := authapi.StepUpRequest{Password: r.PostFormValue("password"), Code: r.PostFormValue("code"), Browser: l.browser(r)}
	if r.PostFormValue("response") != "" {
		q.Handle, q.Assertion = handleOf(w, r), assertion(r)
	}
	res, err := l.accounts.StepUp(r.Context(), q)
	if err != nil {
		return l.refused(err, func() error { return l.renderConfirm(w, r, err) })
	}
	l.sessions.forget()
	return l.finish(w, r, f, res, "")
}

// beginConfirmPasskey is POST /login/confirm/passkey/begin, asked by the page's script.
func (l *Login) beginConfirmPasskey(w http.ResponseWriter, r *http.Request) error {
	c, err := l.accounts.BeginPasskey(r.Context(), authapi.BeginPasskeyRequest{StepUp: true, Browser: l.browser(r)})
	return l.answerChallenge(w, r, c, err)
}
