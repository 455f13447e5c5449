package app

import (
	"errors"
	"slices"
	"testing"
	"time"

	"signet/internal/config"
	"signet/internal/db"
	"signet/internal/ticket"
)

// seeded returns an installation with a user, their keys, and the key id of one.
func seeded(t *testing.T) (a *App, user string, keyID string) {
	t.Helper()
	cfg, err := DevConfig(t.Context(), DevOptions{Data: t.TempDir(), BasePort: 1})
	if err != nil {
		t.Fatal(err)
	}
	a, err = OpenOrCreate(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	r, err := a.Seed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u, err := a.Accounts.FindUser(a.AsOperator(t.Context()), devEmail)
	if err != nil {
		t.Fatal(err)
	}
	return a, u.ID, r.Authroute.KeyID
}

func TestDisablingAUserRevokesTheirMailKeys(t *testing.T) {
	a, user, id := seeded(t)
	if k, ok := a.Keys.Find(id); !ok || !k.Revoked.IsZero() {
		t.Fatalf("before: got %+v, %t", k, ok)
	}
	if err := a.Accounts.Disable(a.AsOperator(t.Context()), user); err != nil {
		t.Fatal(err)
	}
	if k, _ := a.Keys.Find(id); k.Revoked.IsZero() {
		t.Error("the key is live")
	}
}

func TestSeededClientsFollowTheServerToAnotherPortAndBack(t *testing.T) {
	a, _, _ := seeded(t)
	op := a.AsOperator(t.Context())
	first := a.Config.Server.Origin
	if err := a.Clients.Disable(op, "dev-public"); err != nil { // starts go on without it
		t.Fatal(err)
	}
	for _, origin := range []string{"http://localhost:2", first} {
		a.Config.Server.Origin = origin
		if _, err := a.Seed(t.Context()); err != nil {
			t.Fatal(err)
		}
		c, err := a.Clients.Get(op, "dev")
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{origin, a.Config.ObjectsOrigin()}; !slices.Equal(c.Audiences, want) {
			t.Errorf("audiences: got %v, want %v", c.Audiences, want)
		}
	}
}

func TestSeedLeavesTheStoreOfARunningServerAlone(t *testing.T) {
	a, _, _ := seeded(t)
	release, err := a.DB.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	want := a.Config.Server.Origin
	a.Config.Server.Origin = "http://localhost:2"
	if _, err := a.Seed(t.Context()); !errors.Is(err, db.ErrServed) {
		t.Errorf("got %v, want ErrServed", err)
	}
	c, err := a.Clients.Get(a.AsOperator(t.Context()), "dev")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(c.Audiences, want) || slices.Contains(c.Audiences, "http://localhost:2") {
		t.Errorf("audiences: got %v, want those of %s", c.Audiences, want)
	}
}

func TestRemovingAnAddressRevokesItsMailKeys(t *testing.T) {
	a, user, id := seeded(t)
	op := a.AsOperator(t.Context())
	if err := a.Accounts.AddAddress(op, user, "other@signet.test"); err != nil {
		t.Fatal(err)
	}
	if err := a.Accounts.RemoveAddress(op, user, devEmail); err != nil {
		t.Fatal(err)
	}
	if k, _ := a.Keys.Find(id); k.Revoked.IsZero() {
		t.Error("the key is live")
	}
}

func TestReloadTakesModesAndNamesWhatNeedsARestart(t *testing.T) {
	a, _, _ := seeded(t)
	next := a.Config
	next.Authroute.Domains = map[string]config.Domain{devDomain: {Mode: "require"}}
	next.Authroute.Window = config.Duration(time.Minute)
	a.Reload(next)
	if m := a.Domains.Of(devDomain).Mode; m != "require" {
		t.Errorf("mode: got %s, want require", m)
	}
	if keys := a.Config.NeedsRestart(next); len(keys) != 1 || keys[0] != "authroute.window" {
		t.Errorf("needs a restart: got %v, want authroute.window", keys)
	}
}

func TestOneProcessServesASQLiteStore(t *testing.T) {
	a, _, _ := seeded(t)
	release, err := a.DB.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := a.Serve(t.Context(), AllRoles(), func(Listening) error { return nil }); err == nil {
		t.Error("a second one serves")
	}
}

func TestEverySealedColumnIsRotated(t *testing.T) {
	tables := map[string]bool{}
	for _, c := range SealedColumns() {
		tables[c.Table] = true
	}
	for _, want := range []string{"node_meta", "authroute_delegations", "token_keys", "user_totp", "api_keys", "objects_sessions"} {
		if !tables[want] {
			t.Errorf("%s is not rotated", want)
		}
	}
}

func TestCatalogueNamesEachPermissionOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Permissions() {
		if seen[p.Name] || p.Text == "" {
			t.Errorf("%q stands twice or has no text", p.Name)
		}
		seen[p.Name] = true
	}
}

func TestStrangerFindsNobody(t *testing.T) {
	a, _, _ := seeded(t)
	nobody := ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: "usr_x"})
	if u, err := a.Accounts.FindUser(nobody, devEmail); err == nil {
		t.Errorf("found %v", u)
	}
}
