package login

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"signet/internal/authapi"
	"signet/internal/fault"
	"signet/internal/page"
	"signet/internal/web"
)

// signInPage is what the sign-in page shows.
type signInPage struct {
	Flow      flow
	Providers []Provider
	Email     string
	Last      string // method of the last sign-in in this browser
	SignUp    bool
}

// front sends people to where they are most likely to go.
func (l *Login) front(w http.ResponseWriter, r *http.Request) error {
	if _, ok := sessionOf(r); ok {
		return seeOther(w, r, "/account")
	}
	return seeOther(w, r, "/login")
}

// showSignIn is GET /login?client_id&next&challenge&locale&max_age&acr_values.
func (l *Login) showSignIn(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	if _, ok := sessionOf(r); ok {
		return l.arrive(w, r, f)
	}
	return l.renderSignIn(w, r, f, nil)
}

func (l *Login) renderSignIn(w http.ResponseWriter, r *http.Request, f flow, refused error) error {
	binding(w, r)
	d := signInPage{Flow: f, Providers: slices.Clone(l.outside.Offered()), Email: r.PostFormValue("email"), Last: value(r, lastCookie), SignUp: l.o.SignUp}
	slices.SortStableFunc(d.Providers, func(a, b Provider) int { return last(b, d.Last) - last(a, d.Last) })
	return l.show(w, r, "sign-in", page.View{Data: d, App: f.App, Script: []string{"passkey.js"}}, refused)
}

func last(p Provider, method string) int {
	if p.Name() == method {
		return 1
	}
	return 0
}

// signIn is POST /login: a password.
func (l *Login) signIn(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	binding(w, r)
	res, err := l.accounts.Password(r.Context(), authapi.PasswordRequest{
		Address: r.PostFormValue("email"), Password: r.PostFormValue("password"), Browser: l.browser(r),
	})
	if err != nil {
		return l.unfinished(w, r, f, err, func(err error) error { return l.renderSignIn(w, r, f, err) })
	}
	return l.finish(w, r, f, res, "password")
}

// beginPasskey is POST /login/passkey/begin, asked by the page's script.
func (l *Login) beginPasskey(w http.ResponseWriter, r *http.Request) error {
	c, err := l.accounts.BeginPasskey(r.Context(), authapi.BeginPasskeyRequest{Browser: l.browser(r)})
	return l.answerChallenge(w, r, c, err)
}

// answerChallenge gives a challenge to the page's script, and ties it to this browser.
func (l *Login) answerChallenge(w http.ResponseWriter, r *http.Request, c authapi.Challenge, err error) error {
	if err != nil {
		return err
	}
	remember(w, r, passkeyCookie, c.Handle, maxHandles, flowLife)
	return web.WriteJSON(w, http.StatusOK, c)
}

// handleOf returns the handle that a form came with, and uses it up. It is empty where
// the challenge was not begun in this browser.
func handleOf(w http.ResponseWriter, r *http.Request) string {
	handle, all := r.PostFormValue("handle"), list(r, passkeyCookie)
	if handle == "" || !slices.Contains(all, handle) {
		return ""
	}
	all = slices.DeleteFunc(all, func(h string) bool { return h == handle })
	set(w, passkeyCookie, strings.Join(all, "."), flowLife)
	return handle
}

// passkey is POST /login/passkey: a discoverable passkey is a whole sign-in.
func (l *Login) passkey(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	binding(w, r)
	res, err := l.accounts.Passkey(r.Context(), authapi.PasskeyRequest{
		Handle: handleOf(w, r), Assertion: assertion(r), Browser: l.browser(r),
	})
	if err != nil {
		return l.unfinished(w, r, f, err, func(err error) error { return l.renderSignIn(w, r, f, err) })
	}
	return l.finish(w, r, f, res, "passkey")
}

