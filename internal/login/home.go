package login

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"signet/internal/authapi"
	"signet/internal/fault"
	"signet/internal/page"
	"signet/internal/web"
)

// homeRoutes are the pages of who is signed in.
func (l *Login) homeRoutes() map[string]handler {
	return map[string]handler{
		"GET /login/confirm":                l.showConfirm,
		"POST /login/confirm":               l.confirm,
		"POST /login/confirm/passkey/begin": l.beginConfirmPasskey,

		"GET /account":            l.showProfile,
		"POST /account":           l.saveProfile,
		"POST /account/addresses": l.addAddress,

		"GET /account/security":                  l.showSecurity,
		"GET /account/security/password":         l.freshly(l.showPassword),
		"POST /account/security/password":        l.setPassword,
		"GET /account/security/app":              l.freshly(l.showApp),
		"POST /account/security/app":             l.confirmApp,
		"GET /account/security/codes":            l.freshly(l.showRenew),
		"POST /account/security/codes":           l.renewCodes,
		"GET /account/security/passkeys":         l.freshly(l.showNewPasskey),
		"POST /account/security/passkeys/begin":  l.beginNewPasskey,
		"POST /account/security/passkeys":        l.enrolPasskey,
		"GET /account/security/passkeys/{id}":    l.freshly(l.showPasskey),
		"POST /account/security/passkeys/{id}":   l.renamePasskey,
		"POST /account/security/mfa":             l.setMFA,
		"POST /account/security/recovery/cancel": l.cancelRecovery,
		"GET /account/remove/{kind}/{id}":        l.showRemove,
		"POST /account/remove/{kind}/{id}":       l.remove,
		"GET /account/sessions":                  l.showSessions,
		"POST /account/sessions/{id}":            l.revokeSession,
		"POST /account/sessions":                 l.revokeOthers,
		"GET /account/tokens":                    l.showTokens,
		"POST /account/tokens":                   l.createToken,
		"GET /account/activity":                  l.showActivity,
		"GET /account/apps":                      l.showApps,
		"GET /account/apps/{id}":                 l.showRemoveApp,
		"POST /account/apps/{id}":                l.removeApp,

		"GET /device":         l.showDevice,
		"POST /device":        l.device,
		"POST /device/decide": l.settleDevice,
	}
}

// freshly lets only those pass who proved themselves minutes ago.
func (l *Login) freshly(f handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if s, _ := sessionOf(r); !l.fresh(s) {
			return l.askToConfirm(w, r)
		}
		return f(w, r)
	}
}

// render shows a page of the account home, with what was refused or done.
func (l *Login) render(w http.ResponseWriter, r *http.Request, name string, data any, refused error, script ...string) error {
	texts := l.site.TextsOf(r)
	s, _ := sessionOf(r)
	v := page.View{Data: data, Person: s.DisplayName, Nav: l.nav(r, s), Script: script}
	if id := doneNotes[r.URL.Query().Get("done")]; id != "" {
		v.Notice = texts.T(id)
	}
	status := http.StatusOK
	if refused != nil {
		p := web.ProblemOf(r.Context(), refused)
		status, v.Error = p.Status, l.say(r, refused)
		retryAfter(w, p.Retry)
	}
	return l.home.Show(w, r, status, name, v)
}

// doneNotes say what the form before this page did.
var doneNotes = map[string]string{
	"saved":     "done.saved",
	"mailed":    "done.mailed",
	"linked":    "done.linked",
	"password":  "done.password",
	"passkey":   "done.passkey",
	"app":       "done.app",
	"removed":   "done.removed",
	"mfa":       "done.mfa",
	"cancelled": "done.cancelled",
	"revoked":   "done.revoked",
}

func (l *Login) nav(r *http.Request, s authapi.Session) []page.Item {
	t := l.site.TextsOf(r)
	all := []page.Item{
		{Href: "/account", Text: t.T("nav.profile")},
		{Href: "/account/security", Text: t.T("nav.security")},
		{Href: "/account/sessions", Text: t.T("nav.sessions")},
		{Href: "/account/apps", Text: t.T("nav.apps")},
		{Href: "/account/tokens", Text: t.T("nav.tokens")},
	}
	if l.o.Keys != nil {
		all = append(all, page.Item{Href: "/account/keys", Text: t.T("nav.keys")})
	}
	all = append(all, page.Item{Href: "/account/activity", Text: t.T("nav.activity")})
	path := r.URL.Path
	if what, ok := removals[r.PathValue("kind")]; ok {
		path = what.back
	}
	for i := range all {
		all[i].Current = path == all[i].Href || i > 0 && strings.HasPrefix(path, all[i].Href+"/")
	}
	if s.Ticket != nil && len(s.Ticket.Permissions) > 0 {
		all = append(all, page.Item{Href: "/console", Text: t.T("nav.console")})
	}
	return all
}

// refused shows a page again where err is a refusal, and returns it else. Those that
// lead to another page are returned too.
func (l *Login) refused(err error, again func() error) error {
	_, ok := fault.As(err)
	word := authapi.Word(err)
	if !ok || word == authapi.WordStepUp || word == authapi.WordSession {
		return err
	}
	return again()
}

// user returns what account tells of who is signed in.
func (l *Login) user(r *http.Request) (authapi.User, error) {
	s, _ := sessionOf(r)
	return l.accounts.User(r.Context(), s.Ticket.Subject)
}

