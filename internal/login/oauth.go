package login

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"signet/internal/authapi"
	"signet/internal/fault"
	"signet/internal/page"
)

// What a person is told who came with a request that leads nowhere.
var (
	ErrRedirect  = fault.New(fault.Invalid, "is not one of the app's").At("redirect_uri").Named("bad-redirect")
	ErrAppAbsent = fault.New(fault.Forbidden, "the app is not there for your account").Named("app-absent")
)

// Authority gives apps what people let them have (OAuth 2.0); login asks the people. A
// fault is for the person; a *Refused is for the app.
type Authority interface {
	// Begin reads a request at /authorize.
	Begin(ctx context.Context, q url.Values) (Asked, error)
	// Resume returns a request that was begun, by its name.
	Resume(ctx context.Context, client, uri string) (Asked, error)
	// Agreed reports whether a user need not be asked. It returns ErrAppAbsent where the
	// app is not there for them.
	Agreed(ctx context.Context, a Asked, who Member) (bool, error)
	// Grant gives the app a code, and returns where the browser takes it. remember keeps
	// that the user agreed.
	Grant(ctx context.Context, a Asked, who Member, remember bool) (to string, err error)
	// Deny ends a request, and returns where the browser takes the refusal.
	Deny(ctx context.Context, a Asked, why Denial) (to string, err error)

	// Device returns the device that waits with a code that a user typed. Wrong codes are
	// counted.
	Device(ctx context.Context, who Member, code string) (Waiting, error)
	// SettleDevice lets it in, or denies it.
	SettleDevice(ctx context.Context, who Member, code string, allow bool) error

	// Leave reads a request at /end_session.
	Leave(ctx context.Context, q url.Values) (Leaving, error)

	// Apps returns what a user let apps have.
	Apps(ctx context.Context, user string) ([]AppAccess, error)
	// RemoveApp ends all that a user let an app have.
	RemoveApp(ctx context.Context, user, client string) error
}

// Member is who is signed in, as far as apps are concerned.
type Member struct{ User, Account, Session string }

func memberOf(s authapi.Session) Member {
	return Member{User: s.Ticket.Subject, Account: s.Ticket.Account, Session: s.Ticket.Session}
}

// Scope is one thing that an app asks for.
type Scope struct {
	Name string
	Text string // in English; empty where there is none
}

// Asked is a request of an app.
type Asked struct {
	Client, URI string // what names it
	App         string // name of the app
	Owner       string // name of its account
	Redirect    string
	Scopes      []Scope
	Prompt      []string      // none, login, consent, select_account
	MaxAge      time.Duration // below zero: any
	ACR         []string      // any of them
	Locales     []string      // that the app wishes, best first
	Begun       time.Time
	Own         any // what the authority knows besides
}

// Refused is an error that the browser takes to the app.
type Refused struct{ To string }

func (*Refused) Error() string { return "the request of the app was refused" }

// Denial is why a request ends without a code.
type Denial int

// The denials.
const (
	DeniedByUser   Denial = iota
	LoginNeeded           // and prompt=none
	ConsentNeeded         // and prompt=none
	TooWeakASignIn        // and the user has no stronger one
)

// authorize is GET /authorize: an app asks.
func (l *Login) authorize(w http.ResponseWriter, r *http.Request) error {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return errBadQuery
	}
	q.Del("locale")
	q.Del(stepParameter)
	a, err := l.authority.Begin(r.Context(), q)
	if err != nil {
		return refusedAtOnce(w, r, err)
	}
	return l.settle(w, r, a)
}

var errBadQuery = fault.New(fault.Malformed, "the parameters cannot be read")

// authorizePosted is POST /authorize (OpenID Connect Core, section 3.1.2.1). The form is
// another site's, and comes without cookies: the request is kept, and met by GET.
func (l *Login) authorizePosted(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return errBadQuery
	}
	a, err := l.authority.Begin(r.Context(), r.PostForm)
	if err != nil {
		return refusedAtOnce(w, r, err)
	}
	return seeOther(w, r, a.page("", ""))
}

// refusedAtOnce sends a refusal to the app whose it is.
func refusedAtOnce(w http.ResponseWriter, r *http.Request, err error) error {
	if no, ok := errors.AsType[*Refused](err); ok {
		return seeOther(w, r, no.To)
	}
	return err
}

// How far a request has come, in its address.
const (
	stepParameter = "step"
	stepBegun     = "1"
	stepProven    = "2" // the person was asked to prove themselves once more
)

// page returns the address of a request.
func (a Asked) page(step, locale string) string {
	q := url.Values{"client_id": {a.Client}, "request_uri": {a.URI}}
	if step != "" {
		q.Set(stepParameter, step)
	}
	if locale != "" {
		q.Set("locale", locale)
	}
	return pathAuthorize + "?" + q.Encode()
}

// wished returns the language of ours that an app wishes. It counts when a request
// begins: the person may choose another one then.
func (l *Login) wished(r *http.Request, a Asked) string {
	q := r.URL.Query()
	if q.Has("locale") || q.Has(stepParameter) {
		return q.Get("locale")
	}
	for _, tag := range a.Locales {
		if known := l.outside.o.Locale(tag); known != "" {
			return known
		}
	}
	return ""
}

