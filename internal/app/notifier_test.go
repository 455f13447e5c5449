package app

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"signet/internal/account"
	"signet/internal/notify"
)

// mailed ends the installation and returns the mails that it wrote.
func mailed(t *testing.T, a *App) (all []string) {
	t.Helper()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(a.Config.MailDirectory(), "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(raw))
	}
	return all
}

func TestUsersAreMailedAtEveryAddressWhatChanged(t *testing.T) {
	a, user, _ := seeded(t)
	op := a.AsOperator(t.Context())
	if err := a.Accounts.AddAddress(op, user, "other@signet.test"); err != nil {
		t.Fatal(err)
	}
	u, err := a.Accounts.FindUser(op, user)
	if err != nil {
		t.Fatal(err)
	}
	n := notifier{a}
	n.CredentialChanged(t.Context(), account.CredentialChange{User: u, What: notify.PasskeyAdded, Name: "Laptop"})
	n.IdentityLinked(t.Context(), account.NewIdentity{User: u, Identity: account.Identity{Provider: "github"}})
	all := strings.Join(mailed(t, a), "\n")
	for _, want := range []string{
		"To: <" + devEmail + ">", "To: <other@signet.test>", "A passkey was added to your account at localhost:1: Laptop",
		"can now be signed in to with GitHub.", "signet@localhost",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no mail has %q:\n%s", want, all)
		}
	}
}

func TestAMailServerThatDoesNotAnswerIsFound(t *testing.T) {
	cfg, err := DevConfig(t.Context(), DevOptions{Data: t.TempDir(), BasePort: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(Doctor(t.Context(), cfg), func(f Finding) bool { return f.What == "mail server" && f.Level == "warn" }) {
		t.Error("doctor does not warn where no server is named")
	}
	cfg.Account.Mail.Server = "127.0.0.1:1"
	if !slices.ContainsFunc(CheckDependencies(t.Context(), cfg), func(f Finding) bool { return f.What == "mail server" && f.Bad() }) {
		t.Error("the check says nothing")
	}
}
