package notify

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"signet/internal/locale"
)

// maxValue bounds what a name may add to a mail, in characters.
const maxValue = 200

// compose makes the mail of a letter once: every attempt sends the same bytes, so that
// a reader who gets two knows it by the Message-ID. Its errors wrap [ErrRefused].
func (p *Post) compose(l *letter) error {
	if l.mail != nil {
		return nil
	}
	subject, text, err := p.words(l.message)
	if err != nil {
		return err
	}
	m := gomail.NewMsg(gomail.WithCharset(gomail.CharsetUTF8), gomail.WithEncoding(gomail.EncodingQP), gomail.WithNoDefaultUserAgent())
	if err := m.From(p.o.From); err != nil {
		return fmt.Errorf("%w: account.mail.from is no mailbox", ErrRefused)
	}
	if to, err := bareAddress(l.to); err != nil || to != l.to {
		return fmt.Errorf("%w: not an address", ErrRefused)
	}
	if err := m.To(l.to); err != nil {
		return fmt.Errorf("%w: not an address", ErrRefused)
	}
	m.Subject(subject)
	m.SetDateWithValue(p.o.Now())
	m.SetMessageIDWithValue(messageID(p.o.From))
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834, section 5
	m.SetBodyString(gomail.TypeTextPlain, text)
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return fmt.Errorf("%w: composing: %w", ErrRefused, err)
	}
	l.mail = b.Bytes()
	return nil
}

// messageID is a new one in the domain of the sender.
func messageID(from string) string {
	address, _ := bareAddress(from)
	return rand.Text() + address[max(0, strings.LastIndex(address, "@")):]
}

// words returns subject and text. What people wrote is made plain first: neither may
// it begin a header, nor hide what the mail says.
func (p *Post) words(m Message) (subject, text string, err error) {
	if !slices.Contains(All(), m.What) {
		return "", "", fmt.Errorf("%w: there is no such text", ErrRefused)
	}
	link, err := p.link(m.Link)
	if err != nil {
		return "", "", err
	}
	texts := p.texts.Choose(m.Locale)
	_, host, _ := strings.Cut(p.o.Origin, "://")
	values := []any{"Host", host, "Origin", p.o.Origin, "Account", host} // the system account has no name
	for name, v := range m.Values {
		if v != "" || name != "Account" {
			values = append(values, name, plain(v))
		}
	}
	parts := []string{texts.T("mail."+m.What+".text", values...)}
	if link != "" {
		parts = append(parts, link)
	}
	if slices.Contains(changes(), m.What) {
		parts = append(parts, texts.T("mail.notYou", values...))
	}
	parts = append(parts, "-- \n"+texts.T("mail.signature", values...))
	for i := range parts {
		parts[i] = strings.Trim(parts[i], "\n")
	}
	return texts.T("mail."+m.What+".subject", values...), strings.Join(parts, "\n\n") + "\n", nil
}

// link returns a link here: a mail of ours leads nowhere else.
func (p *Post) link(link string) (string, error) {
	if strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "//") {
		link = p.o.Origin + link
	}
	if link != "" && (!strings.HasPrefix(link, p.o.Origin+"/") || strings.ContainsAny(link, " <>\"\\") || locale.Plain(link) != link) {
		return "", fmt.Errorf("%w: the link leads elsewhere", ErrRefused)
	}
	return link, nil
}

func plain(v any) string {
	if t, ok := v.(time.Time); ok {
		return t.UTC().Format("2006-01-02 15:04 UTC")
	}
	s := fmt.Sprint(v)
	if runes := []rune(s); len(runes) > maxValue {
		s = string(runes[:maxValue]) + "…"
	}
	return locale.Plain(s)
}

// bareAddress returns the address of a mailbox, without the name.
func bareAddress(mailbox string) (string, error) {
	a, err := mail.ParseAddress(mailbox)
	if err != nil || locale.Plain(a.Address) != a.Address {
		return "", fmt.Errorf("%w: not an address", ErrRefused)
	}
	return a.Address, nil
}
