package policyproto

import (
	"strings"
)

// maxText bounds an answer's text: Postfix takes lines of 2,048 bytes, and a header
// line may have 998 characters (RFC 5322, section 2.1.1).
const maxText = 900

// Action is an answer to a request. Only the functions here make one, so that no
// answer can be OK, which would end the restriction list and open the relay, or
// hold a line break. The zero Action is Dunno.
type Action struct {
	verb, text string
}

// Dunno has no opinion: Postfix goes on with the next restriction.
func Dunno() Action { return Action{} }

// Reject refuses the mail for good, with text in the SMTP reply.
func Reject(text string) Action { return Action{"REJECT", printable(text)} }

// Defer refuses the mail for now, with text in the SMTP reply.
func Defer(text string) Action { return Action{"DEFER", printable(text)} }

// Hold accepts the mail into the hold queue, where it waits for a person. The text
// is logged by Postfix.
func Hold(text string) Action { return Action{"HOLD", printable(text)} }

// Prepend puts a header line "Name: value" before the mail's own. Postfix ignores it
// at END-OF-MESSAGE, and would ignore one that is no header: then Prepend is Dunno.
func Prepend(header string) Action {
	name, value, ok := strings.Cut(header, ":")
	if !ok || name == "" || strings.ContainsFunc(name, notInName) || strings.TrimSpace(value) == "" {
		return Dunno()
	}
	return Action{"PREPEND", printable(header)}
}

// notInName tells the characters that no header name has (RFC 5322, section 2.2).
func notInName(r rune) bool { return r <= ' ' || r > '~' }

// printable makes s one line of printable ASCII: what SMTP replies and headers can
// hold, and Postfix takes (it discards an answer that is not UTF-8).
func printable(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s))
	return s[:min(len(s), maxText)]
}

// Verb returns the first word of the action: DUNNO, REJECT, DEFER, HOLD or PREPEND.
func (a Action) Verb() string {
	if a.verb == "" {
		return "DUNNO"
	}
	return a.verb
}

// String returns the action as Postfix documents it in access(5), such as
// "REJECT Key revoked".
func (a Action) String() string {
	if a.text == "" {
		return a.Verb()
	}
	return a.verb + " " + a.text
}

// AppendTo appends the answer as it goes to Postfix.
func (a Action) AppendTo(b []byte) []byte {
	b = append(append(b, "action="...), a.Verb()...)
	if a.text != "" {
		b = append(append(b, ' '), a.text...)
	}
	return append(b, "\n\n"...)
}
