package boundary_test

import (
	"net/http"
	"testing"
	"time"

	"signet/internal/db/dbtest"

	signettest "signet/test/signet"
)

// outWithin is how soon every door of every instance must be closed to a disabled user.
const outWithin = 2 * time.Second

func TestADisabledUserIsOutOnEveryInstanceWithinTwoSeconds(t *testing.T) {
	const email = "alice@enforce.test"
	n := signettest.New(t, signettest.Options{
		StoreURL: dbtest.PostgresURL(t), Config: "authroute:\n  domains:\n    enforce.test: {mode: enforce}\n",
	})
	one := n.Start()
	two := n.Start()
	instances := []*signettest.Instance{one, two}
	alice := n.NewUser(one, email)
	key := alice.NewKey(t, email)
	first := one.Agent(t)
	if res := first.Post(n.SetupLink(email)); res.Status != http.StatusSeeOther {
		t.Fatalf("setup link: got %d\n%s", res.Status, res.Body)
	}
	n.Secrets.Add(first.Cookies["__Host-signet"])

	// Each door of each instance is open, and each instance knows the session by heart.
	doors := map[string]func() bool{}
	for i, at := range instances {
		name := []string{"one", "two"}[i]
		browser := at.Agent(t)
		browser.Cookies["__Host-signet"] = first.Cookies["__Host-signet"]
		doors[name+": session"] = func() bool { return browser.Get("/account").Status == http.StatusOK }
		doors[name+": API token"] = func() bool {
			return at.Call(http.MethodGet, "/api/v1/authroute/keys", alice.Token, "").Status == http.StatusOK
		}
		asker := signettest.NewAsker(t, at.Policy)
		at.AwaitKeys(t, key)
		doors[name+": mail key"] = func() bool {
			action, err := asker.Ask(t.Context(), signettest.Mail{Sender: email, Proof: key.Proof(t)})
			return err != nil || action != "REJECT Key revoked"
		}
	}
	for name, open := range doors {
		if !open() {
			t.Fatalf("%s is closed already", name)
		}
	}

	n.Run("admin", "user", "disable", email)
	left := time.Now()
	took := map[string]time.Duration{}
	for name, open := range doors { // one after the other: the sum is an upper bound of each
		for open() && time.Since(left) < 2*outWithin {
		}
		took[name] = time.Since(left)
	}
	t.Logf("closed after %v", took)
	for name, d := range took {
		if d >= outWithin {
			t.Errorf("%s was open for %v, want less than %v", name, d, outWithin)
		}
	}
	for name, open := range doors {
		if open() {
			t.Errorf("%s is open again", name)
		}
	}
}
