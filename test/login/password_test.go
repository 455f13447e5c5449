package login_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"signet/test/browser"
)

var errTooSoon = errors.New("the next code is not good yet")

func containsLine(text, line string) bool {
	for one := range strings.Lines(text) {
		if strings.TrimSpace(one) == line {
			return true
		}
	}
	return false
}

// signUp is from the link on the sign-in page to the account home.
func signUp(t *testing.T, w *world) {
	b, p := w.tab(t), w.stranger()
	b.Go(w.origin + "/login")
	b.Press("Create an account")
	b.At(w.origin + "/login/sign-up")
	w.look(b, "sign-up")
	b.Fill("E-mail address", p.email)
	b.Press("Mail me the link")
	b.Sees("Look into your mail")
	w.look(b, "sent")

	link := w.mails.link(t, p.email)
	b.Go(link)
	w.look(b, "link-sign-up")
	b.Fill("Your name", "Ada Lovelace")
	b.Fill("New password", "short")
	b.Press("Create the account")
	b.Sees("The password is too short.")
	w.look(b, "link-sign-up-refused")
	b.Fill("New password", p.password)
	b.Press("Create the account")
	b.At(w.origin + "/account")
	b.Sees("Ada Lovelace")
	b.Sees(p.email)
	kept(t, w, b)

	// The link was good once.
	b.Go(link)
	b.Sees("This link was used already, has expired or is not complete.")
	w.look(b, "problem")

	// Nobody learns who has an account.
	b.Go(w.origin + "/login/sign-up")
	b.Fill("E-mail address", p.email)
	b.Press("Mail me the link")
	b.Sees("If this address can have an account here")
	w.mails.await(t, p.email, func(text string) bool {
		return strings.Contains(text, w.origin+"/login\n") || strings.Contains(text, w.origin+"/login\r")
	})
}

// password is a sign-in by password, right and wrong.
func password(t *testing.T, w *world) {
	b, p := w.tab(t), w.person(t)
	b.Go(w.origin + "/account/sessions")
	b.At(w.origin + "/login?next=")
	w.look(b, "sign-in")
	b.Fill("E-mail address", p.email)
	b.Fill("Password", "wrong "+p.password)
	b.Press("Sign in")
	b.Sees("The address or the password is wrong.")
	if kept := browser.Value[string](b, `document.querySelector("[name=email]").value`); kept != p.email {
		t.Errorf("the page keeps %q of what was typed, want %q", kept, p.email)
	}
	w.look(b, "sign-in-wrong")
	b.Fill("Password", p.password)
	b.Press("Sign in")
	b.At(w.origin + "/account/sessions")
	kept(t, w, b)
	w.signOut(b)
	w.look(b, "signed-out")
	if c := b.Cookie("__Host-signet"); c != nil {
		t.Errorf("session cookie after signing out: %+v", c)
	}

	// The button that was used last says so.
	b.Go(w.origin + "/login")
	b.Sees("last used")
	b.Fill("E-mail address", "nobody@example.org")
	b.Fill("Password", p.password)
	b.Press("Sign in")
	b.Sees("The address or the password is wrong.")
}

// reset is a forgotten password.
func reset(t *testing.T, w *world) {
	b, other, p := w.tab(t), w.tab(t), w.person(t)
	w.home(other, p)
	b.Go(w.origin + "/login")
	b.Press("Forgot your password?")
	b.At(w.origin + "/login/forgot")
	w.look(b, "forgot")
	b.Fill("E-mail address", p.email)
	b.Press("Mail me the link")
	b.Sees("a link to set a new password is on its way")
	b.Go(w.mails.link(t, p.email))
	w.look(b, "link-reset")
	old := p.password
	p.password = w.stranger().password
	b.Fill("New password", p.password)
	b.Press("Set the password")
	b.Sees("Your password is set. Sign in with it.")
	w.look(b, "done")

	other.Go(w.origin + "/account")
	other.At(w.origin + "/login")
	b.Press("Sign in")
	b.At(w.origin + "/login")
	person{p.email, old}.signIn(b)
	b.Sees("The address or the password is wrong.")
	p.signIn(b)
	b.At(w.origin + "/account")
}

// signOut asks before a link signs anybody out.
func signOut(t *testing.T, w *world) {
	b, p := w.tab(t), w.person(t)
	w.home(b, p)
	b.Go(w.origin + "/logout")
	b.Sees("Sign out?")
	w.look(b, "sign-out")
	b.Press("Cancel")
	b.At(w.origin + "/account")
	w.signOut(b)
	b.Go(w.origin + "/account")
	b.At(w.origin + "/login")
}

// awaitSecond lets whole seconds pass.
func awaitSecond(t *testing.T, n int) {
	t.Helper()
	after := time.After(time.Duration(n) * time.Second)
	select {
	case <-after:
	case <-t.Context().Done():
	}
}
