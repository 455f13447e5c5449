package authroute

import (
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"signet/authproof"
)

func TestProofForAnyNameOfThisRelayFits(t *testing.T) {
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	proof := func(c authproof.Claims) authproof.Proof {
		t.Helper()
		c.Timestamp, c.MessageID, c.Sender = now, "<1@x>", "alice@example.org"
		text, err := authproof.Sign(priv, c)
		if err != nil {
			t.Fatal(err)
		}
		p, err := authproof.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	a := newAudiences([]string{"mx.example.org", "relay.example.org"}, time.Now)
	// In turn, so that the name that fitted last is the wrong one.
	for range 2 {
		for _, name := range []string{"mx.example.org", "relay.example.org", authproof.AnyRelay, "relay.example.org"} {
			p := proof(authproof.Claims{Version: 2, Audience: name})
			if err := a.verify(p, pub, "alice@example.org", now, time.Minute); err != nil {
				t.Errorf("proof for %s: %v", name, err)
			}
			if err := a.verify(p, pub, "alice@example.org", now.Add(time.Hour), time.Minute); !errors.Is(err, authproof.ErrStale) {
				t.Errorf("old proof for %s: got %v, want ErrStale", name, err)
			}
		}
		elsewhere := proof(authproof.Claims{Version: 2, Audience: "mx.example.net"})
		if err := a.verify(elsewhere, pub, "alice@example.org", now, time.Minute); !errors.Is(err, authproof.ErrSignature) {
			t.Errorf("proof for another relay: got %v, want ErrSignature", err)
		}
		if err := a.verify(proof(authproof.Claims{Version: 1}), pub, "alice@example.org", now, time.Minute); err != nil {
			t.Errorf("version 1: %v", err)
		}
	}
}
