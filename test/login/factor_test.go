package login_test

import (
	"testing"
)

// authenticatorApp is setting one up, and signing in with it.
func authenticatorApp(t *testing.T, w *world) {
	b, p := w.tab(t), w.person(t)
	w.home(b, p)
	b.Go(w.origin + "/account/security/app")
	w.look(b, "app")
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
