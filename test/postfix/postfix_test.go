package postfix_test

import (
	"testing"
	"time"

	"signet/test/postfix"
)

const (
	arrivesWithin = 20 * time.Second
	message       = "From: Alice <alice@example.org>\nSubject: hello\nMessage-ID: <1@example.org>\n\nHello.\n"
)

var bob = []string{"bob@example.com"}

// accepted gives a mail to s and returns it as the next hop received it.
func accepted(t *testing.T, s *postfix.Server, mailFrom, message string) postfix.Message {
	t.Helper()
	before := len(s.Sink().Messages())
	if code, text := s.Dial(t).Mail(mailFrom, bob, message); code != 250 {
		t.Fatalf("%.80s: got %d %s, want 250", mailFrom, code, text)
	}
	return s.Sink().Wait(t, before+1, arrivesWithin)[before]
}

func TestServerStartsFastAndRelays(t *testing.T) {
	start := time.Now()
	s := postfix.Start(t, postfix.Options{})
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("started in %v, want less than 2 s", took)
	}
	m := accepted(t, s, "MAIL FROM:<alice@example.org> SIZE=100", message)
	if m.Sender != "alice@example.org" || len(m.Recipients) != 1 || m.Recipients[0] != bob[0] {
		t.Errorf("next hop got %q to %q", m.Sender, m.Recipients)
	}
	if got := m.Header("Subject"); len(got) != 1 || got[0] != "hello" {
		t.Errorf("Subject: got %q", got)
	}
	if auth, ok := m.Auth(); ok {
		t.Errorf("next hop got AUTH=%s", auth)
	}
}

// Without deploy/postfix a client with a proof cannot send at all: the reason for the
// command filter.
func TestStockPostfixRefusesTheParameter(t *testing.T) {
	s := postfix.Start(t, postfix.Options{})
	s.Dial(t).Expect(555, "MAIL FROM:<alice@example.org> AUTH-PROOF=abc")
}

func TestTwoServersRunBesideEachOther(t *testing.T) {
	a, b := postfix.Start(t, postfix.Options{}), postfix.Start(t, postfix.Options{})
	accepted(t, a, "MAIL FROM:<a@example.org>", message)
	accepted(t, b, "MAIL FROM:<b@example.org>", message)
	if m := a.Sink().Messages(); len(m) != 1 || m[0].Sender != "a@example.org" {
		t.Errorf("first server's next hop got %+v", m)
	}
}
