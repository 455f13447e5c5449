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
	a.newApp("shop", "name", "Shop", "grant", "authorization_code", "grant", "refresh_token", "scopes", "openid email orders.read",
		"redirects", "https://shop.example.org/callback\nhttp://127.0.0.1/callback", "audiences", "https://api.example.org", "dpop", "required")
	a.upload("hello.txt", "hello")
	a.upload("photos/2026/a holiday.jpg", strings.Repeat("x", 12345))
	a.upload(strings.Repeat("a-very-long-name-of-a-file-", 12)+".tar.gz", "x")
	a.newKey("name", "backup of the office", "grants", "demo:read\nlogs-*/2026/with/a/long/prefix/*:write")
	a.does("/console/buckets/demo/grants/new", "whom", "alice@signet.test", "role", "write", "prefix", "photos/")
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
	for _, k := range []struct {
		name  string
		start func(t *testing.T) *dev
		looks bool
	}{
		{"SQLite", newDev, true},
		{"PostgreSQL", newPostgres, false},
		{"PostgreSQL in two processes", newSplit, false},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			d := k.start(t)
			a := d.admin(t)
			user := d.fill(t, a)
			refused := d.deny(t, a)
			b := browser.New(t)
			look := func(name string) {
				if k.looks {
					b.Look("console-" + name)
				}
			}
			d.signIn(b, "/console")
			d.readPages(b, user, look)
			b.Go(d.Origin + "/console/denials/" + refused)
			b.Sees("a proxy between")
			look("denial")
			d.disable(b, user)
			d.bypass(b)
			look("bypass-on")
		})
	}
}

// signIn signs the administrator in, on the way to a page.
func (d *dev) signIn(b *browser.Tab, path string) {
	b.Go(d.Origin + path)
	b.At(d.Origin + "/login")
	b.Fill("E-mail address", d.Ready.User.Email)
	b.Fill("Password", d.Ready.User.Password)
	b.Press("Sign in")
	b.At(d.Origin + path)
}

// readPages opens every kind of page.
func (d *dev) readPages(b *browser.Tab, user string, look func(name string)) {
	for _, p := range []struct{ name, path, words string }{
		{"home", "", "What needs a person"},
		{"users", "/users", "Alice Example"},
		{"user", "/users/" + user, "alice.example@signet.test"},
		{"user-new", "/users/new", "The address counts as verified."},
		{"user-disable", "/users/" + user + "/disable", "Alice Example"},
		{"user-none", "/users?q=nobody", "No users fit this search."},
		{"role-give", "/users/" + user + "/roles/give", "administrator"},
		{"roles", "/roles", "support"},
		{"role-edit", "/roles/edit?role=support", "users:read"},
		{"sessions", "/sessions", "this one"},
		{"tokens", "/tokens", "relay"},
		{"clients", "/clients", "Apps that sign people in"},
		{"client", "/clients/id/shop", "https://shop.example.org/callback"},
		{"client-new", "/clients/new", "Choose how the app proves itself"},
		{"client-rotate", "/clients/id/shop/rotate", "24 hours"},
		{"client-policy", "/clients/policy", "no use to a thief"},
		{"senders", "/senders", "What became of proofs"},
		{"key-new", "/service-keys/new", "A service key acts for itself"},
		{"audit", "/audit", "user.create"},
		{"mail-keys", "/mail-keys", d.Ready.Authroute.Sender},
		{"mail-key-revoke", "/mail-keys/" + d.Ready.Authroute.KeyID + "/revoke", d.Ready.Authroute.Sender},
		{"verifications", "/verifications", "Mails a day"},
		{"domains", "/domains", "signet.test"},
		{"domain-mode", "/domains/mode?domain=" + url.QueryEscape("signet.test"), "What would have become of the mails"},
		{"keys", "/keys", "backup of the office"},
		{"access-key-new", "/keys/new", "Both parts are shown once."},
		{"access-key-revoke", "/keys/" + d.Ready.S3.AccessKeyID + "/revoke", d.Ready.S3.AccessKeyID},
		{"buckets", "/buckets", "demo"},
		{"buckets-none", "/buckets?q=nobody", "There is no such bucket."},
		{"bucket", "/buckets/demo", "hello.txt"},
		{"bucket-folder", "/buckets/demo?prefix=photos%2F2026%2F", "a holiday.jpg"},
		{"object-link", "/buckets/demo/link?key=hello.txt", "Whoever has the link"},
		{"object-delete", "/buckets/demo/delete-object?key=hello.txt", "It cannot be brought back"},
		{"grant-new", "/buckets/demo/grants/new", "With whom"},
		{"denials", "/denials", "SignatureDoesNotMatch"},
		{"bypass", "/bypass", "Off: mail is judged"},
		{"bypass-start", "/bypass/start", "Forged mail is delivered"},
	} {
		b.Go(d.Origin + "/console" + p.path)
		b.Sees(p.words)
		look(p.name)
	}
}

// disable disables a user, and enables them again.
func (d *dev) disable(b *browser.Tab, user string) {
	b.Go(d.Origin + "/console/users/" + user)
	b.Press("Disable")
	b.At(d.Origin + "/console/users/" + user + "/disable")
	b.Press("Disable")
	b.Sees("The user is disabled.")
	b.Press("Enable")
	b.At(d.Origin + "/console/users/" + user + "/enable")
	b.Press("Enable")
	b.Sees("The user is enabled.")
}

// bypass has mail go unjudged, and says so.
func (d *dev) bypass(b *browser.Tab) {
	b.Go(d.Origin + "/console/bypass/start")
	b.Fill("Reason", "the key server is down")
	b.Press("Bypass verification")
	b.Sees("Verification is bypassed.")
}

func TestASlashGoesToTheSearchField(t *testing.T) {
	d := newDev(t)
	b := browser.New(t)
	d.signIn(b, "/console/users")
	browser.Value[bool](b, `document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "/", bubbles: true})), true`)
	if got := browser.Value[string](b, `document.activeElement.name || ""`); got != "q" {
		t.Errorf("the field that has the focus: got %q, want q", got)
	}
}
