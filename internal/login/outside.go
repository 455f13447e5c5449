package login

import (
	"log/slog"
	"net/http"
	"net/netip"

	"signet/internal/authapi"
	"signet/internal/page"
	"signet/internal/ticket"
)

// start is GET /login/start/{provider}, a link: a form could not end at the provider.
// To link an identity it is POST, by who is signed in, who then is sent on.
func (l *Login) start(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	address, _ := netip.ParseAddr(ticket.RequestFrom(r.Context()).Address)
	q := StartRequest{
		Provider: r.PathValue("provider"), Purpose: PurposeSignIn, Next: f.Next, Client: f.Client, Challenge: f.Challenge,
		Locale: l.site.TextsOf(r).Tag.String(), Browser: binding(w, r), Address: address,
	}
	if r.Method == http.MethodPost {
		s, ok := sessionOf(r)
		if !ok {
			return l.askToSignIn(w, r)
		}
		if !l.fresh(s) {
			return l.askToConfirm(w, r)
		}
		q.Purpose, q.User, q.Session = PurposeLink, s.Ticket.Subject, s.Ticket.Session
	}
	started, err := l.outside.Start(r.Context(), q)
	if err != nil {
		return err
	}
	if r.Method == http.MethodPost {
		return l.leave(w, r, started.URL, "")
	}
	return seeOther(w, r, started.URL)
}

// callback is GET /login/callback/{provider}.
func (l *Login) callback(w http.ResponseWriter, r *http.Request) error {
	q, session := r.URL.Query(), ""
	if s, ok := sessionOf(r); ok {
		session = s.Ticket.Session
	}
	res, err := l.outside.Callback(r.Context(), CallbackRequest{
		Provider: r.PathValue("provider"), State: q.Get("state"), Code: q.Get("code"), Iss: q.Get("iss"), Error: q.Get("error"),
		Browser: value(r, browserCookie), Session: session,
	})
	f := flow{Client: res.Client, Next: res.Next, Challenge: res.Challenge, MaxAge: -1}
	if err != nil {
		return l.callbackRefused(w, r, f, res.Purpose, err)
	}
	if err := l.check(r.Context(), &f); err != nil {
		return err
	}
	t, err := l.accounts.OAuth(r.Context(), l.oauthRequest(r, res))
	switch {
	case err != nil && res.Purpose == PurposeLink:
		return l.renderSecurity(w, r, err)
	case err != nil:
		return l.unfinished(w, r, f, err, func(err error) error { return l.renderSignIn(w, r, f, err) })
	case res.Purpose == PurposeLink:
		return seeOther(w, r, "/account/security?done=linked")
	}
	return l.finish(w, r, f, t, res.Provider)
}

func (l *Login) oauthRequest(r *http.Request, res Result) authapi.OAuthRequest {
	p := res.Profile
	return authapi.OAuthRequest{
		Provider: res.Provider, ProviderSub: p.Sub, Email: p.Email, EmailVerified: p.EmailVerified, MailCode: p.MailCode,
		LinkToUserID: res.User, DisplayName: p.DisplayName, Locale: p.Locale, Browser: l.browser(r),
	}
}

// callbackRefused logs why, and shows it where there is something to do next.
func (l *Login) callbackRefused(w http.ResponseWriter, r *http.Request, f flow, purpose string, err error) error {
	e, ok := AsCallbackError(err)
	if !ok {
		return err
	}
	slog.WarnContext(r.Context(), e.Kind.Event(), "provider", r.PathValue("provider"), "request", ticket.RequestFrom(r.Context()).ID, "error", err)
	if purpose == PurposeLink {
		return l.renderSecurity(w, r, err)
	}
	if l.check(r.Context(), &f) != nil {
		f = flow{MaxAge: -1}
	}
	return l.show(w, r, "callback", page.View{Data: f, App: f.App}, err)
}