// settle brings a request to its end, or shows what is missing until then.
func (l *Login) settle(w http.ResponseWriter, r *http.Request, a Asked) error {
	silent := slices.Contains(a.Prompt, "none")
	s, ok := sessionOf(r)
	switch {
	case !ok && silent:
		return l.deny(w, r, a, LoginNeeded)
	case !ok:
		return l.signInFor(w, r, "/login", a, stepBegun)
	}
	if missing := l.missing(a, s); missing != nothing {
		switch step := r.URL.Query().Get(stepParameter); {
		case silent:
			return l.deny(w, r, a, LoginNeeded)
		case missing == strength && step == stepProven && since(s, a):
			return l.deny(w, r, a, TooWeakASignIn)
		}
		return l.signInFor(w, r, "/login/confirm", a, stepProven)
	}
	agreed, err := l.authority.Agreed(r.Context(), a, memberOf(s))
	switch {
	case err != nil:
		return refusedAtOnce(w, r, err)
	case agreed:
		return l.grant(w, r, a, s, false)
	case silent:
		return l.deny(w, r, a, ConsentNeeded)
	case !r.URL.Query().Has(stepParameter): // to an address that can be loaded again
		return seeOther(w, r, a.page(stepBegun, l.wished(r, a)))
	}
	return l.askConsent(w, r, a, s)
}

// What is missing of a sign-in.
const (
	nothing = iota
	recency
	strength
)

// missing says what a session lacks for a request. Who signed in since it was begun did
// so for it.
func (l *Login) missing(a Asked, s authapi.Session) int {
	age := l.o.Now().Sub(s.Ticket.AuthTime)
	anew := slices.Contains(a.Prompt, "login") || slices.Contains(a.Prompt, "select_account")
	switch {
	case !since(s, a) && (anew || a.MaxAge >= 0 && age > a.MaxAge):
		return recency
	case len(a.ACR) > 0 && !slices.Contains(a.ACR, s.Ticket.ACR) && (s.Ticket.ACR != acrTwo || !slices.Contains(a.ACR, acrOne)):
		return strength
	}
	return nothing
}

// since reports whether somebody proved themselves after a request was begun.
func since(s authapi.Session, a Asked) bool { return !s.Ticket.AuthTime.Before(a.Begun) }

// signInFor has somebody sign in who then comes back to the request.
func (l *Login) signInFor(w http.ResponseWriter, r *http.Request, path string, a Asked, step string) error {
	q := url.Values{"next": {a.page(step, "")}}
	if tag := l.wished(r, a); tag != "" {
		q.Set("locale", tag)
	}
	return seeOther(w, r, path+"?"+q.Encode())
}

// appOf returns the name of the app whose request a sign-in is for; "" for none.
func (l *Login) appOf(ctx context.Context, next string) string {
	query, ok := strings.CutPrefix(next, pathAuthorize+"?")
	if !ok {
		return ""
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return ""
	}
	a, err := l.authority.Resume(ctx, q.Get("client_id"), q.Get("request_uri"))
	if err != nil {
		return "" // it is said once somebody gets there
	}
	return a.App
}

func (l *Login) grant(w http.ResponseWriter, r *http.Request, a Asked, s authapi.Session, remember bool) error {
	to, err := l.authority.Grant(r.Context(), a, memberOf(s), remember)
	if err != nil {
		return refusedAtOnce(w, r, err)
	}
	return l.bring(w, r, to, a)
}

func (l *Login) deny(w http.ResponseWriter, r *http.Request, a Asked, why Denial) error {
	to, err := l.authority.Deny(r.Context(), a, why)
	if err != nil {
		return err
	}
	return l.bring(w, r, to, a)
}

// bring sends the browser to the app. Where it comes from a form, that of the sign-in
// too, the app's origin is not to be reached by redirects (form-action 'self').
func (l *Login) bring(w http.ResponseWriter, r *http.Request, to string, a Asked) error {
	if r.Method == http.MethodPost || r.URL.Query().Has(stepParameter) {
		return l.leave(w, r, to, a.App)
	}
	return seeOther(w, r, to)
}

type consentPage struct {
	Asked  Asked
	Scopes []string // in words
	Person string
	Switch string // address for who wants to be somebody else
}

func (l *Login) askConsent(w http.ResponseWriter, r *http.Request, a Asked, s authapi.Session) error {
	d := consentPage{Asked: a, Scopes: l.scopeTexts(r, a.Scopes), Person: s.DisplayName, Switch: flow{Next: a.page(stepBegun, ""), MaxAge: -1}.To("/logout")}
	return l.show(w, r, "consent", page.View{Data: d, App: a.App}, nil)
}

// scopeTexts says what scopes let an app do, in the reader's language where it can.
func (l *Login) scopeTexts(r *http.Request, scopes []Scope) (all []string) {
	t := l.site.TextsOf(r)
	for _, s := range scopes {
		switch id := scopeTexts[s.Name]; {
		case id != "":
			all = append(all, t.T(id))
		case s.Text != "":
			all = append(all, t.T("scope.permission", "Text", s.Text, "Name", s.Name))
		default:
			all = append(all, t.T("scope.other", "Name", s.Name))
		}
	}
	return all
}

var scopeTexts = map[string]string{
	"openid":         "scope.openid",
	"profile":        "scope.profile",
	"email":          "scope.email",
	"offline_access": "scope.offline",
	"authroute:keys": "scope.mailKeys",
}

// decide is POST /authorize/decide: what the person says.
func (l *Login) decide(w http.ResponseWriter, r *http.Request) error {
	a, err := l.authority.Resume(r.Context(), r.PostFormValue("client_id"), r.PostFormValue("request_uri"))
	if err != nil {
		return refusedAtOnce(w, r, err)
	}
	s, ok := sessionOf(r)
	if !ok || l.missing(a, s) != nothing {
		return seeOther(w, r, a.page(stepBegun, ""))
	}
	if r.PostFormValue("decision") != "allow" {
		return l.deny(w, r, a, DeniedByUser)
	}
	return l.grant(w, r, a, s, true)
}