// assertion returns what the browser's WebAuthn call answered. What is no JSON proves nothing.
func assertion(r *http.Request) []byte {
	if s := r.PostFormValue("response"); strings.HasPrefix(s, "{") {
		return []byte(s)
	}
	return []byte("{}")
}

// unfinished goes on with a sign-in that needs a second factor, and else shows the
// page again with what was refused.
func (l *Login) unfinished(w http.ResponseWriter, r *http.Request, f flow, err error, again func(error) error) error {
	if mfa, ok := errors.AsType[*authapi.MFARequired](err); ok {
		set(w, mfaCookie, waitingFor(mfa).String(), time.Duration(mfa.ExpiresIn)*time.Second)
		if len(mfa.Methods) == 0 {
			return seeOther(w, r, f.To("/login/enrol"))
		}
		return seeOther(w, r, f.To("/login/factor"))
	}
	if _, ok := fault.As(err); ok {
		return again(err)
	}
	return err
}

// finish keeps the session at the browser and goes on to where the sign-in was for.
func (l *Login) finish(w http.ResponseWriter, r *http.Request, f flow, res authapi.TokenResponse, method string) error {
	l.keep(w, r, res)
	if method != "" {
		set(w, lastCookie, method, deviceLife)
	}
	if f.Client != "" {
		// The app is another origin, where a form may not end (form-action 'self').
		return seeOther(w, r, f.To("/login/continue"))
	}
	if f.Next == "" {
		f.Next = "/account"
	}
	return seeOther(w, r, f.Next)
}

// keep puts a sign-in's values into cookies.
func (l *Login) keep(w http.ResponseWriter, r *http.Request, res authapi.TokenResponse) {
	set(w, sessionCookie, res.RefreshToken, sessionLife)
	if res.Device != "" {
		remember(w, r, deviceCookie, res.Device, maxDevices, deviceLife)
	}
	if value(r, mfaCookie) != "" {
		set(w, mfaCookie, "", 0)
	}
}

// goOn is GET /login/continue: the page between a form and the app.
func (l *Login) goOn(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	if _, ok := sessionOf(r); !ok {
		return seeOther(w, r, f.To("/login"))
	}
	return l.arrive(w, r, f)
}

// arrive brings somebody who is signed in to where they were going, or has them prove
// themselves once more where the app wants that.
func (l *Login) arrive(w http.ResponseWriter, r *http.Request, f flow) error {
	s, _ := sessionOf(r)
	age := l.o.Now().Sub(s.Ticket.AuthTime)
	if f.MaxAge >= 0 && age > f.MaxAge+time.Second || f.ACR == acrTwo && s.Ticket.ACR != acrTwo {
		return seeOther(w, r, f.To("/login/confirm"))
	}
	if f.Client == "" {
		if f.Next == "" {
			f.Next = "/account"
		}
		return seeOther(w, r, f.Next)
	}
	code, err := l.apps.Issue(r.Context(), Handoff{
		App: f.Client, Next: f.Next, Challenge: f.Challenge, User: s.Ticket.Subject, Session: s.Ticket.Session,
	})
	if err != nil {
		return err
	}
	to, err := withNonce(f.Next, code)
	if err != nil {
		return err
	}
	return l.leave(w, r, to, f.App)
}

// leave shows a page that goes on to another origin by itself: a form may not end
// there (form-action 'self').
func (l *Login) leave(w http.ResponseWriter, r *http.Request, to, name string) error {
	w.Header().Set("Refresh", "0; url="+to)
	return l.show(w, r, "continue", page.View{Data: to, App: name}, nil)
}

// withNonce adds the one-time code to the app's address.
func withNonce(next, code string) (string, error) {
	u, err := url.Parse(next)
	if err != nil {
		return "", ErrNext
	}
	q := u.Query()
	q.Set("nonce", code)
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// seeOther answers a form, or sends on, to a page of this origin. Without a form it may
// be an app's address, as registered.
func seeOther(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path, http.StatusSeeOther) //nolint:gosec // callers have checked it
	return nil
}
