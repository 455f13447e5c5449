package login_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"signet/test/browser"
	githubtest "signet/test/github"
)

// githubber returns somebody at GitHub with a verified address.
func githubber(p person) githubtest.User {
	return githubtest.User{
		ID: 1<<32*int64(random()) + int64(random())<<8 + int64(random()), Login: "ada", Name: "Ada at GitHub",
		Emails: []githubtest.Email{{Email: p.email, Primary: true, Verified: true}},
	}
}

// googler makes p the person at Google.
func (w *world) googler(p person, edit func(claims map[string]any)) {
	sub := rand.Text()
	w.google.Claims(func(c map[string]any) {
		c["sub"], c["email"], c["email_verified"], c["name"] = sub, p.email, true, "Ada at Google"
		edit(c)
	})
}

func asIs(map[string]any) {}

// gitHub is a sign-up, a sign-in, and what can go wrong there.
func gitHub(t *testing.T, w *world) {
	b, p := w.tab(t), w.stranger()
	u := githubber(p)
	w.github.SignIn(u)
	b.Go(w.origin + "/login?next=/account/sessions")
	b.Press("Continue with GitHub")
	b.At(w.origin + "/account/sessions")
	b.Sees("Ada at GitHub")
	kept(t, w, b)
	b.Go(w.origin + "/account")
	id := b.Text()
	w.signOut(b)

	b.Go(w.origin + "/login")
	b.Sees("last used")
	w.look(b, "sign-in-last")
	w.github.SendIssuer()
	b.Press("Continue with GitHub")
	b.At(w.origin + "/account")
	b.Sees(p.email)
	if again := b.Text(); again != id {
		t.Errorf("the second sign-in is somebody else:\n%s\nwant\n%s", again, id)
	}
	w.signOut(b)

	for _, c := range []struct {
		name, sees, logs string
		spoil            func(u *githubtest.User)
		status           int
	}{
		{"denied", "You did not allow it there, so nothing happened.", "provider sign-in cancelled", func(u *githubtest.User) { u.Denies = true }, 0},
		{"away", "The provider did not complete the sign-in.", "provider code was not exchanged", func(*githubtest.User) {}, http.StatusBadGateway},
		{"suspended", "The provider did not say who you are.", "provider profile was not fetched", func(u *githubtest.User) { u.Suspended = true }, 0},
		{"limited", "The provider did not say who you are.", "provider profile was not fetched", func(u *githubtest.User) { u.RateLimited = true }, 0},
		{"no addresses", "The provider did not say which addresses are yours.", "provider addresses were not fetched", func(u *githubtest.User) { u.NoEmails = true }, 0},
		{"garbled", "The provider did not say who you are.", "provider profile was not fetched", func(u *githubtest.User) { u.Garbled = true }, 0},
	} {
		spoilt := u
		c.spoil(&spoilt)
		w.github.SignIn(spoilt)
		w.github.Break(c.status)
		b.Go(w.origin + "/login?next=/account/tokens")
		b.Press("Continue with GitHub")
		b.Sees(c.sees)
		w.logs(t, c.logs, "provider=github")
		if c.name == "denied" {
			w.look(b, "callback-denied")
		}
		// The way back is still there.
		w.github.SignIn(u)
		w.github.Break(0)
		b.Press("Try again")
		b.At(w.origin + "/login?next=%2Faccount%2Ftokens")
	}

	// Who shows no address signs in all the same.
	hidden := githubber(p)
	hidden.Emails, hidden.Name = nil, ""
	w.github.SignIn(hidden)
	b.Press("Continue with GitHub")
	b.At(w.origin + "/account/tokens")
}

// google is a sign-up, and the refusals.
func google(t *testing.T, w *world) {
	b, p := w.tab(t), w.stranger()
	w.googler(p, asIs)
	b.Go(w.origin + "/login")
	b.Press("Continue with Google")
	b.At(w.origin + "/account")
	b.Sees("Ada at Google")
	b.Sees(p.email)
	kept(t, w, b)
	w.signOut(b)
	b.Go(w.origin + "/login")
	b.Press("Continue with Google")
	b.At(w.origin + "/account")
	b.Sees(p.email)
	w.signOut(b)

	w.googler(p, func(c map[string]any) { c["aud"] = "somebody else" })
	b.Go(w.origin + "/login")
	b.Press("Continue with Google")
	b.Sees("The provider’s answer could not be verified.")
	w.logs(t, "provider token was refused", "provider=google")

	w.googler(p, asIs)
	b.Go(w.origin + "/login")
	w.google.Refuse(http.StatusServiceUnavailable, "temporarily_unavailable", "later")
	b.Press("Continue with Google")
	b.Sees("temporarily_unavailable") // the provider's own page: nobody is sent back
}

// staff is a provider that is known by configuration alone.
func staff(t *testing.T, w *world) {
	b, p := w.tab(t), w.stranger()
	sub := rand.Text()
	w.staff.Claims(func(c map[string]any) {
		c["sub"], c["email"], c["email_verified"], c["name"] = sub, p.email, true, "Ada at work"
	})
	for range 2 {
		b.Go(w.origin + "/login")
		b.Press("Continue with Staff")
		b.At(w.origin + "/account")
		b.Sees("Ada at work")
		b.Sees("not confirmed") // nobody trusts it with addresses
		w.signOut(b)
	}
}

