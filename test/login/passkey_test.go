package login_test

import (
	"net/http"
	"testing"

	"signet/test/browser"
)

// addPasskey adds a passkey at the account home.
func (w *world) addPasskey(t *testing.T, b *browser.Tab) *browser.Authenticator {
	t.Helper()
	a := b.Authenticator()
	b.Go(w.origin + "/account/security/passkeys")
	b.Fill("Name", "Laptop")
	w.look(b, "passkey-new")
	b.Press("Create the passkey")
	b.Sees("The passkey is added.")
	if got := a.Passkeys(); got != 1 {
		t.Fatalf("the device has %d passkeys, want 1", got)
	}
	return a
}

// passkey is adding one, and signing in with it alone.
func passkey(t *testing.T, w *world) {
	b, p := w.tab(t), w.person(t)
	w.home(b, p)
	a := w.addPasskey(t, b)
	w.look(b, "security-passkey")
	b.Press("Rename")
	w.look(b, "passkey")
	b.Fill("Name", "Old laptop")
	b.Press("Save")
	b.Sees("Old laptop")
	w.signOut(b)

	b.Go(w.origin + "/login")
	b.Press("Sign in with a passkey")
	b.At(w.origin + "/account")
	kept(t, w, b)
	w.signOut(b)

	// A device that does not verify its user proves nothing.
	a.Verifies(false)
	b.Go(w.origin + "/login")
	b.Press("Sign in with a passkey")
	b.Sees("The passkey was not used.")
	w.look(b, "sign-in-passkey-failed")
	a.Verifies(true)

	// One passkey a device.
	b.Press("Sign in with a passkey")
	b.At(w.origin + "/account")
	b.Go(w.origin + "/account/security/passkeys")
	b.Press("Create the passkey")
	b.Sees("This device already has a passkey for this account.")

	// What was removed opens nothing.
	b.Go(w.origin + "/account/security")
	b.PressBeside("Old laptop", "Remove")
	b.Sees("Remove the passkey?")
	w.look(b, "remove")
	b.Press("Remove")
	b.Sees("Removed.")
	w.signOut(b)
	b.Go(w.origin + "/login")
	b.Press("Sign in with a passkey")
	b.Sees("The passkey did not prove who you are.")
}

// conditional is a browser that offers a passkey by itself. The virtual device takes
// every offer, so the page needs no press.
func conditional(t *testing.T, w *world) {
	p := w.person(t)
	b := w.browser.Stranger(t)
	w.home(b, p)
	w.addPasskey(t, b)
	w.signOut(b)
	b.Go(w.origin + "/login?next=/account/sessions")
	b.At(w.origin + "/account/sessions")
	b.Go(w.origin + "/account")
	b.Sees(p.email)
}

// conditionalLater is a passkey that comes after the page has loaded, with its device or
// to one that is there: it is offered where somebody goes to the field.
func conditionalLater(t *testing.T, w *world) {
	p := w.person(t)
	b := w.browser.Stranger(t)
	w.home(b, p)
	a := w.addPasskey(t, b)
	for _, takeAway := range []func() (giveBack func()){a.Unplug, a.Empty} {
		giveBack := takeAway()
		w.signOut(b)
		b.Go(w.origin + "/login?next=/account/sessions")
		b.Sees("Sign in with a passkey") // the page's script runs
		b.Fill("Password", "x")
		giveBack()
		b.Fill("E-mail address", p.email)
		b.At(w.origin + "/account/sessions")
	}
}

// passkeyAsFactor is a password that needs a passkey beside it.
func passkeyAsFactor(t *testing.T, w *world) {
	b, p := w.tab(t), w.person(t)
	w.home(b, p)
	w.addPasskey(t, b)
	w.demandFactor(b)
	w.signOut(b)

	b.Go(w.origin + "/login")
	p.signIn(b)
	b.At(w.origin + "/login/factor")
	w.look(b, "factor-passkey")
	b.Press("Use a passkey")
	b.At(w.origin + "/account")
}

// demandFactor turns the second step on, for somebody who has a passkey.
func (w *world) demandFactor(b *browser.Tab) (recovery string) {
	b.Go(w.origin + "/account/security")
	b.PressBeside("Second step", "Turn on") // recovery codes come first
	b.Sees("New codes replace all that you have now.")
	w.look(b, "codes-renew")
	b.Press("Make new recovery codes")
	b.Sees("Keep these where you find them")
	w.look(b, "codes")
	recovery = browser.Value[string](b, `document.querySelector(".codes li").innerText.trim()`)
	b.Press("I have kept the recovery codes")
	b.At(w.origin + "/account/security")
	b.Press("Turn on")
	b.Sees("Changed.")
	return recovery
}

// replay is a sign-in by passkey whose form is sent twice, with all that came along.
func replay(t *testing.T, w *world) {
	b, p := w.tab(t), w.person(t)
	w.home(b, p)
	w.addPasskey(t, b)
	w.signOut(b)
	b.Go(w.origin + "/login")
	// The page's script asks the device, and the form goes nowhere.
	body := browser.Value[string](b, `new Promise(done => {
		const form = document.querySelector("form[data-passkey]");
		form.submit = () => done(new URLSearchParams(new FormData(form)).toString());
		form.requestSubmit();
	})`)
	send := func() int {
		return w.pages.Call(http.MethodPost, "/login/passkey", "", body,
			"Content-Type", "application/x-www-form-urlencoded", "Cookie", b.Cookies(), "User-Agent", "test").Status
	}
	if got := send(); got != http.StatusSeeOther {
		t.Fatalf("first: got %d, want 303", got)
	}
	if got := send(); got != http.StatusUnauthorized {
		t.Errorf("again: got %d, want 401", got)
	}
}
