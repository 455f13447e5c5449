package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"signet/internal/authroute"
	"signet/internal/locale"
	"signet/internal/page"
	"signet/internal/ticket"
	"signet/internal/token"
	"signet/internal/web"
)

// freshFor is how long a sign-in opens what asks for a fresh one. Pages ask a little
// early, so that a form is not refused after it was filled.
const (
	freshFor   = 5 * time.Minute
	freshEarly = time.Minute
)

// request is one page for one person.
type request struct {
	*http.Request
	w     http.ResponseWriter
	c     *Console
	who   *ticket.Ticket
	texts *locale.Texts
}

// handle makes a page of f for who holds the permission.
func (c *Console) handle(permission string, f func(q *request) error) http.Handler {
	return c.login.Members(func(w http.ResponseWriter, r *http.Request) error {
		q := &request{Request: r, w: w, c: c, who: ticket.From(r.Context()), texts: c.site.TextsOf(r)}
		if permission != "" {
			if err := q.who.Demand(permission); err != nil {
				return err
			}
		}
		return f(q)
	})
}

// t returns a text in the reader's language.
func (q *request) t(id string) string { return q.texts.T(id) }

// param returns a parameter of the page's address.
func (q *request) param(name string) string { return q.URL.Query().Get(name) }

// field returns a field of the form that was sent.
func (q *request) field(name string) string { return strings.TrimSpace(q.PostFormValue(name)) }

// shown is what all pages have.
type shown struct {
	P      any        // of the page itself
	Query  url.Values // of its address
	May    func(permission string) bool
	Bypass *authroute.BypassState // where mail goes unjudged, and the reader may know
	Bare   *token.Bypass          // where senders need not prove a key, and the reader may know
	Next   string                 // address of the next page of a list
	First  string                 // of its first page, where this is another one
	Sort   func(word, usual, text string) column
}

// show shows a page; next is the cursor of the list's next page.
func (q *request) show(name string, p any, next string) error {
	return q.render(name, p, next, nil)
}

// render is show with what was refused.
func (q *request) render(name string, p any, next string, refused error) error {
	return q.renderTo(name, p, next, refused, "")
}

// renderTo is render of a page with a form that goes to another origin.
func (q *request) renderTo(name string, p any, next string, refused error, origin string) error {
	s := shown{P: p, Query: q.URL.Query(), May: q.who.May, Next: q.withCursor(next), Sort: q.column}
	if q.param("cursor") != "" {
		s.First = q.URL.Path + "?" + q.without("cursor").Encode()
	}
	if state, on := q.c.Bypass.State(); on && (q.who.May(readMail) || q.who.May(adminMail)) {
		s.Bypass = &state
	}
	if b, on := q.c.Senders.Bypassed(); on && (q.who.May(manageClients) || q.who.May(runKeys)) {
		s.Bare = &b
	}
	v := page.View{Data: s, Person: q.c.o.Person(q.Request).Name, Nav: q.nav(), Script: []string{"console.js"}, Notice: q.notice(), FormOrigin: origin}
	status := http.StatusOK
	if refused != nil {
		status, v.Error = web.ProblemOf(q.Context(), refused).Status, q.say(refused)
	}
	q.w.Header().Set("Cache-Control", "no-store")
	return q.c.pages.Show(q.w, q.Request, status, name, v)
}

// notice tells what the form before this page did.
func (q *request) notice() string {
	done := q.param("done")
	if done == userInvited || done == objectUploaded {
		return q.t("console." + done + ".done")
	}
	for _, a := range q.c.actions {
		if a.name == done && done != "" {
			return q.t("console." + done + ".done")
		}
	}
	return ""
}

// say explains a refusal: in words of the console where it has some.
func (q *request) say(err error) string {
	p := web.ProblemOf(q.Context(), err)
	if id, ok := problems[p.Type[strings.LastIndexByte(p.Type, ':')+1:]]; ok {
		return q.t(id)
	}
	return q.c.login.Say(q.Request, err)
}

