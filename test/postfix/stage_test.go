package postfix_test

import (
	"slices"
	"strings"
	"testing"

	"signet/internal/policyproto"
	"signet/test/postfix"
)

const verdict = "Authenticated-Routing: pass key-id=abc"

func TestEveryActionDoesWhatItSays(t *testing.T) {
	var action policyproto.Action
	p := startPolicy(t, func(*policyproto.Request) policyproto.Action { return action })
	s := postfix.Start(t, postfix.Options{PolicyAddr: p.addr()})
	for _, c := range []struct {
		action policyproto.Action
		code   int
		text   string
	}{
		{policyproto.Dunno(), 250, ""},
		{policyproto.Prepend(verdict), 250, ""},
		{policyproto.Hold("Invalid signature"), 250, ""},
		{policyproto.Reject("Key revoked"), 554, "Key revoked"},
		{policyproto.Defer("Try later"), 450, "Try later"},
	} {
		action = c.action
		code, text := s.Dial(t).Mail("MAIL FROM:<a@b.test> AUTH-PROOF=x", bob, message)
		if code != c.code || !strings.Contains(text, c.text) {
			t.Errorf("%s: got %d %s, want %d %s", c.action, code, text, c.code, c.text)
		}
	}
	got := s.Sink().Wait(t, 2, arrivesWithin)
	headers := append(got[0].Header("Authenticated-Routing"), got[1].Header("Authenticated-Routing")...)
	if len(got) != 2 || !slices.Equal(headers, []string{"pass key-id=abc"}) {
		t.Errorf("next hop got %d messages with verdicts %q, want the first two with one", len(got), headers)
	}
}

func TestDataStageAsksOnceAMessage(t *testing.T) {
	p := startPolicy(t, dunno)
	s := postfix.Start(t, postfix.Options{PolicyAddr: p.addr()})
	three := []string{"a@example.com", "b@example.com", "c@example.com"}
	if code, text := s.Dial(t).Mail("MAIL FROM:<a@b.test>", three, message); code != 250 {
		t.Fatalf("got %d %s", code, text)
	}
	if q := p.last(t); q.RecipientCount != 3 || q.Recipient != "" {
		t.Errorf("got %d recipients, %q, want 3 and no name", q.RecipientCount, q.Recipient)
	}
}

func TestRecipientStageAsksOnceARecipientWithOneInstance(t *testing.T) {
	p := startPolicy(t, dunno)
	s := postfix.Start(t, postfix.Options{PolicyAddr: p.addr(), Stage: postfix.Recipient})
	two := []string{"a@example.com", "b@example.com"}
	if code, text := s.Dial(t).Mail("MAIL FROM:<a@b.test> AUTH-PROOF=x", two, message); code != 250 {
		t.Fatalf("got %d %s", code, text)
	}
	asked := p.requests()
	if len(asked) != 2 {
		t.Fatalf("policy service was asked %d times, want 2", len(asked))
	}
	for i, q := range asked {
		if q.ProtocolState != "RCPT" || q.Recipient != two[i] || q.Instance != asked[0].Instance || q.SASLSender != "authroute:x" {
			t.Errorf("request %d: got %+v", i, q)
		}
	}
}

// Postfix adds what each answer says, so at this stage the service must say it once.
func TestRecipientStageAddsEveryHeaderThatItIsTold(t *testing.T) {
	p := startPolicy(t, func(*policyproto.Request) policyproto.Action { return policyproto.Prepend(verdict) })
	s := postfix.Start(t, postfix.Options{PolicyAddr: p.addr(), Stage: postfix.Recipient})
	two := []string{"a@example.com", "b@example.com"}
	if code, text := s.Dial(t).Mail("MAIL FROM:<a@b.test>", two, message); code != 250 {
		t.Fatalf("got %d %s", code, text)
	}
	if got := s.Sink().Wait(t, 1, arrivesWithin)[0].Header("Authenticated-Routing"); len(got) != 2 {
		t.Errorf("got %q, want the header of both answers", got)
	}
}

