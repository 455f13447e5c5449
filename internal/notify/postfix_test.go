package notify_test

import (
	"testing"
	"time"

	"signet/internal/notify"
	"signet/test/postfix"
)

func TestPostfixTakesAMailAndChangesNothing(t *testing.T) {
	relay := postfix.Start(t, postfix.Options{})
	p := newPost(t, notify.NewSMTP(notify.SMTPOptions{Server: relay.Addr(), TLS: "none"}))
	p.Send(t.Context(), notify.Message{To: []string{bob}, Locale: "de", What: notify.IdentityLinked, Values: map[string]any{"Name": "Grüße"}})
	p.Flush(t.Context())
	got := relay.Sink().Wait(t, 1, 30*time.Second)[0]
	m := parse(t, got.Raw)
	if got.Sender != ours || len(got.Recipients) != 1 || got.Recipients[0] != bob {
		t.Errorf("envelope: got %s to %v", got.Sender, got.Recipients)
	}
	if want := "Anmeldung mit Grüße wurde auf auth.example.org hinzugefügt"; m.subject != want {
		t.Errorf("subject: got %q, want %q", m.subject, want)
	}
	if want := "Bei Ihrem Konto auf auth.example.org kann man sich jetzt mit Grüße anmelden."; len(m.text) < len(want) || m.text[:len(want)] != want {
		t.Errorf("text: got\n%s", m.text)
	}
}
