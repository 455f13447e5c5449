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

// waiting is a sign-in that waits for a second factor, as the cookie keeps it.
type waiting struct {
	ticket    string
	methods   []string
	noRecover bool // who lost every method is not offered a link
}

func waitingFor(m *authapi.MFARequired) waiting { return waiting{m.Ticket, m.Methods, m.NoRecover} }

// noRecover is the cookie's word for it.
const noRecover = "no"

func (s waiting) String() string {
	text := s.ticket + "." + strings.Join(s.methods, "-")
	if s.noRecover {
		text += "." + noRecover
	}
	return text
}

// waitingOf returns the sign-in that waits in this browser; zero where none does.
func waitingOf(r *http.Request) (s waiting) {
	parts := strings.SplitN(value(r, mfaCookie), ".", 3)
	s.ticket = parts[0]
	if len(parts) > 1 && parts[1] != "" {
		s.methods = strings.Split(parts[1], "-")
	}
	s.noRecover = len(parts) > 2 && parts[2] == noRecover
	return s
}

type factorPage struct {
	Flow      flow
	Method    string
	Methods   []string
	NoRecover bool
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
	s := waitingOf(r)
	if s.ticket == "" {
		return seeOther(w, r, f.To("/login"))
	}
	if len(s.methods) == 0 {
		return seeOther(w, r, f.To("/login/enrol"))
	}
	if !slices.Contains(s.methods, method) {
		method = s.methods[0]
	}
	v := page.View{Data: factorPage{f, method, s.methods, s.noRecover}, App: f.App}
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
	ticket := waitingOf(r).ticket
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
	ticket := waitingOf(r).ticket
	c, err := l.accounts.BeginPasskey(r.Context(), authapi.BeginPasskeyRequest{Ticket: ticket, Browser: l.browser(r)})
	return l.answerChallenge(w, r, c, err)
}

type enrolPage struct {
	Flow   flow
	QR     template.HTML
	Secret string
	Codes  []string
	Kept   bool   // the box beside them was ticked
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

// renderEnrol shows the secret that waits in this browser. Where the first code was
// refused and the secret cannot be shown any more, the app has it already: the page asks
// for the code alone.
func (l *Login) renderEnrol(w http.ResponseWriter, r *http.Request, f flow, refused error) error {
	ticket := waitingOf(r).ticket
	if ticket == "" {
		return seeOther(w, r, f.To("/login"))
	}
	d := enrolPage{Flow: f, Kept: r.PostFormValue("kept") != "", Form: f.To("/login/enrol"), Cancel: f.To("/login")}
	e, err := l.accounts.EnrolFactor(r.Context(), authapi.EnrolFactorRequest{Ticket: ticket, Browser: l.browser(r)})
	switch {
	case err == nil:
		if d.QR, err = qrCode(e.URL); err != nil {
			return err
		}
		d.Secret, d.Codes = e.Secret, e.RecoveryCodes
	case refused != nil:
		d.Cancel = f.To("/login/enrol")
	default:
		return l.factorRefused(w, r, f, err, func() error { return err })
	}
	return l.show(w, r, "enrol", page.View{Data: d, App: f.App}, refused)
}

// enrol is POST /login/enrol: the first code of the new authenticator app.
func (l *Login) enrol(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	ticket := waitingOf(r).ticket
	res, err := l.accounts.MFA(r.Context(), authapi.MFARequest{
		Ticket: ticket, Method: authapi.MethodTOTP, Code: r.PostFormValue("code"), Browser: l.browser(r),
	})
	if err != nil {
		return l.factorRefused(w, r, f, err, func() error { return l.renderEnrol(w, r, f, err) })
	}
	return l.finish(w, r, f, res, "")
}

// showRecover is GET /login/recover: all second factors are lost.
func (l *Login) showRecover(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	if waitingOf(r).ticket == "" {
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
	ticket := waitingOf(r).ticket
	err = l.accounts.Recover(r.Context(), authapi.RecoverRequest{Ticket: ticket, Locale: l.site.TextsOf(r).Tag.String(), Browser: l.browser(r)})
	if err != nil {
		return l.factorRefused(w, r, f, err, func() error {
			return l.show(w, r, "recover", page.View{Data: f, App: f.App}, err)
		})
	}
	return l.sent(w, r, f, "sent.recover")
}
