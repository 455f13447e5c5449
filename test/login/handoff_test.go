package login_test

import (
	"testing"

	"signet/test/browser"
)

// handoff is a sign-in that an app began, by each method.
func handoff(t *testing.T, w *world) {
	for _, c := range []struct {
		name, how string
		prepare   func(t *testing.T, b *browser.Tab, p person) (finish func())
	}{
		{"password", "pwd (urn:signet:1)", func(_ *testing.T, b *browser.Tab, p person) func() {
			return func() { p.signIn(b) }
		}},
		{"GitHub", "github (urn:signet:1)", func(_ *testing.T, b *browser.Tab, _ person) func() {
			w.github.SignIn(githubber(w.stranger()))
			return func() { b.Press("Continue with GitHub") }
		}},
		{"Google", "google (urn:signet:1)", func(_ *testing.T, b *browser.Tab, _ person) func() {
			w.googler(w.stranger(), asIs)
			return func() { b.Press("Continue with Google") }
		}},
		{"password and authenticator app", "(urn:signet:2)", func(t *testing.T, b *browser.Tab, p person) func() {
			w.home(b, p)
			phone, _ := w.setUpApp(t, b)
			w.signOut(b)
			return func() {
				p.signIn(b)
				b.At(w.origin + "/login/factor")
				b.Fill("Code", phone.code(t))
				b.Press("Continue")
			}
		}},
		{"password and passkey", "(urn:signet:2)", func(t *testing.T, b *browser.Tab, p person) func() {
			w.home(b, p)
			w.addPasskey(t, b)
			w.demandFactor(b)
			w.signOut(b)
			return func() {
				p.signIn(b)
				b.At(w.origin + "/login/factor")
				b.Press("Use a passkey")
			}
		}},
		{"passkey alone", "(urn:signet:2)", func(t *testing.T, b *browser.Tab, p person) func() {
			w.home(b, p)
			w.addPasskey(t, b)
			w.signOut(b)
			return func() { b.Press("Sign in with a passkey") }
		}},
		{"password and recovery code", "(urn:signet:2)", func(t *testing.T, b *browser.Tab, p person) func() {
			w.home(b, p)
			w.addPasskey(t, b)
			code := w.demandFactor(b)
			w.signOut(b)
			return func() {
				p.signIn(b)
				b.At(w.origin + "/login/factor")
				b.Press("Use a recovery code")
				b.Fill("Recovery code", code)
				b.Press("Continue")
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, p := w.tab(t), w.person(t)
			finish := c.prepare(t, b, p)
			w.hello.begin(w, b)
			b.Sees("To go on to Hello")
			if c.name == "password" {
				w.look(b, "sign-in-app")
			}
			finish()
			w.hello.greets(b, c.how)
			kept(t, w, b)
		})
	}
}

// everywhere is signing out of the apps too.
func everywhere(t *testing.T, w *world) {
	b, p := w.tab(t), w.person(t)
	w.hello.begin(w, b)
	p.signIn(b)
	w.hello.greets(b, "pwd")

	// Who is signed in already is only brought there and back.
	b.Press("Sign out here")
	b.Sees("Sign in")
	b.Press("Sign in")
	w.hello.greets(b, "pwd")

	b.Press("Sign out everywhere")
	b.At(w.origin + "/logout")
	b.Press("Sign out")
	b.Sees("You are signed out")
	w.hello.forgets(t, b)
}

// stepUp is an app that wants to see somebody prove themselves again.
func stepUp(t *testing.T, w *world) {
	b, p := w.tab(t), w.person(t)
	w.hello.begin(w, b)
	asked := b.URL()
	p.signIn(b)
	w.hello.greets(b, "pwd")

	b.Go(asked + "&max_age=3600")
	b.At(w.hello.origin)
	awaitSecond(t, 2) // max_age is in whole seconds
	b.Go(asked + "&max_age=0")
	b.At(w.origin + "/login/confirm")
	b.Sees("Confirm that it is you")
	w.look(b, "confirm")
	b.Fill("Password", "wrong "+p.password)
	b.Press("Confirm")
	b.Sees("The address or the password is wrong.")
	b.Fill("Password", p.password)
	b.Press("Confirm")
	b.At(w.hello.origin)
}

// appWithKey is an app that signs in by OAuth, whose tokens are bound to its key.
func appWithKey(t *testing.T, w *world) {
	app := w.startHello(t, true)
	w.known = append(w.known, app.origin)
	b, p := w.tab(t), w.person(t)
	app.begin(w, b)
	b.Sees("To go on to Hello")
	p.signIn(b)
	app.greets(b, "pwd")
	b.Press("Sign out everywhere")
	b.At(w.origin + "/logout")
	b.Press("Sign out")
	b.Sees("You are signed out")
	app.forgets(t, b)
}
