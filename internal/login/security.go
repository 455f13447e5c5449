package login

import (
	"net/http"
	"slices"

	"signet/internal/authapi"
	"signet/internal/fault"
)

type securityPage struct {
	User   authapi.User
	Linked []linkedProvider
}

// linkedProvider is a provider that is offered, or that the user has an identity of.
type linkedProvider struct {
	Name, Label string
	Identity    authapi.Identity // zero where there is none
}

func (l *Login) showSecurity(w http.ResponseWriter, r *http.Request) error {
	return l.renderSecurity(w, r, nil)
}

func (l *Login) renderSecurity(w http.ResponseWriter, r *http.Request, refused error) error {
	if _, ok := sessionOf(r); !ok {
		return l.askToSignIn(w, r) // a link ended after its session
	}
	u, err := l.user(r)
	if err != nil {
		return err
	}
	return l.render(w, r, "security", securityPage{u, l.linked(u)}, refused)
}

func (l *Login) linked(u authapi.User) (all []linkedProvider) {
	for _, i := range u.Identities {
		all = append(all, linkedProvider{i.Provider, l.label(i.Provider), i})
	}
	for _, p := range l.outside.Offered() {
		if !slices.ContainsFunc(all, func(o linkedProvider) bool { return o.Name == p.Name() }) {
			all = append(all, linkedProvider{Name: p.Name(), Label: p.Label()})
		}
	}
	return all
}

func (l *Login) label(provider string) string {
	for _, p := range l.outside.Offered() {
		if p.Name() == provider {
			return p.Label()
		}
	}
	return provider
}

func (l *Login) showPassword(w http.ResponseWriter, r *http.Request) error {
	return l.renderPassword(w, r, nil)
}

func (l *Login) renderPassword(w http.ResponseWriter, r *http.Request, refused error) error {
	u, err := l.user(r)
	if err != nil {
		return err
	}
	return l.render(w, r, "password", u, refused)
}

func (l *Login) setPassword(w http.ResponseWriter, r *http.Request) error {
	err := l.accounts.SetPassword(r.Context(), authapi.SetPasswordRequest{New: r.PostFormValue("password")})
	if err != nil {
		return l.refused(err, func() error { return l.renderPassword(w, r, err) })
	}
	return seeOther(w, r, "/account/security?done=password")
}

func (l *Login) showApp(w http.ResponseWriter, r *http.Request) error {
	return l.renderApp(w, r, nil)
}

// renderApp shows the secret that waits in this session. Where the first code was
// refused and the secret cannot be shown any more, the app has it already: the page asks
// for the code alone.
func (l *Login) renderApp(w http.ResponseWriter, r *http.Request, refused error) error {
	d := enrolPage{Kept: r.PostFormValue("kept") != "", Form: "/account/security/app", Cancel: "/account/security"}
	e, err := l.accounts.BeginTOTP(r.Context())
	switch {
	case err == nil:
		if d.QR, err = qrCode(e.URL); err != nil {
			return err
		}
		d.Secret, d.Codes = e.Secret, e.RecoveryCodes
	case refused != nil:
		d.Cancel = d.Form
	default:
		return l.refused(err, func() error { return l.renderSecurity(w, r, err) })
	}
	return l.render(w, r, "app", d, refused)
}

func (l *Login) confirmApp(w http.ResponseWriter, r *http.Request) error {
	if err := l.accounts.ConfirmTOTP(r.Context(), authapi.CodeRequest{Code: r.PostFormValue("code")}); err != nil {
		return l.refused(err, func() error { return l.renderApp(w, r, err) })
	}
	return seeOther(w, r, "/account/security?done=app")
}

func (l *Login) showRenew(w http.ResponseWriter, r *http.Request) error {
	return l.render(w, r, "codes", authapi.RecoveryCodes{}, nil)
}

func (l *Login) renewCodes(w http.ResponseWriter, r *http.Request) error {
	codes, err := l.accounts.RenewRecoveryCodes(r.Context())
	if err != nil {
		return l.refused(err, func() error { return l.renderSecurity(w, r, err) })
	}
	return l.render(w, r, "codes", codes, nil)
}

func (l *Login) showNewPasskey(w http.ResponseWriter, r *http.Request) error {
	return l.render(w, r, "passkey-new", nil, nil, "passkey.js")
}

func (l *Login) beginNewPasskey(w http.ResponseWriter, r *http.Request) error {
	c, err := l.accounts.BeginEnrolPasskey(r.Context())
	return l.answerChallenge(w, r, c, err)
}

func (l *Login) enrolPasskey(w http.ResponseWriter, r *http.Request) error {
	_, err := l.accounts.EnrolPasskey(r.Context(), authapi.EnrolPasskeyRequest{
		Handle: handleOf(w, r), Name: r.PostFormValue("name"), Response: assertion(r),
	})
	if err != nil {
		return l.refused(err, func() error { return l.render(w, r, "passkey-new", nil, err, "passkey.js") })
	}
	return seeOther(w, r, "/account/security?done=passkey")
}

func (l *Login) showPasskey(w http.ResponseWriter, r *http.Request) error {
	return l.renderPasskey(w, r, nil)
}

func (l *Login) renderPasskey(w http.ResponseWriter, r *http.Request, refused error) error {
	u, err := l.user(r)
	if err != nil {
		return err
	}
	for _, p := range u.Passkeys {
		if p.ID == r.PathValue("id") {
			return l.render(w, r, "passkey", p, refused)
		}
	}
	return errNoSuchThing
}

