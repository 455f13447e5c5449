package login

import (
	"html/template"
	"net/http"
	"slices"
	"strings"

	"signet/internal/authapi"
	"signet/internal/fault"
	"signet/internal/page"
)

// waiting is the sign-in that waits for a second factor, as the cookie keeps it.
func waiting(r *http.Request) (ticket string, methods []string) {
	ticket, rest, _ := strings.Cut(value(r, mfaCookie), ".")
	if rest != "" {
		methods = strings.Split(rest, "-")
	}
	return ticket, methods
}

type factorPage struct {
	Flow    flow
	Method  string
	Methods []string
}

// showFactor is GET /login/factor?method: the second factor, by the method that was
// chosen or the first that the user has.
func (l *Login) showFactor(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	return l.renderFactor(w, r, f, r.URL.Query().Get("method"), nil)
}

func (l *Login) renderFactor(w http.ResponseWriter, r *http.Request, f flow, method string, refused error) error {
	ticket, methods := waiting(r)
	if ticket == "" {
		return seeOther(w, r, f.To("/login"))
	}
	if len(methods) == 0 {
		return seeOther(w, r, f.To("/login/enrol"))
	}
	if !slices.Contains(methods, method) {
		method = methods[0]
	}
	v := page.View{Data: factorPage{f, method, methods}, App: f.App}
	if method == authapi.MethodPasskey {
		v.Script = []string{"passkey.js"}
	}
	return l.show(w, r, "factor", v, refused)
}

// factor is POST /login/factor: a code, or a passkey's assertion.
func (l *Login) factor(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	ticket, _ := waiting(r)
	method := r.PostFormValue("method")
	q := authapi.MFARequest{Ticket: ticket, Method: method, Code: r.PostFormValue("code"), Browser: l.browser(r)}
	if method == authapi.MethodPasskey {
		q.Code, q.Handle, q.Assertion = "", handleOf(w, r), assertion(r)
	}
	res, err := l.accounts.MFA(r.Context(), q)
	if err != nil {
		return l.factorRefused(w, r, f, err, func() error { return l.renderFactor(w, r, f, method, err) })
	}
	if err := l.finish(w, r, f, res, ""); err != nil || res.CodesLeft == nil {
		return err
	}
	return nil
}

// factorRefused begins anew where the sign-in does not wait any more, and else shows
// the page again.
func (l *Login) factorRefused(w http.ResponseWriter, r *http.Request, f flow, err error, again func() error) error {
	if authapi.Word(err) == authapi.WordMFATicket {
		set(w, mfaCookie, "", 0)
		return l.renderSignIn(w, r, f, err)
	}
	if _, ok := fault.As(err); ok {
		return again()
	}
	return err
}

// beginFactorPasskey is POST /login/factor/passkey/begin, asked by the page's script.
func (l *Login) beginFactorPasskey(w http.ResponseWriter, r *http.Request) error {
	ticket, _ := waiting(r)
	c, err := l.accounts.BeginPasskey(r.Context(), authapi.BeginPasskeyRequest{Ticket: ticket, Browser: l.browser(r)})
	return l.answerChallenge(w, r, c, err)
}

type enrolPage struct {
	Flow   flow
	QR     template.HTML
	Secret string
	Codes  []string
	Form   string // where it is sent
	Cancel string
}

// showEnrol is GET /login/enrol: a second factor is demanded, and the user has none.
func (l *Login) showEnrol(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	return l.renderEnrol(w, r, f, nil)
}

// enrolAgain shows the page again without the secret, which is in the app already.
func (l *Login) enrolAgain(w http.ResponseWriter, r *http.Request, f flow, refused error) error {
	d := enrolPage{Flow: f, Form: f.To("/login/enrol"), Cancel: f.To("/login/enrol")}
	return l.show(w, r, "enrol", page.View{Data: d, App: f.App}, refused)
}

// renderEnrol shows a new secret each time: the one that waits is not told again.
func (l *Login) renderEnrol(w http.ResponseWriter, r *http.Request, f flow, refused error) error {
	ticket, _ := waiting(r)
	if ticket == "" {
		return seeOther(w, r, f.To("/login"))
	}
	e, err := l.accounts.EnrolFactor(r.Context(), authapi.EnrolFactorRequest{Ticket: ticket, Browser: l.browser(r)})
	if err != nil {
		return l.factorRefused(w, r, f, err, func() error { return err })
	}
	picture, err := qrCode(e.URL)
	if err != nil {
		return err
	}
	d := enrolPage{Flow: f, QR: picture, Secret: e.Secret, Codes: e.RecoveryCodes, Form: f.To("/login/enrol"), Cancel: f.To("/login")}
	return l.show(w, r, "enrol", page.View{Data: d, App: f.App}, refused)
}

// enrol is POST /login/enrol: the first code of the new authenticator app.
func (l *Login) enrol(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	ticket, _ := waiting(r)
	res, err := l.accounts.MFA(r.Context(), authapi.MFARequest{
		Ticket: ticket, Method: authapi.MethodTOTP, Code: r.PostFormValue("code"), Browser: l.browser(r),
	})
	if err != nil {
		return l.factorRefused(w, r, f, err, func() error { return l.enrolAgain(w, r, f, err) })
	}
	return l.finish(w, r, f, res, "")
}

// showRecover is GET /login/recover: all second factors are lost.
func (l *Login) showRecover(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	if ticket, _ := waiting(r); ticket == "" {
		return seeOther(w, r, f.To("/login"))
	}
	return l.show(w, r, "recover", page.View{Data: f, App: f.App}, nil)
}

// recover is POST /login/recover.
func (l *Login) recover(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	ticket, _ := waiting(r)
	err = l.accounts.Recover(r.Context(), authapi.RecoverRequest{Ticket: ticket, Locale: l.site.TextsOf(r).Tag.String(), Browser: l.browser(r)})
	if err != nil {
		return l.factorRefused(w, r, f, err, func() error {
			return l.show(w, r, "recover", page.View{Data: f, App: f.App}, err)
		})
	}
	return l.sent(w, r, f, "sent.recover")
}