// linking is adding a provider at the account home, and what it does not do by itself.
func linking(t *testing.T, w *world) {
	b, p := w.tab(t), w.personAt(t, "gmail.com")
	w.home(b, p)
	w.googler(p, asIs)
	b.Go(w.origin + "/account/security")
	b.PressBeside("Google", "Link")
	b.Sees("The sign-in is linked.")
	b.Sees("Ada at Google")
	u := githubber(p)
	w.github.SignIn(u)
	b.PressBeside("GitHub", "Link")
	b.Sees("Ada at GitHub")
	w.look(b, "security-linked")

	// A second identity with the same address is somebody else until they sign in.
	second := w.tab(t)
	w.googler(p, asIs)
	second.Go(w.origin + "/login")
	second.Press("Continue with Google")
	second.Sees("There is an account with this address already.")
	w.look(second, "sign-in-link-required")

	// It is nobody else's.
	other := w.tab(t)
	w.home(other, w.person(t))
	other.Go(w.origin + "/account/security")
	other.PressBeside("GitHub", "Link")
	other.Sees("Somebody else here uses this sign-in already.")
	u.Denies = true
	w.github.SignIn(u)
	other.PressBeside("GitHub", "Link")
	other.Sees("You did not allow it there, so nothing happened.")
	u.Denies = false
	w.github.SignIn(u)

	w.signOut(b)
	b.Go(w.origin + "/login")
	b.Press("Continue with GitHub")
	b.At(w.origin + "/account")
	b.Sees(p.email)
	b.Go(w.origin + "/account/security")
	b.PressBeside("GitHub", "Unlink")
	b.Sees("Unlink this sign-in?")
	b.Press("Remove")
	b.Sees("Removed.")
	w.signOut(b)
	b.Go(w.origin + "/login")
	b.Press("Continue with GitHub")
	b.At(w.origin + "/account")
	b.Sees("not confirmed") // another user, to whom the address does not belong
}

// sameAddress is a first sign-in at a provider that has a say about the address.
func sameAddress(t *testing.T, w *world) {
	b, p := w.tab(t), w.personAt(t, "gmail.com")
	w.googler(p, asIs)
	b.Go(w.origin + "/login")
	b.Press("Continue with Google")
	b.At(w.origin + "/account")
	b.Sees("Ada Lovelace") // not "Ada at Google", who would be new
	b.Sees(p.email)
}

// states are callbacks that do not belong to the start that they name.
func states(t *testing.T, w *world) {
	p := w.stranger()
	w.github.SignIn(githubber(p))
	// begin returns the callback that GitHub would send b to.
	begin := func(b *browser.Tab, query string) string {
		t.Helper()
		a := w.pages.Call(http.MethodGet, "/login/start/github"+query, "", "", "Cookie", b.Cookies())
		at := a.Header.Get("Location")
		if a.Status != http.StatusSeeOther {
			t.Fatalf("start%s: got %d %s", query, a.Status, a.Body)
		}
		res, err := http.DefaultTransport.RoundTrip(get(t, at))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.Header.Get("Location")
	}
	refused := func(b *browser.Tab, callback, why string) {
		t.Helper()
		b.Go(callback)
		b.Sees("This sign-in was not begun in this browser, or is used up.")
		w.logs(t, "provider callback refused: invalid state", why)
		if c := b.Cookie("__Host-signet"); c != nil {
			t.Errorf("%s: there is a session", why)
		}
	}
	b, other := w.tab(t), w.tab(t)
	b.Go(w.origin + "/login")
	other.Go(w.origin + "/login")

	refused(other, begin(b, ""), "begun in another browser")
	w.look(other, "callback-invalid-state")
	crossed, err := url.Parse(begin(b, ""))
	if err != nil {
		t.Fatal(err)
	}
	crossed.Path = "/login/callback/google"
	refused(b, crossed.String(), "begun at another provider")
	foreign, err := url.Parse(begin(b, ""))
	if err != nil {
		t.Fatal(err)
	}
	q := foreign.Query()
	q.Set("iss", "https://evil.example")
	foreign.RawQuery = q.Encode()
	refused(b, foreign.String(), "the answer is of another issuer")
	refused(b, w.origin+"/login/callback/github?code=x&state=made-up", "the state is none of ours")

	// What is not ours is refused before it is kept, and parameters of the callback count for nothing.
	for _, next := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "http://localhost.evil.example"} {
		a := w.pages.Call(http.MethodGet, "/login/start/github?next="+url.QueryEscape(next), "", "", "Cookie", b.Cookies())
		if a.Status != http.StatusUnprocessableEntity {
			t.Errorf("next %q: got %d, want 422", next, a.Status)
		}
	}
	b.Go(begin(b, "?next=/account/tokens&locale=de") + "&next=https%3A%2F%2Fevil.example&locale=%22%3E%3Cscript%3E")
	b.At(w.origin + "/account/tokens")
	w.signOut(b)

	// Once.
	b.Go(w.origin + "/login")
	used := begin(b, "")
	b.Go(used)
	b.At(w.origin + "/account")
	w.signOut(b)
	refused(b, used, "there is no such state, or it is used up")
}

func get(t *testing.T, address string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", address, err))
	}
	return r
}
