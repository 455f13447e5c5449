package notify_test

import (
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"signet/internal/locale"
	"signet/internal/notify"
)

// values has something for every name in the texts.
var values = map[string]any{
	"Name": "Laptop", "Account": "Example Ltd", "Code": "12345678", "Device": "Firefox on Linux", "Address": "192.0.2.7",
	"Time": time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC),
}

// languages are the tags of all languages that there are.
func languages(b *locale.Bundle) (tags []string) {
	for _, texts := range b.All() {
		tags = append(tags, texts.Tag.String())
	}
	return tags
}

func TestEveryMailHasSubjectAndTextInEveryLanguage(t *testing.T) {
	texts, err := locale.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range notify.All() {
		seen := map[string]string{}
		for _, language := range languages(texts) {
			for _, part := range []string{".subject", ".text"} {
				id := "mail." + what + part
				if got := texts.Choose(language).T(id, "Host", "x"); got == id || got == "" {
					t.Errorf("%s has no %s", language, id)
				}
			}
			all := written(t, notify.Message{To: []string{"alice@example.org"}, Locale: language, What: what, Link: link, Values: values})
			if len(all) != 1 {
				t.Fatalf("%s in %s: got %d mails, want 1", what, language, len(all))
			}
			m := all[0]
			if other, ok := seen[m.text]; ok {
				t.Errorf("%s is the same in %s and %s", what, other, language)
			}
			seen[m.text] = language
			if strings.Contains(m.subject+m.text, "<no value>") || strings.Contains(m.subject+m.text, "{{") {
				t.Errorf("%s in %s lacks a value:\n%s\n%s", what, language, m.subject, m.text)
			}
			if !strings.Contains(m.text, "\n"+link+"\n") {
				t.Errorf("%s in %s: the link has no line of its own:\n%s", what, language, m.text)
			}
			if !strings.Contains(m.text, "\n\n-- \nSignet ") || !strings.HasSuffix(m.text, "auth.example.org\n") {
				t.Errorf("%s in %s is not signed:\n%s", what, language, m.text)
			}
		}
	}
}

func TestAMailSaysWhatMailIsExpectedToSay(t *testing.T) {
	all := written(t, notify.Message{To: []string{"alice@example.org"}, What: notify.PasskeyAdded, Values: map[string]any{"Name": "Läptop"}})
	if len(all) != 1 {
		t.Fatalf("got %d mails, want 1", len(all))
	}
	m := all[0]
	const text = `A passkey was added to your account at auth.example.org: Läptop

Was it not you? Sign in at https://auth.example.org and look under Sign-in, or ask
your administrator.

-- 
Signet at auth.example.org
`
	if m.text != text {
		t.Errorf("text: got\n%s\nwant\n%s", m.text, text)
	}
	for name, want := range map[string]string{
		"From": `"Signet" <signet@auth.example.org>`, "To": "<alice@example.org>", "Subject": "A passkey was added at auth.example.org",
		"Auto-Submitted": "auto-generated", "Content-Type": "text/plain; charset=UTF-8", "Mime-Version": "1.0",
	} {
		if got := m.header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if at, err := m.header.Date(); err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("Date: got %v, %v", at, err)
	}
	if m.header.Get("Message-ID") == "" {
		t.Error("there is no Message-ID")
	}
}

func TestMailsOnWhatIsDoneSayWhatToDoIfItWasSomebodyElse(t *testing.T) {
	asked := []string{notify.SignUp, notify.SignUpKnown, notify.Reset, notify.ResetNone, notify.Verify, notify.Setup, notify.Recover, notify.MailCode}
	for _, what := range notify.All() {
		m := written(t, notify.Message{To: []string{"alice@example.org"}, What: what, Link: link, Values: values})[0]
		if got, want := strings.Contains(m.text, "Was it not you?"), !slices.Contains(asked, what); got != want {
			t.Errorf("%s: says what to do: got %t, want %t\n%s", what, got, want, m.text)
		}
	}
}