// problems are the refusals that only administrators meet, by their words.
var problems = map[string]string{
	"role-fixed":         "console.problem.roleFixed",
	"role-in-use":        "console.problem.roleInUse",
	"last-administrator": "console.problem.lastAdministrator",
	"last-address":       "console.problem.lastAddress",
	"client-taken":       "console.problem.clientTaken",
	"client-id":          "console.problem.clientID",
	"client-grants":      "console.problem.clientGrants",
	"client-scope":       "console.problem.clientScope",
	"client-keys":        "console.problem.clientKeys",
	"client-subject":     "console.problem.clientSubject",
	"client-consent":     "console.problem.clientConsent",
	"redirect-uri":       "console.problem.redirectURI",
	"node-only":          "console.problem.nodeOnly",

	"no-own-key":              "console.problem.noOwnKey",
	"key-ended":               "console.problem.keyEnded",
	"grant-whom":              "console.problem.grantWhom",
	"AccessDenied":            "console.problem.accessDenied",
	"BucketAlreadyExists":     "console.problem.bucketTaken",
	"BucketAlreadyOwnedByYou": "console.problem.bucketOwned",
	"BucketNotEmpty":          "console.problem.bucketNotEmpty",
	"InvalidBucketName":       "console.problem.bucketName",
}

// without returns the address's parameters but some.
func (q *request) without(names ...string) url.Values {
	all := q.URL.Query()
	for _, name := range append(names, "done", "locale") {
		all.Del(name)
	}
	return all
}

func (q *request) withCursor(next string) string {
	if next == "" {
		return ""
	}
	all := q.without("cursor")
	all.Set("cursor", next)
	return q.URL.Path + "?" + all.Encode()
}

// fresh reports whether the reader proved themselves minutes ago.
func (q *request) fresh(within time.Duration) bool {
	return q.c.o.Now().Sub(q.who.AuthTime) < within
}

func (q *request) seeOther(to string) error {
	http.Redirect(q.w, q.Request, to, http.StatusSeeOther)
	return nil
}

// nav lists the sections that the reader may open.
func (q *request) nav() []page.Item {
	all := []page.Item{{Href: "/console", Text: q.t("console.home.title")}}
	for _, group := range []struct {
		heading string
		items   [][3]string // permission, path, text
	}{
		{"console.nav.people", [][3]string{
			{readUsers, "/console/users", "console.users.title"},
			{readUsers, "/console/roles", "console.roles.title"},
			{readUsers, "/console/sessions", "console.sessions.title"},
			{readUsers, "/console/tokens", "console.tokens.title"},
		}},
		{"console.nav.apps", [][3]string{
			{manageClients, "/console/clients", "console.clients.title"},
			{manageClients, "/console/senders", "console.senders.title"},
		}},
		{"console.nav.mail", [][3]string{
			{readMail, "/console/mail-keys", "console.mailKeys.title"},
			{readMail, "/console/verifications", "console.verifications.title"},
			{adminMail, "/console/domains", "console.domains.title"},
			{adminMail, "/console/bypass", "console.bypass.title"},
		}},
		{"console.nav.files", q.filesNav()},
		{"console.nav.record", [][3]string{{readAudit, "/console/audit", "console.audit.title"}}},
	} {
		var items []page.Item
		for _, i := range group.items {
			if i[0] == "" || q.who.May(i[0]) {
				items = append(items, page.Item{Href: i[1], Text: q.t(i[2])})
			}
		}
		if len(items) > 0 {
			all = append(append(all, page.Item{Text: q.t(group.heading)}), items...)
		}
	}
	for i := range all {
		path := strings.Replace(q.URL.Path, "/console/service-keys", "/console/tokens", 1)
		all[i].Current = path == all[i].Href || i > 0 && all[i].Href != "" && strings.HasPrefix(path, all[i].Href+"/")
	}
	return append(all, page.Item{Text: q.t("console.nav.you")}, page.Item{Href: "/account", Text: q.t("console.nav.account")})
}
