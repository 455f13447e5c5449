package login_test

import (
	"testing"

	"signet/test/browser"
)

// languages are chosen by the address, kept, and else asked of the browser.
func languages(t *testing.T, w *world) {
	b := w.tab(t)
	language := func() string { return browser.Value[string](b, `document.documentElement.lang`) }
	want := func(how, tag string) {
		t.Helper()
		if got := language(); got != tag {
			t.Errorf("%s: the page is in %q, want %q", how, got, tag)
		}
	}
	b.Go(w.origin + "/login")
	want("by the browser", "en")
	b.Accepts("fr-CH, de;q=0.5")
	b.Go(w.origin + "/login")
	want("by Accept-Language", "fr")
	w.look(b, "sign-in-fr")
	b.Go(w.origin + "/login?locale=de-AT")
	want("by the address", "de")
	w.look(b, "sign-in-de")
	b.Go(w.origin + "/login/forgot")
	want("by the cookie", "de")
	b.Go(w.origin + "/login?locale=tlh%22%3E%3Cb%3E")
	want("by a tag that nobody speaks", "de")
	b.Go(w.origin + "/login")
	b.Press("English")
	b.Sees("Forgot your password?")
	want("by the link below", "en")
}

// withoutScript is all but passkeys, in a browser that runs no script.
func withoutScript(t *testing.T, w *world) {
	b, p := w.tab(t), w.stranger()
	b.Script(false)
	b.Go(w.origin + "/login/sign-up")
	b.Fill("E-mail address", p.email)
	b.Press("Mail me the link")
	b.Sees("Look into your mail")
	b.Go(w.mails.link(t, p.email))
	b.Fill("Your name", "Ada Lovelace")
	b.Fill("New password", p.password)
	b.Press("Create the account")
	b.At(w.origin + "/account")
	phone, recovery := w.setUpApp(t, b)
	w.signOut(b)

	b.Go(w.origin + "/login")
	b.Sees("A passkey needs a browser with script.")
	b.Script(true) // from the next page on: axe needs it
	w.look(b, "sign-in-without-script")
	b.Script(false)
	p.signIn(b)
	b.At(w.origin + "/login/factor")
	b.Fill("Code", phone.code(t))
	b.Press("Continue")
	b.At(w.origin + "/account")
	for _, page := range []string{"/account/security", "/account/sessions", "/account/tokens", "/account/activity"} {
		b.Go(w.origin + page)
		b.At(w.origin + page)
	}
	b.Go(w.origin + "/account/tokens")
	b.Fill("What it is for", "script")
	b.Press("Make the token")
	b.Sees("The token is shown only now.")
	w.Secrets.Add(browser.Value[string](b, `document.querySelector(".secret").innerText.trim()`))
	w.signOut(b)
	w.hello.begin(w, b)
	p.signIn(b)
	b.At(w.origin + "/login/factor")
	b.Press("Use a recovery code")
	b.Fill("Recovery code", recovery[0])
	b.Press("Continue")
	w.hello.greets(b, "(urn:signet:2)")
}

// weight is what the sign-in page costs.
func weight(t *testing.T, w *world) {
	const most = 60 << 10 // bytes
	if got := w.tab(t).Weight(w.origin + "/login"); got < 2000 || got > most {
		t.Errorf("the sign-in page weighs %d bytes, want at most %d", got, most)
	} else {
		t.Logf("the sign-in page weighs %d bytes", got)
	}
}
