package login

import (
	"net/http"
	"slices"
	"time"

	"signet/internal/fault"
)

// AppAccess is what a user lets an app have.
type AppAccess struct {
	Client, App, Owner string
	Scopes             []Scope
	Since              time.Time
	Live               bool // it has tokens now
	Offline            bool // and keeps them when the user signs out
	Bound              bool // and all of them are bound to a key
}

type appRow struct {
	AppAccess
	Texts []string // scopes in words
}

// showApps is GET /account/apps.
func (l *Login) showApps(w http.ResponseWriter, r *http.Request) error {
	s, _ := sessionOf(r)
	all, err := l.authority.Apps(r.Context(), s.Ticket.Subject)
	if err != nil {
		return err
	}
	rows := make([]appRow, len(all))
	for i, a := range all {
		shown := slices.DeleteFunc(slices.Clone(a.Scopes), func(s Scope) bool { return s.Name == "offline_access" }) // a badge says it
		rows[i] = appRow{a, l.scopeTexts(r, shown)}
	}
	return l.render(w, r, "apps", rows, nil)
}

// showRemoveApp is GET /account/apps/{id}: it names what goes.
func (l *Login) showRemoveApp(w http.ResponseWriter, r *http.Request) error {
	s, _ := sessionOf(r)
	all, err := l.authority.Apps(r.Context(), s.Ticket.Subject)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(a AppAccess) bool { return a.Client == r.PathValue("id") })
	if i < 0 {
		return errNoSuchThing
	}
	t := l.site.TextsOf(r)
	return l.render(w, r, "remove", removePage{
		Title: t.T("remove.client.title"), Text: t.T("remove.client.text"), Button: t.T("remove.button"),
		Name: all[i].App, Back: "/account/apps", Action: r.URL.Path,
	}, nil)
}

// removeApp is its POST.
func (l *Login) removeApp(w http.ResponseWriter, r *http.Request) error {
	s, _ := sessionOf(r)
	err := l.authority.RemoveApp(r.Context(), s.Ticket.Subject, r.PathValue("id"))
	if fault.KindOf(err) == fault.NotFound {
		return errNoSuchThing
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, "/account/apps?done=removed")
}
