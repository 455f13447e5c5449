package postfix_test

import (
	"strings"
	"testing"

	"signet/internal/policyproto"
	"signet/test/postfix"
)

func TestTaggedSenderIsPlainAtTheNextHop(t *testing.T) {
	p := startPolicy(t, dunno)
	s := postfix.Start(t, postfix.Options{PolicyAddr: p.addr(), TaggedSender: true})
	proof := signed(t, "alice@b.test")
	for path, c := range map[string]struct{ nextHop, context string }{
		"alice@b.test":                       {"alice@b.test", "authroute"},
		"alice+list@b.test":                  {"alice+list@b.test", "authroute"},
		"":                                   {"", "authroute"},
		"alice+ap=" + proof + "@b.test":      {"alice@b.test", "authroute-tagged"},
		"Alice+AP=" + proof + "@b.test":      {"Alice@b.test", "authroute-tagged"},
		"alice+list+ap=" + proof + "@b.test": {"alice+list@b.test", "authroute-tagged"},
		"alice+ap=x+ap=y@b.test":             {"alice@b.test", "authroute-tagged"},
		"alice+ap=x+ap=@b.test":              {"alice@b.test", "authroute-tagged"},
		`"john doe+ap=` + proof + `"@b.test`: {`"john doe"@b.test`, "authroute-tagged"},
		`"a+ap=x y"@b.test`:                  {`"a+ap=x y"@b.test`, "authroute-tagged"},
		`"a@c+ap=xy"@b.test`:                 {`"a@c"@b.test`, "authroute-tagged"},
		"alice+ap=" + strings.Repeat("x", 1400) + "@b.test": {"alice@b.test", "authroute-tagged"},
	} {
		m := accepted(t, s, "MAIL FROM:<"+path+">", message)
		if m.Sender != c.nextHop {
			t.Errorf("%.60s: next hop got %.60q, want %q", path, m.Sender, c.nextHop)
		}
		q := p.last(t)
		if q.PolicyContext != c.context {
			t.Errorf("%.60s: asked as %s, want %s", path, q.PolicyContext, c.context)
		}
		// Whatever Postfix takes for a tag, ProofFrom must take for one: the caller rejects it.
		carried := policyproto.ProofFrom(&q, true)
		if tagged := c.context == "authroute-tagged"; tagged != (carried.Form == policyproto.Tagged) {
			t.Errorf("%.60s: ProofFrom gave %+v", path, carried)
		}
	}
}

func TestTaggedSenderStaysAsItIsWhileSwitchedOff(t *testing.T) {
	p := startPolicy(t, dunno)
	s := postfix.Start(t, postfix.Options{PolicyAddr: p.addr()})
	if m := accepted(t, s, "MAIL FROM:<alice+ap=xyz@b.test>", message); m.Sender != "alice+ap=xyz@b.test" {
		t.Errorf("next hop got %q", m.Sender)
	}
}

func TestTaggedMailWaitsWhileThePolicyServiceIsDown(t *testing.T) {
	p := startPolicy(t, dunno)
	s := postfix.Start(t, postfix.Options{PolicyAddr: p.addr(), TaggedSender: true})
	p.stop()
	if code, text := s.Dial(t).Mail("MAIL FROM:<alice+ap=xyz@b.test>", bob, message); code != 450 {
		t.Errorf("tagged: got %d %s, want 450", code, text)
	}
	accepted(t, s, "MAIL FROM:<alice@b.test>", message)
}