func TestEachAddressGetsAMailOfItsOwn(t *testing.T) {
	all := written(t, notify.Message{To: []string{"a@example.org", "b@example.org"}, What: notify.MFAOn})
	var to []string
	for _, m := range all {
		to = append(to, m.header.Get("To"))
	}
	if len(to) != 2 || to[0] != "<a@example.org>" || to[1] != "<b@example.org>" {
		t.Errorf("got %v", to)
	}
}

func TestNamesCannotForgeAMail(t *testing.T) {
	for _, name := range []string{
		"x\r\nBcc: eve@example.net\r\n\r\nYou won", "x\nBcc: eve@example.net", "x\rBcc: eve@example.net", "x\x00y", "x\u2028y", "\u202Egro.elpmaxe", "{{.Host}}",
		strings.Repeat("ä", 5000),
	} {
		all := written(t, notify.Message{To: []string{"alice@example.org"}, What: notify.IdentityLinked, Values: map[string]any{"Name": name}})
		if len(all) != 1 {
			t.Fatalf("%.20q: got %d mails, want 1", name, len(all))
		}
		m := all[0]
		if m.header.Get("Bcc") != "" {
			t.Errorf("%q began a header", name)
		}
		if strings.ContainsAny(m.subject, "\r\n\x00\u2028\u202e") || strings.ContainsAny(m.text, "\r\x00\u2028\u202e") {
			t.Errorf("%q deceives in:\n%q\n%q", name, m.subject, m.text)
		}
		if strings.Contains(m.text, "\nBcc") || len(m.text) > 2000 {
			t.Errorf("%.20q is more than a name in:\n%s", name, m.text)
		}
	}
}

func TestWhatIsNoAddressGetsNoMail(t *testing.T) {
	for _, to := range []string{
		"", "alice", "alice@example.org\r\nBcc: eve@example.net", "alice@example.org, eve@example.net", "Alice <alice@example.org>",
		"<alice@example.org>", "alice@example.org ", "a\x00@example.org", "alice@example.org> SIZE=1",
	} {
		if all := written(t, notify.Message{To: []string{to}, What: notify.MFAOn}); len(all) != 0 {
			t.Errorf("%q: got a mail to %q", to, all[0].header.Get("To"))
		}
	}
}

func TestLinksLeadHere(t *testing.T) {
	for given, want := range map[string]string{
		"/login":                              origin + "/login",
		link:                                  link,
		"//evil.example":                      "",
		"https://auth.example.org.evil.test/": "",
		"https://auth.example.org@evil.test/": "",
		origin + "/x\nhttps://evil.example/":  "",
		"javascript:alert(1)":                 "",
	} {
		all := written(t, notify.Message{To: []string{"alice@example.org"}, What: notify.Reset, Link: given})
		if want == "" {
			if len(all) != 0 {
				t.Errorf("%q was mailed:\n%s", given, all[0].text)
			}
			continue
		}
		if len(all) != 1 || !strings.Contains(all[0].text, "\n"+want+"\n") {
			t.Errorf("%q: want a line %s in %v", given, want, all)
		}
	}
}

func TestAMessageOfNoKnownTextIsNotSent(t *testing.T) {
	if all := written(t, notify.Message{To: []string{"alice@example.org"}, What: "wat"}); len(all) != 0 {
		t.Errorf("got %v", all[0].header)
	}
}

func TestAnInvitationToNoNamedAccountNamesTheHost(t *testing.T) {
	all := written(t, notify.Message{To: []string{"alice@example.org"}, What: notify.Setup, Link: link, Values: map[string]any{"Account": ""}})
	if len(all) != 1 || all[0].subject != "You are invited to auth.example.org" {
		t.Errorf("got %v", all)
	}
}

func TestMessageIDsDiffer(t *testing.T) {
	m := notify.Message{To: []string{"alice@example.org"}, What: notify.MFAOn}
	all := written(t, m, m)
	if len(all) != 2 || all[0].header.Get("Message-ID") == all[1].header.Get("Message-ID") {
		t.Errorf("got %v", all)
	}
	if _, err := mail.ParseAddress(all[0].header.Get("Message-ID")); err != nil {
		t.Errorf("Message-ID: %v", err)
	}
}
