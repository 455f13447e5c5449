package console_test

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"

	"signet/internal/db/dbtest"
	signettest "signet/test/signet"
)

// likeDev configures an installation as signet dev is.
const likeDev = `
authroute:
  domains:
    signet.test: {mode: enforce}
`

// newPostgres returns an installation on PostgreSQL with what signet dev seeds.
func newPostgres(t *testing.T) *dev {
	t.Helper()
	d, n := seeded(t)
	i := n.Start()
	d.runsAt(t, n, i, i)
	return d
}

// newSplit is newPostgres with pages and accounts in two processes.
func newSplit(t *testing.T) *dev {
	t.Helper()
	d, n := seeded(t)
	accounts, pages := n.StartSplit()
	d.runsAt(t, n, accounts, pages)
	return d
}

// seeded makes an installation with an administrator, and somebody with a key to sign
// mail with. Nothing of it runs.
func seeded(t *testing.T) (*dev, *signettest.Installation) {
	t.Helper()
	n := signettest.New(t, signettest.Options{StoreURL: dbtest.PostgresURL(t), Config: likeDev})
	d := &dev{&signettest.DevInstance{}}
	d.Ready.User.Email = "dev@signet.test"
	d.Ready.APIToken = n.BootstrapAdmin(d.Ready.User.Email)
	i := n.Start() // a key is registered at the origin that it was signed for
	sender := n.NewUser(i, "sender@signet.test")
	key := sender.NewKey(t, sender.Email)
	i.Stop()
	d.Ready.Authroute.Sender, d.Ready.Authroute.KeyID, d.Key = key.Address, key.ID, key.Private
	return d, n
}

// runsAt gives the administrator a password.
func (d *dev) runsAt(t *testing.T, n *signettest.Installation, accounts, pages *signettest.Instance) {
	t.Helper()
	r := &d.Ready
	d.Instance, r.Public, r.Policy, r.User.Password = pages, pages.Origin, accounts.Policy, strings.ToLower(rand.Text())
	n.Secrets.Add(r.User.Password)
	admin := d.agent(t)
	if res := admin.Post(n.SetupLink(r.User.Email)); res.Status != http.StatusSeeOther {
		t.Fatalf("setup: got %d\n%.2000s", res.Status, res.Body)
	}
	if res := admin.Post("/account/security/password", "password", r.User.Password); res.Status != http.StatusSeeOther {
		t.Fatalf("set the password: got %d\n%.2000s", res.Status, res.Body)
	}
	r.S3.AccessKeyID, _ = admin.newKey("name", "dev")
	admin.does("/console/buckets/_new", "name", "demo")
}
