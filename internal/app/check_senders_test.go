package app

import (
	"strings"
	"testing"
	"time"

	"signet/internal/config"
	"signet/internal/token"
)

func TestDemandsOnSendersThatNobodyCanMeetAreFound(t *testing.T) {
	a, _, _ := seeded(t)
	op := a.AsOperator(t.Context())
	if _, err := a.Accounts.CreateAccount(op, "acme"); err != nil {
		t.Fatal(err)
	}
	if err := a.Clients.SetTenantPolicy(op, "acme", token.Policy{DPoP: token.Required}); err != nil {
		t.Fatal(err)
	}
	for id, p := range map[string]token.Policy{
		"keyed": {DPoP: token.Required, MTLS: token.Off}, "shown": {DPoP: token.Off, MTLS: token.Required},
		"gone": {DPoP: token.Required, MTLS: token.Required},
	} {
		if _, _, err := a.Clients.Create(op, token.NewClient{ID: id, Name: id, Policy: p}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Clients.Disable(op, "gone"); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		change func(c *config.Config)
		level  string // of the one finding; "" for none
		want   string
	}{
		"as it is": {func(*config.Config) {}, "", ""},
		"accounts that are there": {func(c *config.Config) {
			c.Security.SenderConstraints.DPoP.RequireForTenants = []string{"*", "acme"}
		}, "", ""},
		"an account that is not": {func(c *config.Config) {
			c.Security.SenderConstraints.DPoP.RequireForTenants = []string{"acme", "nobody"}
		}, "fail", `dpop.requireForTenants: there is no account "nobody"`},
		"one for certificates": {func(c *config.Config) {
			c.Security.SenderConstraints.MTLS.RequireForTenants = []string{"nobody"}
		}, "fail", `mtls.requireForTenants: there is no account "nobody"`},
		"no proofs": {func(c *config.Config) {
			c.Security.SenderConstraints.DPoP.Enabled = false
		}, "fail", "proofs are not taken, and demanded by account acme, client dev-dpop, client keyed\n"},
		"no certificates": {func(c *config.Config) {
			c.Security.SenderConstraints.MTLS.Enabled = false
		}, "fail", "certificates are not taken, and demanded by client shown\n"},
		"no listener": {func(c *config.Config) {
			c.Server.MTLS.Listen = ""
		}, "fail", "nothing brings certificates, and they are demanded by client shown\n"},
		"a bypass": {func(c *config.Config) {
			c.Security.SenderConstraints.DPoP.Bypass = config.Bypass{Enabled: true, ExpiresAt: "2026-01-31T12:00:01Z", Reason: "why"}
		}, "warn", "until 2026-01-31T12:00:01Z: why"},
		"a bypass that is over": {func(c *config.Config) {
			c.Security.SenderConstraints.DPoP.Bypass = config.Bypass{Enabled: true, ExpiresAt: "2026-01-31T12:00:00Z", Reason: "why"}
		}, "warn", "it ended at 2026-01-31T12:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := a.Config
			c.change(&cfg)
			all := checkSenders(t.Context(), cfg, now)
			if c.level == "" {
				if len(all) > 0 {
					t.Errorf("got %v, want nothing", all)
				}
				return
			}
			if len(all) != 1 || all[0].Level != c.level || !strings.Contains(all[0].String(), c.want) {
				t.Errorf("got %v, want %s: %s", all, c.level, c.want)
			}
		})
	}
}
