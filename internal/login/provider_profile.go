package login

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
)

// Bounds of what is taken over from a provider.
const (
	maxSub    = 255 // bytes
	maxEmail  = 254 // bytes, RFC 5321, section 4.5.3.1.3
	maxName   = 200 // characters
	maxLocale = 35  // characters, RFC 5646, section 4.4.1
)

var errSub = errors.New("the subject is empty, too long or has control characters")

// cleaned returns the profile with what people need not have right made right: a
// name or a language is no reason to refuse a sign-in. The subject is.
func (p Profile) cleaned() (Profile, error) {
	if p.Sub == "" || len(p.Sub) > maxSub || !printable(p.Sub) {
		return Profile{}, errSub
	}
	if len(p.Email) > maxEmail || !printable(p.Email) || strings.Count(p.Email, "@") == 0 {
		p.Email = ""
	}
	p.EmailVerified = p.EmailVerified && p.Email != ""
	p.MailCode = p.MailCode && p.EmailVerified
	p.DisplayName = cleanName(p.DisplayName)
	tag, err := language.Parse(p.Locale)
	if p.Locale = tag.String(); err != nil || len(p.Locale) > maxLocale {
		p.Locale = ""
	}
	return p, nil
}

// cleanName drops what cannot be seen and what turns the text around it (UAX #9).
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, name)
	if r := []rune(strings.TrimSpace(name)); len(r) <= maxName {
		return string(r)
	}
	return strings.TrimSpace(string([]rune(strings.TrimSpace(name))[:maxName]))
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