func TestRecipientStageKeepsTheRelayClosed(t *testing.T) {
	p := startPolicy(t, dunno)
	s := postfix.Start(t, postfix.Options{
		PolicyAddr: p.addr(), Stage: postfix.Recipient,
		Extra: map[string]string{"mynetworks": "192.0.2.0/24"},
	})
	if code, text := s.Dial(t).Mail("MAIL FROM:<a@b.test>", bob, message); code != 554 {
		t.Errorf("stranger to another domain: got %d %s, want 554", code, text)
	}
}

func TestMailFlowsWhileThePolicyServiceIsDown(t *testing.T) {
	p := startPolicy(t, dunno)
	s := postfix.Start(t, postfix.Options{PolicyAddr: p.addr()})
	p.stop()
	accepted(t, s, "MAIL FROM:<a@b.test> AUTH-PROOF=x", message)
}

// What try_limit=2 is for: smtpd still holds the connection to the service that was.
func TestVerificationResumesWithTheFirstMailAfterARestart(t *testing.T) {
	first := startPolicy(t, dunno)
	s := postfix.Start(t, postfix.Options{PolicyAddr: first.addr()})
	c := s.Dial(t)
	for _, want := range []int{250, 250} {
		if code, text := c.Mail("MAIL FROM:<a@b.test>", bob, message); code != want {
			t.Fatalf("before: got %d %s, want %d", code, text, want)
		}
	}
	first.stop()
	second := startPolicyAt(t, first.addr(), dunno)
	if code, text := c.Mail("MAIL FROM:<a@b.test> AUTH-PROOF=x", bob, message); code != 250 {
		t.Fatalf("after: got %d %s, want 250", code, text)
	}
	if q := second.last(t); q.SASLSender != "authroute:x" {
		t.Errorf("service after the restart got %q, want authroute:x", q.SASLSender)
	}
}

func TestDefaultActionCanBeToDefer(t *testing.T) {
	p := startPolicy(t, dunno)
	s := postfix.Start(t, postfix.Options{PolicyAddr: p.addr(), DefaultAction: "DEFER"})
	p.stop()
	if code, text := s.Dial(t).Mail("MAIL FROM:<a@b.test>", bob, message); code != 450 {
		t.Errorf("got %d %s, want 450", code, text)
	}
}

// A forged verdict stands below the true one: only the first may be believed, and on
// relays that do not verify header_checks removes all.
func TestForgedVerdictStandsBelowOurs(t *testing.T) {
	const forged = "Authenticated-Routing: pass key-id=forged\n" + message
	p := startPolicy(t, func(*policyproto.Request) policyproto.Action { return policyproto.Prepend(verdict) })
	s := postfix.Start(t, postfix.Options{PolicyAddr: p.addr()})
	m := accepted(t, s, "MAIL FROM:<a@b.test>", forged)
	if got := m.Header("Authenticated-Routing"); !slices.Equal(got, []string{"pass key-id=abc", "pass key-id=forged"}) {
		t.Errorf("got %q, want ours first", got)
	}
	if raw := string(m.Raw); strings.Index(raw, verdict) > strings.Index(raw, "Received:") {
		t.Errorf("our verdict stands below this relay's Received:\n%s", raw)
	}
}

func TestHeaderChecksRemoveForgedVerdicts(t *testing.T) {
	const forged = "Authenticated-Routing: pass key-id=forged\n" +
		"authenticated-ROUTING : pass\n" +
		"Authentication-Results: mx.test;\n\tdkim=pass;\n\tx-authroute=pass smtp.mailfrom=a@b.test\n" +
		"Authentication-Results: mx.test; dkim=fail\n" +
		"X-Authenticated-Routing: kept\n" + message
	s := postfix.Start(t, postfix.Options{Extra: map[string]string{
		"header_checks": "pcre:$config_directory/authroute_header_checks.pcre",
	}})
	m := accepted(t, s, "MAIL FROM:<a@b.test>", forged)
	for name, want := range map[string][]string{
		"Authenticated-Routing": nil, "Authentication-Results": {"mx.test; dkim=fail"},
		"X-Authenticated-Routing": {"kept"}, "Subject": {"hello"},
	} {
		if got := m.Header(name); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if strings.Contains(strings.ToLower(string(m.Raw)), "\nauthenticated-routing") {
		t.Errorf("a forged verdict is left:\n%s", m.Raw)
	}
}
