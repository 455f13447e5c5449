package login

import (
	"net/http"

	"signet/internal/authapi"
	"signet/internal/fault"
	"signet/internal/page"
)

type addressPage struct {
	Flow  flow
	Email string
}

// showSignUp is GET /login/sign-up.
func (l *Login) showSignUp(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	if !l.o.SignUp {
		return errSignUpClosed
	}
	return l.show(w, r, "sign-up", page.View{Data: addressPage{Flow: f}, App: f.App}, nil)
}

var errSignUpClosed = fault.New(fault.Forbidden, "sign-up is closed: ask an administrator").Named(authapi.WordSignUpClosed)

// signUp is POST /login/sign-up: a link is mailed, or a note that there is an account.
func (l *Login) signUp(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	email := r.PostFormValue("email")
	err = l.accounts.SignUp(r.Context(), authapi.SignUpRequest{
		Email: email, Locale: l.site.TextsOf(r).Tag.String(), Next: f.To("/login"), Browser: l.browser(r),
	})
	return l.mailed(w, r, f, "sign-up", "sent.signUp", email, err)
}

// showForgot is GET /login/forgot.
func (l *Login) showForgot(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	return l.show(w, r, "forgot", page.View{Data: addressPage{f, r.URL.Query().Get("email")}, App: f.App}, nil)
}

// forgot is POST /login/forgot.
func (l *Login) forgot(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	email := r.PostFormValue("email")
	err = l.accounts.Forgot(r.Context(), authapi.ForgotRequest{
		Email: email, Locale: l.site.TextsOf(r).Tag.String(), Next: f.To("/login"), Browser: l.browser(r),
	})
	return l.mailed(w, r, f, "forgot", "sent.forgot", email, err)
}

// mailed says that a mail is under way, the same whether or not there is such a user.
func (l *Login) mailed(w http.ResponseWriter, r *http.Request, f flow, form, text, email string, err error) error {
	if err == nil {
		return l.sent(w, r, f, text)
	}
	if _, ok := fault.As(err); !ok {
		return err
	}
	return l.show(w, r, form, page.View{Data: addressPage{f, email}, App: f.App}, err)
}

func (l *Login) sent(w http.ResponseWriter, r *http.Request, f flow, text string) error {
	return l.show(w, r, "sent", page.View{Data: sentPage{f, l.site.TextsOf(r).T(text)}, App: f.App}, nil)
}

type sentPage struct {
	Flow flow
	Text string
}

type linkPage struct {
	authapi.Link
	Name   string // as typed
	Typed  string // address, as typed
	Action string // address of this page
	Early  bool
}

// showLink is GET /login/link/{code} and GET /setup/{code}. It changes nothing: mail
// programs open links on their own.
func (l *Login) showLink(w http.ResponseWriter, r *http.Request) error {
	return l.renderLink(w, r, nil)
}

func (l *Login) renderLink(w http.ResponseWriter, r *http.Request, refused error) error {
	link, err := l.accounts.Link(r.Context(), authapi.LinkRequest{Code: r.PathValue("code")})
	if err != nil {
		return err
	}
	d := linkPage{Link: link, Name: r.PostFormValue("name"), Typed: r.PostFormValue("email"), Action: r.URL.Path, Early: l.o.Now().Before(link.NotBefore)}
	return l.show(w, r, "link-"+string(link.Purpose), page.View{Data: d}, refused)
}

// useLink is their POST: what the link is for.
func (l *Login) useLink(w http.ResponseWriter, r *http.Request) error {
	binding(w, r)
	code := r.PathValue("code")
	link, err := l.accounts.Link(r.Context(), authapi.LinkRequest{Code: code})
	if err != nil {
		return err
	}
	res, err := l.accounts.UseLink(r.Context(), authapi.UseLinkRequest{
		Code: code, Email: r.PostFormValue("email"), DisplayName: r.PostFormValue("name"), Password: r.PostFormValue("password"),
		Locale: l.site.TextsOf(r).Tag.String(), Browser: l.browser(r),
		DropIdentities: r.PostForm["identity"], DropMailKeys: r.PostFormValue("mail-keys") == "1",
	})
	if authapi.Word(err) == authapi.WordLink {
		return err // used meanwhile
	}
	if err != nil {
		// A role may demand a second factor of a user who has none yet.
		return l.unfinished(w, r, flow{Next: "/account/security", MaxAge: -1}, err, func(err error) error { return l.renderLink(w, r, err) })
	}
	return l.linkUsed(w, r, link, res)
}

func (l *Login) linkUsed(w http.ResponseWriter, r *http.Request, link authapi.Link, res authapi.TokenResponse) error {
	next := "/login"
	if link.Next != "" {
		if _, err := CheckNext(link.Next, nil); err == nil {
			next = link.Next
		}
	}
	if res.RefreshToken == "" {
		return l.show(w, r, "done", page.View{Data: donePage{doneTexts[link.Purpose], next}}, nil)
	}
	l.keep(w, r, res)
	if link.Purpose == authapi.LinkSetup || link.Purpose == authapi.LinkFirst {
		next = "/account/security"
	}
	return seeOther(w, r, next)
}

type donePage struct{ Text, Next string }

// doneTexts say what a link that signs nobody in has done.
var doneTexts = map[authapi.LinkPurpose]string{
	authapi.LinkReset:   "done.reset",
	authapi.LinkVerify:  "done.verify",
	authapi.LinkRecover: "done.recover",
}

// showSignOut is GET /logout: a link may lead here, but only a form signs out.
func (l *Login) showSignOut(w http.ResponseWriter, r *http.Request) error {
	return l.show(w, r, "sign-out", page.View{}, nil)
}

// signOut is POST /logout. Who wants to be somebody else signs in then.
func (l *Login) signOut(w http.ResponseWriter, r *http.Request) error {
	f, err := l.flowOf(r)
	if err != nil {
		return err
	}
	if err := l.end(w, r); err != nil {
		return err
	}
	if f.Next != "" {
		return seeOther(w, r, f.To("/login"))
	}
	return l.show(w, r, "signed-out", page.View{}, nil)
}

// end ends the session of this browser.
func (l *Login) end(w http.ResponseWriter, r *http.Request) error {
	if secret := value(r, sessionCookie); secret != "" {
		if err := l.accounts.SignOut(r.Context(), authapi.SignOutRequest{RefreshToken: secret}); err != nil {
			return err
		}
		l.sessions.forget()
	}
	for _, name := range []string{sessionCookie, mfaCookie, passkeyCookie} {
		set(w, name, "", 0)
	}
	return nil
}
