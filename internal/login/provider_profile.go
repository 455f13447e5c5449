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
	maxLocal  = 64  // bytes, before the @
	maxLabel  = 63  // bytes, RFC 1035, section 2.3.4
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
	if !isMailbox(p.Email) {
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

// isMailbox reports whether account could keep an address: a host name in its ASCII
// form behind the last @ (RFC 5321, section 4.1.2).
func isMailbox(address string) bool {
	at := strings.LastIndexByte(address, '@')
	if at < 1 || at > maxLocal || len(address) > maxEmail || !printable(address) {
		return false
	}
	for label := range strings.SplitSeq(strings.ToLower(address[at+1:]), ".") {
		if label == "" || len(label) > maxLabel || strings.Trim(label, "-") != label ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
