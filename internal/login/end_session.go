package login

import (
	"net/http"
	"net/url"

	"signet/internal/page"
)

// Leaving is a request of an app that its user be signed out.
type Leaving struct {
	Client, App   string // empty where it does not say
	To            string // where the browser goes afterwards; empty: nowhere
	User, Session string // whom and which it means; empty where it does not say
}

// endSessionPosted is POST /end_session. The form is another site's, and comes without
// cookies: the request is met by GET.
func (l *Login) endSessionPosted(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return errBadQuery
	}
	if _, err := l.authority.Leave(r.Context(), r.PostForm); err != nil {
		return err
	}
	return seeOther(w, r, "/end_session?"+r.PostForm.Encode())
}

type endSessionPage struct {
	App    string
	Fields map[string]string // that name the request
}

// endSession is GET /end_session (OpenID Connect RP-Initiated Logout 1.0). Who brings an
// ID token of this very session is signed out at once: nobody but the app has that.
// Others are asked.
func (l *Login) endSession(w http.ResponseWriter, r *http.Request) error {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return errBadQuery
	}
	q.Del("locale")
	leaving, err := l.authority.Leave(r.Context(), q)
	if err != nil {
		return err
	}
	s, ok := sessionOf(r)
	switch {
	case !ok:
		return l.left(w, r, leaving)
	case leaving.Session != "" && leaving.Session == s.Ticket.Session && leaving.User == s.Ticket.Subject:
		if err := l.end(w, r); err != nil {
			return err
		}
		return l.left(w, r, leaving)
	}
	d := endSessionPage{App: leaving.App, Fields: map[string]string{}}
	for name, v := range map[string]string{
		"client_id": leaving.Client, "post_logout_redirect_uri": q.Get("post_logout_redirect_uri"), "state": q.Get("state"),
	} {
		if v != "" {
			d.Fields[name] = v
		}
	}
	return l.show(w, r, "end-session", page.View{Data: d}, nil)
}

// confirmEndSession is POST /end_session/confirm: the person wants to.
func (l *Login) confirmEndSession(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return errBadQuery
	}
	leaving, err := l.authority.Leave(r.Context(), r.PostForm)
	if err != nil {
		return err
	}
	if err := l.end(w, r); err != nil {
		return err
	}
	return l.left(w, r, leaving)
}

// left goes to where the app wants who was signed out to go.
func (l *Login) left(w http.ResponseWriter, r *http.Request, to Leaving) error {
	switch {
	case to.To == "":
		return l.show(w, r, "signed-out", page.View{}, nil)
	case r.Method == http.MethodPost:
		return l.leave(w, r, to.To, to.App)
	}
	return seeOther(w, r, to.To)
}
