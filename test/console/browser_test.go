package console_test

import (
	"net/url"
	"strings"
	"testing"

	"signet/test/browser"
	signettest "signet/test/signet"
)

// fill gives the pages something to show.
func (d *dev) fill(t *testing.T, a *agent) (user string) {
	t.Helper()
	a.does("/console/roles/new", "name", "support", "permission", "users:read", "permission", "authroute:keys", "mfa", "1")
	user, _ = a.newUser("alice@signet.test", "Alice Example", "support")
	a.does("/console/users/"+user+"/addresses/add", "address", "alice.example@signet.test")
	gone, _ := a.newUser("bob@signet.test", "Bob")
	a.does("/console/users/" + gone + "/disable")
	a.newUser("long.address.of.somebody.with.a.very.long.name@signet.test", strings.Repeat("Maximilian ", 12))
	a.Post("/console/service-keys/new", "name", "relay", "days", "90", "permission", "users:read", "permission", "auth:oauth", "provider", "*")
	key := signettest.Key{Private: d.Key, ID: d.Ready.Authroute.KeyID, Address: d.Ready.Authroute.Sender}
	asker := signettest.NewAsker(t, d.Ready.Policy)
	for _, proof := range []string{key.Proof(t), key.Proof(t), "", signettest.NewKey(t, key.Address).Proof(t)} {
		if _, err := asker.Ask(t.Context(), signettest.Mail{Sender: key.Address, Proof: proof}); err != nil {
			t.Fatal(err)
		}
	}
	return user
}

func TestTheConsoleInABrowser(t *testing.T) {
	d := newDev(t)
	user := d.fill(t, d.admin(t))
	b := browser.New(t)
	b.Go(d.Origin + "/console")
	b.At(d.Origin + "/login")
	b.Fill("E-mail address", d.Ready.User.Email)
	b.Fill("Password", d.Ready.User.Password)
	b.Press("Sign in")
	b.At(d.Origin + "/console")
	for _, p := range []struct{ name, path string }{
		{"home", ""},
		{"users", "/users"},
		{"user", "/users/" + user},
		{"user-new", "/users/new"},
		{"user-disable", "/users/" + user + "/disable"},
		{"user-none", "/users?q=nobody"},
		{"role-give", "/users/" + user + "/roles/give"},
		{"roles", "/roles"},
		{"role-edit", "/roles/edit?role=support"},
		{"sessions", "/sessions"},
		{"tokens", "/tokens"},
		{"key-new", "/service-keys/new"},
		{"audit", "/audit"},
		{"mail-keys", "/mail-keys"},
		{"mail-key-revoke", "/mail-keys/" + d.Ready.Authroute.KeyID + "/revoke"},
		{"verifications", "/verifications"},
		{"domains", "/domains"},
		{"domain-mode", "/domains/mode?domain=" + url.QueryEscape("signet.test")},
		{"bypass", "/bypass"},
		{"bypass-start", "/bypass/start"},
	} {
		b.Go(d.Origin + "/console" + p.path)
		b.Look("console-" + p.name)
	}
	b.Fill("Reason", "the key server is down")
	b.Press("Bypass verification")
	b.Sees("Verification is bypassed.")
	b.Look("console-bypass-on")
}

func TestASlashGoesToTheSearchField(t *testing.T) {
	d := newDev(t)
	b := browser.New(t)
	b.Go(d.Origin + "/login?next=/console/users")
	b.Fill("E-mail address", d.Ready.User.Email)
	b.Fill("Password", d.Ready.User.Password)
	b.Press("Sign in")
	b.At(d.Origin + "/console/users")
	browser.Value[bool](b, `document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "/", bubbles: true})), true`)
	if got := browser.Value[string](b, `document.activeElement.name || ""`); got != "q" {
		t.Errorf("the field that has the focus: got %q, want q", got)
	}
}
