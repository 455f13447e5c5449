package login_test

import (
	"net/http"
	"testing"

	"signet/test/browser"
)

// sessions are the list of sessions, and how others end.
func sessions(t *testing.T, w *world) {
	p := w.person(t)
	b, second, third := w.tab(t), w.tab(t), w.tab(t)
	for _, one := range []*browser.Tab{b, second, third} {
		w.home(one, p)
	}
	b.Go(w.origin + "/account/sessions")
	b.Sees("this one")
	b.Sees("Sign out everywhere else")
	w.look(b, "sessions")
	b.PressBeside("Chrome", "Sign out") // this one has no such button
	b.Sees("Signed out there.")
	ended := 0
	for _, one := range []*browser.Tab{second, third} {
		one.Go(w.origin + "/account")
		if one.Title() == "Sign in" {
			ended++
		}
	}
	if ended != 1 {
		t.Errorf("%d sessions ended, want 1", ended)
	}
	b.Go(w.origin + "/account/sessions")
	b.Press("Sign out everywhere else")
	b.Sees("Signed out there.")
	for _, one := range []*browser.Tab{second, third} {
		one.Go(w.origin + "/account")
		one.At(w.origin + "/login")
	}
	b.Go(w.origin + "/account")
	b.Sees(p.email)
}

// tokens are API tokens, from the form to the API and to their end.
func tokens(t *testing.T, w *world) {
	b, p := w.tab(t), w.person(t)
	w.home(b, p)
	b.Go(w.origin + "/account/tokens")
	b.Sees("You have no API tokens.")
	w.look(b, "tokens")
	b.Fill("What it is for", "backup")
	b.Choose("Good for", "30 days")
	b.Press("Make the token")
	b.Sees("The token is shown only now.")
	w.look(b, "tokens-made")
	secret := browser.Value[string](b, `document.querySelector(".secret").innerText.trim()`)
	w.Secrets.Add(secret)
	ask := func() int { return w.api.Call(http.MethodGet, "/api/v1/authroute/keys", secret, "").Status }
	if got := ask(); got != http.StatusOK {
		t.Errorf("API: got %d, want 200", got)
	}
	b.Go(w.origin + "/account/tokens")
	if text := b.Text(); len(secret) > 0 && containsLine(text, secret) {
		t.Error("the secret is shown again")
	}
	b.Press("Revoke")
	b.Sees("Revoke the API token?")
	b.Press("Revoke")
	b.Sees("Removed.")
	if got := ask(); got != http.StatusUnauthorized {
		t.Errorf("API after its end: got %d, want 401", got)
	}
}

// accessKeys are keys of the S3 API, from the form to their end.
func accessKeys(t *testing.T, w *world) {
	b, p := w.tab(t), w.person(t)
	w.home(b, p)
	b.Go(w.origin + "/account/keys")
	b.Sees("You have no access keys.")
	w.look(b, "keys")
	b.Press("New access key")
	b.Sees("Both parts are shown once.")
	w.look(b, "key-new")
	b.Fill("What it is for", "backup")
	b.Choose("Good for", "30 days")
	b.Press("Make the key")
	b.Sees("The secret one is shown only now.")
	w.look(b, "keys-made")
	first := browser.Value[string](b, `document.querySelectorAll(".secret")[0].innerText.trim()`)
	secret := browser.Value[string](b, `document.querySelectorAll(".secret")[1].innerText.trim()`)
	w.Secrets.Add(secret)
	b.Go(w.origin + "/account/keys")
	if text := b.Text(); containsLine(text, secret) || !containsLine(text, first) {
		t.Error("the secret is shown again, or the key is not")
	}
	b.Press("Rotate")
	b.Sees("A new key takes over.")
	w.look(b, "key-rotate")
	b.Press("Rotate")
	b.Sees("The secret one is shown only now.")
	next := browser.Value[string](b, `document.querySelectorAll(".secret")[0].innerText.trim()`)
	w.Secrets.Add(browser.Value[string](b, `document.querySelectorAll(".secret")[1].innerText.trim()`))
	if next == first {
		t.Error("the successor is the same key")
	}
	b.Go(w.origin + "/account/keys/" + next + "/revoke")
	b.Sees("Revoke the access key?")
	b.Press("Revoke")
	b.Sees("Removed.")
	if text := b.Text(); containsLine(text, next) || !containsLine(text, first) {
		t.Error("the revoked key is listed, or its predecessor is not, which works on")
	}
	b.Go(w.origin + "/account/activity")
	b.Sees("An access key was revoked")
}

// profile is a name, a language, a further address, and the activity that came of it.
func profile(t *testing.T, w *world) {
	b, p, next := w.tab(t), w.person(t), w.stranger()
	w.home(b, p)
	w.look(b, "profile")
	b.Fill("Your name", "Grace Hopper")
	b.Press("Save")
	b.Sees("Saved.")
	b.Sees("Grace Hopper")
	b.Fill("Another address", next.email)
	b.Press("Add")
	b.Sees("A link is on its way to the address.")
	b.Sees("not confirmed")
	w.look(b, "profile-unverified")
	b.Go(w.mails.link(t, next.email))
	w.look(b, "link-verify")
	b.Press("Confirm")
	b.Sees("The address is confirmed.")
	w.signOut(b)
	w.home(b, person{next.email, p.password})

	b.Go(w.origin + "/account/security")
	w.look(b, "security")
	b.Press("Change the password")
	b.Sees("New password")
	w.look(b, "password")
	b.Fill("New password", "password1234567")
	b.Press("Save")
	b.Sees("The password is too easy to guess.")
	b.Fill("New password", w.stranger().password)
	b.Press("Save")
	b.Sees("The password is set.")

	b.Go(w.origin + "/account/activity")
	b.Sees("The password was set")
	b.Sees("An address was added")
	b.Sees("Name or language were changed")
	b.Sees("Signed in")
	w.look(b, "activity")

	b.Go(w.origin + "/account")
	b.PressBeside(next.email, "Remove")
	b.Sees("Remove the address?")
	b.Press("Remove")
	b.Sees("Removed.")
}
