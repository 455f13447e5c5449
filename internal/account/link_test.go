package account_test

import (
	"strings"
	"testing"
	"time"

	"signet/internal/authapi"
	"signet/internal/db"
)

func TestAStolenSessionAddsNoAddress(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		secret, _ := g.signIn(t)
		g.clock = g.clock.Add(6 * time.Minute)
		err := g.AddAddress(g.as(t, secret), authapi.AddressRequest{Email: "mallory@example.net"})
		word(t, "an address, six minutes after the sign-in", err, authapi.WordStepUp)
		if len(g.mails) != 1 { // of the new browser
			t.Errorf("got %d mails, want none for the address", len(g.mails)-1)
		}
	})
}

func TestASetupLinkThatALostMailboxHasOpensNothing(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		link, err := g.gate.SetupLink(g.operator(t.Context()), g.ID)
		if err != nil {
			t.Fatal(err)
		}
		op := g.operator(t.Context())
		if err := g.users.AddAddress(op, g.ID, "new@example.org"); err != nil {
			t.Fatal(err)
		}
		if err := g.users.RemoveAddress(op, g.ID, "alice@example.org"); err != nil {
			t.Fatal(err)
		}
		_, err = g.use(t, link[strings.LastIndexByte(link, '/')+1:], "")
		word(t, "setup by an address that was removed", err, authapi.WordLink)
	})
}

func TestAResetLinkThatALostMailboxHasOpensNothing(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		if err := g.Forgot(t.Context(), authapi.ForgotRequest{Email: "alice@example.org", Browser: g.browser}); err != nil {
			t.Fatal(err)
		}
		_, code := g.mail(t, "reset")
		op := g.operator(t.Context())
		if err := g.users.AddAddress(op, g.ID, "new@example.org"); err != nil {
			t.Fatal(err)
		}
		if err := g.users.RemoveAddress(op, g.ID, "alice@example.org"); err != nil {
			t.Fatal(err)
		}
		_, err := g.use(t, code, "quite another phrase")
		word(t, "reset by an address that was removed", err, authapi.WordLink)
	})
}

// What leaves nobody signed in leaves no link either: enabling gives nothing back.
func TestClosingAUserEndsTheirLinks(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		link, err := g.gate.SetupLink(g.operator(t.Context()), g.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.db.Update(t.Context(), func(tx *db.Tx) error { return g.sessions.CloseUser(t.Context(), tx, g.ID) }); err != nil {
			t.Fatal(err)
		}
		_, err = g.use(t, link[strings.LastIndexByte(link, '/')+1:], "")
		word(t, "setup", err, authapi.WordLink)
	})
}

func TestASignInThatWaitsEndsWithItsPassword(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		_, ctx := g.signIn(t)
		e := g.app(t, ctx)
		m := g.mfa(t)
		g.setPassword(t, "quite another phrase")
		_, err := g.MFA(t.Context(), authapi.MFARequest{Ticket: m.Ticket, Method: authapi.MethodTOTP, Code: g.code(t, e.Secret), Browser: g.browser})
		word(t, "second factor after a new password", err, authapi.WordMFATicket)
	})
}

func TestASetupLinkIsOnRecord(t *testing.T) {
	eachPerson(t, func(t *testing.T, p *person) {
		j := &journal{}
		p.audit = j
		p.start(t)
		if _, err := newGate(t, p, false).gate.SetupLink(p.operator(t.Context()), p.ID); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(j.actions, " "); got != "user.setup_link" {
			t.Errorf("recorded %q, want user.setup_link", got)
		}
	})
}

func TestMailsOfRecoveryAreBounded(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		g.setPassword(t, good)
		_, ctx := g.signIn(t)
		g.app(t, ctx)
		m := g.mfa(t)
		before := len(g.mails)
		for range 30 {
			_ = g.Recover(t.Context(), authapi.RecoverRequest{Ticket: m.Ticket, Browser: g.browser})
		}
		if n := len(g.mails) - before; n != 4 {
			t.Errorf("got %d mails, want 4", n)
		}
	})
}

func TestAProviderIsNoSecondFactorByItsName(t *testing.T) {
	eachGate(t, func(t *testing.T, g *gate) {
		for _, name := range []string{"mfa", "otp", "hwk", "swk", "pwd", "user", "link"} {
			if _, err := g.OAuth(t.Context(), authapi.OAuthRequest{Provider: name, ProviderSub: "1", Browser: g.browser}); err == nil {
				t.Errorf("%s: a sign-in by a provider of that name was accepted", name)
			}
		}
	})
}