type profilePage struct {
	User      authapi.User
	Name      string
	Email     string // as typed
	Languages []page.Language
}

func (l *Login) showProfile(w http.ResponseWriter, r *http.Request) error {
	return l.renderProfile(w, r, nil)
}

func (l *Login) renderProfile(w http.ResponseWriter, r *http.Request, refused error) error {
	u, err := l.user(r)
	if err != nil {
		return err
	}
	d := profilePage{User: u, Name: u.DisplayName, Email: r.PostFormValue("email")}
	if name := r.PostFormValue("name"); name != "" {
		d.Name = name
	}
	for _, t := range l.site.All() {
		d.Languages = append(d.Languages, page.Language{Tag: t.Tag.String(), Name: t.Name(), Current: t.Tag.String() == u.Locale})
	}
	return l.render(w, r, "profile", d, refused)
}

func (l *Login) saveProfile(w http.ResponseWriter, r *http.Request) error {
	s, _ := sessionOf(r)
	q := authapi.UpdateUserRequest{DisplayName: r.PostFormValue("name"), Locale: r.PostFormValue("locale")}
	if err := l.accounts.UpdateUser(r.Context(), s.Ticket.Subject, q); err != nil {
		return l.refused(err, func() error { return l.renderProfile(w, r, err) })
	}
	if q.Locale != "" {
		page.SetLocale(w, q.Locale)
	}
	l.sessions.forget()
	return seeOther(w, r, "/account?done=saved")
}

func (l *Login) addAddress(w http.ResponseWriter, r *http.Request) error {
	err := l.accounts.AddAddress(r.Context(), authapi.AddressRequest{
		Email: r.PostFormValue("email"), Locale: l.site.TextsOf(r).Tag.String(),
	})
	if err != nil {
		return l.refused(err, func() error { return l.renderProfile(w, r, err) })
	}
	return seeOther(w, r, "/account?done=mailed")
}

func (l *Login) showSessions(w http.ResponseWriter, r *http.Request) error {
	all, err := l.accounts.Sessions(r.Context())
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b authapi.SessionInfo) int {
		if a.Current != b.Current {
			return map[bool]int{true: -1, false: 1}[a.Current]
		}
		return b.LastSeen.Compare(a.LastSeen)
	})
	return l.render(w, r, "sessions", all, nil)
}

func (l *Login) revokeSession(w http.ResponseWriter, r *http.Request) error {
	if err := l.accounts.RevokeSession(r.Context(), authapi.IDRequest{ID: r.PathValue("id")}); err != nil {
		return err
	}
	l.sessions.forget()
	return seeOther(w, r, "/account/sessions?done=revoked")
}

func (l *Login) revokeOthers(w http.ResponseWriter, r *http.Request) error {
	if err := l.accounts.RevokeOtherSessions(r.Context()); err != nil {
		return err
	}
	l.sessions.forget()
	return seeOther(w, r, "/account/sessions?done=revoked")
}

type tokensPage struct {
	Tokens      []authapi.APIToken
	Made        authapi.APIToken // just now, with its secret
	Name        string           // as typed
	Days        int
	Lives       []int // days
	Permissions []string
	chosen      []string
}

// Has reports whether the scope was chosen.
func (p tokensPage) Has(scope string) bool { return slices.Contains(p.chosen, scope) }

func (l *Login) showTokens(w http.ResponseWriter, r *http.Request) error {
	return l.renderTokens(w, r, authapi.APIToken{}, nil)
}

func (l *Login) renderTokens(w http.ResponseWriter, r *http.Request, made authapi.APIToken, refused error) error {
	all, err := l.accounts.Tokens(r.Context())
	if err != nil {
		return err
	}
	s, _ := sessionOf(r)
	d := tokensPage{Tokens: all, Made: made, Lives: lives, Days: 90, Permissions: s.Ticket.Permissions}
	if refused != nil {
		d.Name, d.Days, d.chosen = r.PostFormValue("name"), daysOf(r), r.PostForm["scope"]
	}
	return l.render(w, r, "tokens", d, refused)
}

// lives are for how many days a token may be made.
var lives = []int{7, 30, 90, 365}

// daysOf returns the life that was chosen, 0 for ever.
func daysOf(r *http.Request) int {
	n, _ := strconv.Atoi(r.PostFormValue("days"))
	if !slices.Contains(lives, n) {
		return 0
	}
	return n
}

func (l *Login) createToken(w http.ResponseWriter, r *http.Request) error {
	q := authapi.CreateTokenRequest{Name: r.PostFormValue("name"), Scopes: r.PostForm["scope"]}
	if days := daysOf(r); days > 0 {
		q.Expires = l.o.Now().AddDate(0, 0, days)
	}
	made, err := l.accounts.CreateToken(r.Context(), q)
	if err != nil {
		return l.refused(err, func() error { return l.renderTokens(w, r, made, err) })
	}
	return l.renderTokens(w, r, made, nil)
}

func (l *Login) showActivity(w http.ResponseWriter, r *http.Request) error {
	all, err := l.accounts.Activity(r.Context())
	if err != nil {
		return err
	}
	rows := make([]activityRow, len(all))
	for i, a := range all {
		rows[i] = activityRow{a, activityText(l.site.TextsOf(r), a.Action)}
	}
	return l.render(w, r, "activity", rows, nil)
}

type activityRow struct {
	authapi.Activity
	Text string
}
