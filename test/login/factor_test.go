package login_test

import (
	"testing"

	"signet/test/browser"
)

// authenticatorApp is setting one up, and signing in with it.
func authenticatorApp(t *testing.T, w *world) {
	b, p := w.tab(t), w.person(t)
	w.home(b, p)
	b.Go(w.origin + "/account/security/app")
	w.look(b, "app")
	wrongFirstCode(t, b)
	w.look(b, "app-wrong")
	phone, recovery := w.setUpApp(t, b)
	w.look(b, "security-app")
	w.signOut(b)

	b.Go(w.origin + "/login")
	p.signIn(b)
	b.At(w.origin + "/login/factor")
	w.look(b, "factor-totp")
	b.Go(w.origin + "/account")
	b.At(w.origin + "/login") // one factor is no session
	p.signIn(b)
	b.At(w.origin + "/login/factor")
	b.Fill("Code", phone.wrong(t))
	b.Press("Continue")
	b.Sees("The code is wrong, or has been used before.")
	w.look(b, "factor-totp-wrong")
	code := phone.code(t)
	b.Fill("Code", code)
	b.Press("Continue")
	b.At(w.origin + "/account")
	w.signOut(b)

	// A code is good once, and so is a recovery code.
	b.Go(w.origin + "/login")
	p.signIn(b)
	b.At(w.origin + "/login/factor")
	b.Fill("Code", code)
	b.Press("Continue")
	b.Sees("The code is wrong, or has been used before.")
	b.Press("Use a recovery code")
	b.Sees("Enter one of the recovery codes that you kept.")
	w.look(b, "factor-recovery")
	b.Fill("Recovery code", recovery[3])
	b.Press("Continue")
	b.At(w.origin + "/account")
	b.Go(w.origin + "/account/security")
	b.Sees("9 recovery codes are left.")
	w.signOut(b)
	b.Go(w.origin + "/login")
	p.signIn(b)
	b.At(w.origin + "/login/factor")
	b.Press("Use a recovery code")
	b.Fill("Recovery code", recovery[3])
	b.Press("Continue")
	b.Sees("The code is wrong, or has been used before.")

	lostEverything(t, w, p)
}

// wrongFirstCode is a slip of the fingers at the page that sets up an app: it shows
// what it showed.
func wrongFirstCode(t *testing.T, b *browser.Tab) {
	t.Helper()
	const shown = `[...document.querySelectorAll(".secret, .codes, .qr")].map(e => e.outerHTML).join()`
	before := browser.Value[string](b, shown)
	a := &app{secret: browser.Value[string](b, `document.querySelector(".secret").innerText`)}
	b.Fill("Code", a.wrong(t))
	b.Tick("I have kept the recovery codes")
	b.Press("Turn on")
	b.Sees("The code is wrong, or has been used before.")
	if after := browser.Value[string](b, shown); after != before {
		t.Errorf("after a wrong code the page shows something else: %.200s", after)
	}
}

// lostEverything is the mailed way around second factors, which waits.
func lostEverything(t *testing.T, w *world, p person) {
	t.Helper()
	b := w.tab(t)
	b.Go(w.origin + "/login")
	p.signIn(b)
	b.At(w.origin + "/login/factor")
	b.Press("Lost everything?")
	b.Sees("Lost all second steps")
	w.look(b, "recover")
	b.Press("Mail me the link")
	b.Sees("It works after 48 hours.")
	b.Go(w.mails.link(t, p.email))
	b.Sees("This link works from")
	w.look(b, "link-recover-early")
}