var errNoSuchThing = fault.New(fault.NotFound, "there is no such thing any more")

func (l *Login) renamePasskey(w http.ResponseWriter, r *http.Request) error {
	err := l.accounts.RenamePasskey(r.Context(), authapi.RenameRequest{ID: r.PathValue("id"), Name: r.PostFormValue("name")})
	if err != nil {
		return l.refused(err, func() error { return l.renderPasskey(w, r, err) })
	}
	return seeOther(w, r, "/account/security?done=saved")
}

func (l *Login) setMFA(w http.ResponseWriter, r *http.Request) error {
	if err := l.accounts.SetMFA(r.Context(), authapi.SetMFARequest{On: r.PostFormValue("on") == "1"}); err != nil {
		return l.refused(err, func() error { return l.renderSecurity(w, r, err) })
	}
	return seeOther(w, r, "/account/security?done=mfa")
}

func (l *Login) cancelRecovery(w http.ResponseWriter, r *http.Request) error {
	if err := l.accounts.CancelRecovery(r.Context()); err != nil {
		return err
	}
	return seeOther(w, r, "/account/security?done=cancelled")
}

// removal is one kind of thing that a user can remove.
type removal struct {
	title, text, button string // ids of texts
	back                string
	fresh               bool
	name                func(u authapi.User, id string) (string, bool) // nil: it has none
	remove              func(l *Login, r *http.Request, id string) error
}

var removals = map[string]removal{
	"password": {
		title: "remove.password.title", text: "remove.password.text", button: "remove.button", back: "/account/security", fresh: true,
		remove: func(l *Login, r *http.Request, _ string) error { return l.accounts.RemovePassword(r.Context()) },
	},
	"app": {
		title: "remove.app.title", text: "remove.app.text", button: "remove.button", back: "/account/security", fresh: true,
		remove: func(l *Login, r *http.Request, _ string) error { return l.accounts.RemoveTOTP(r.Context()) },
	},
	"passkey": {
		title: "remove.passkey.title", text: "remove.passkey.text", button: "remove.button", back: "/account/security", fresh: true,
		name: func(u authapi.User, id string) (string, bool) {
			i := slices.IndexFunc(u.Passkeys, func(p authapi.Passkey) bool { return p.ID == id })
			if i < 0 {
				return "", false
			}
			return u.Passkeys[i].Name, true
		},
		remove: func(l *Login, r *http.Request, id string) error {
			return l.accounts.RemovePasskey(r.Context(), authapi.IDRequest{ID: id})
		},
	},
	"identity": {
		title: "remove.identity.title", text: "remove.identity.text", button: "remove.button", back: "/account/security", fresh: true,
		name: func(u authapi.User, id string) (string, bool) {
			i := slices.IndexFunc(u.Identities, func(i authapi.Identity) bool { return i.ID == id })
			if i < 0 {
				return "", false
			}
			return u.Identities[i].DisplayName, true
		},
		remove: func(l *Login, r *http.Request, id string) error {
			return l.accounts.Unlink(r.Context(), authapi.IDRequest{ID: id})
		},
	},
	"address": {
		title: "remove.address.title", text: "remove.address.text", button: "remove.button", back: "/account", fresh: true,
		name: func(u authapi.User, id string) (string, bool) {
			return id, slices.Contains(u.Addresses, id) || slices.Contains(u.Unverified, id)
		},
		remove: func(l *Login, r *http.Request, id string) error {
			return l.accounts.RemoveAddress(r.Context(), authapi.AddressRequest{Email: id})
		},
	},
	"token": {
		title: "remove.token.title", text: "remove.token.text", button: "remove.revoke", back: "/account/tokens",
		remove: func(l *Login, r *http.Request, id string) error {
			return l.accounts.RevokeToken(r.Context(), authapi.IDRequest{ID: id})
		},
	},
}

type removePage struct {
	Title, Text, Button, Name, Back, Action string
}

// showRemove is GET /account/remove/{kind}/{id}: it names what goes.
func (l *Login) showRemove(w http.ResponseWriter, r *http.Request) error {
	what, ok := removals[r.PathValue("kind")]
	if !ok {
		return errNoSuchThing
	}
	if s, _ := sessionOf(r); what.fresh && !l.fresh(s) {
		return l.askToConfirm(w, r)
	}
	return l.renderRemove(w, r, what, nil)
}

func (l *Login) renderRemove(w http.ResponseWriter, r *http.Request, what removal, refused error) error {
	name := ""
	if what.name != nil {
		u, err := l.user(r)
		if err != nil {
			return err
		}
		var found bool
		if name, found = what.name(u, r.PathValue("id")); !found {
			return errNoSuchThing
		}
	}
	t := l.site.TextsOf(r)
	return l.render(w, r, "remove", removePage{t.T(what.title), t.T(what.text), t.T(what.button), name, what.back, r.URL.Path}, refused)
}

// remove is its POST.
func (l *Login) remove(w http.ResponseWriter, r *http.Request) error {
	what, ok := removals[r.PathValue("kind")]
	if !ok {
		return errNoSuchThing
	}
	if err := what.remove(l, r, r.PathValue("id")); err != nil {
		return l.refused(err, func() error { return l.renderRemove(w, r, what, err) })
	}
	return seeOther(w, r, what.back+"?done=removed")
}
