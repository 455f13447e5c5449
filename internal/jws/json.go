package jws

import (
	"encoding/json"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// maxDepth is how deep objects and lists may be nested; tokens need three.
	maxDepth = 8
	// maxMembers is how many members an object may have; tokens need about twenty.
	maxMembers = 64
)

// Object is a JSON object, each member of which is named once. The zero value has none.
type Object struct{ members []member }

type member struct {
	name string
	raw  string // valid JSON without space around it
}

// ParseObject reads a JSON object (RFC 8259), and returns false where it is none or two
// parsers could read it differently: a member named twice at any depth, text that is
// not UTF-8, half of a surrogate pair (RFC 8259, sections 4 and 8; RFC 7515, section
// 10.12). It goes over the text once: encoding/json would need three rounds for the
// same, which take as long as verifying a signature.
func ParseObject(text string) (Object, bool) {
	if !utf8.ValidString(text) {
		return Object{}, false
	}
	s := scanner{text: text}
	s.space()
	if s.next() != '{' {
		return Object{}, false
	}
	members, ok := s.object(make([]member, 0, 16), maxDepth)
	s.space()
	return Object{members}, ok && s.at == len(text)
}

// Has reports whether there is such a member.
func (o Object) Has(name string) bool { _, ok := o.raw(name); return ok }

// Names returns the names of all members.
func (o Object) Names() []string {
	all := make([]string, len(o.members))
	for i, m := range o.members {
		all[i] = m.name
	}
	return all
}

func (o Object) raw(name string) (string, bool) {
	for _, m := range o.members {
		if m.name == name {
			return m.raw, true
		}
	}
	return "", false
}

// scanner goes over JSON once. Its methods return false where the text is wrong.
type scanner struct {
	text string
	at   int
}

// next returns the byte that is next, 0 at the end.
func (s *scanner) next() byte {
	if s.at == len(s.text) {
		return 0
	}
	return s.text[s.at]
}

func (s *scanner) take(b byte) bool {
	if s.next() != b {
		return false
	}
	s.at++
	return true
}

func (s *scanner) space() {
	for s.at < len(s.text) && strings.IndexByte(" \t\r\n", s.text[s.at]) >= 0 {
		s.at++
	}
}

// value passes over a value and returns it. depth is how many levels it may have.
func (s *scanner) value(depth int) (raw string, ok bool) {
	start := s.at
	switch b := s.next(); {
	case b == '{':
		var few [8]member
		_, ok = s.object(few[:0], depth)
	case b == '[':
		ok = s.list(depth, nil)
	case b == '"':
		_, ok = s.quoted()
	case b == '-' || isDigit(b):
		ok = s.number()
	default:
		for _, word := range [...]string{"true", "false", "null"} {
			if strings.HasPrefix(s.text[s.at:], word) {
				s.at += len(word)
				ok = true
			}
		}
	}
	return s.text[start:s.at], ok
}

// object appends the members of the object that is next to those that are given.
func (s *scanner) object(to []member, depth int) ([]member, bool) {
	if s.at++; depth == 0 {
		return nil, false
	}
	if s.space(); s.take('}') {
		return to, true
	}
	for len(to) < maxMembers {
		name, ok := s.quoted()
		if !ok || (Object{to}).Has(name) {
			return nil, false
		}
		if s.space(); !s.take(':') {
			return nil, false
		}
		s.space()
		raw, ok := s.value(depth - 1)
		if !ok {
			return nil, false
		}
		to = append(to, member{name, raw})
		if s.space(); s.take('}') {
			return to, true
		}
		if !s.take(',') {
			return nil, false
		}
		s.space()
	}
	return nil, false
}

// list passes over the list that is next, and gives each element to visit if it is not nil.
func (s *scanner) list(depth int, visit func(raw string)) bool {
	if s.at++; depth == 0 {
		return false
	}
	if s.space(); s.take(']') {
		return true
	}
	for {
		raw, ok := s.value(depth - 1)
		if !ok {
			return false
		}
		if visit != nil {
			visit(raw)
		}
		if s.space(); s.take(']') {
			return true
		}
		if !s.take(',') {
			return false
		}
		s.space()
	}
}

// quoted passes over a string and returns what it says.
func (s *scanner) quoted() (string, bool) {
	if !s.take('"') {
		return "", false
	}
	start, escaped := s.at, false
	for s.at < len(s.text) {
		switch b := s.text[s.at]; {
		case b == '"':
			s.at++
			return said(s.text[start-1:s.at], escaped)
		case b == '\\':
			escaped = true
			if !s.escape() {
				return "", false
			}
		case b < ' ':
			return "", false
		default:
			s.at++
		}
	}
	return "", false
}

// said returns what a string in quotes says.
func said(quoted string, escaped bool) (string, bool) {
	if !escaped {
		return quoted[1 : len(quoted)-1], true
	}
	var text string
	err := json.Unmarshal([]byte(quoted), &text)
	return text, err == nil
}

// escape passes over an escape sequence. Half of a surrogate pair is wrong: what
// parsers make of it differs (RFC 8259, section 8.2).
func (s *scanner) escape() bool {
	s.at++
	b := s.next()
	s.at = min(s.at+1, len(s.text))
	if b != 'u' {
		return b != 0 && strings.IndexByte(`"\/bfnrt`, b) >= 0
	}
	r, ok := s.hex()
	if !ok || !utf16.IsSurrogate(r) {
		return ok
	}
	if !s.take('\\') || !s.take('u') {
		return false
	}
	second, ok := s.hex()
	return ok && utf16.DecodeRune(r, second) != utf8.RuneError
}

// hex passes over four hexadecimal digits.
func (s *scanner) hex() (r rune, ok bool) {
	if len(s.text)-s.at < 4 {
		return 0, false
	}
	for _, b := range []byte(s.text[s.at : s.at+4]) {
		digit := strings.IndexByte("0123456789abcdef", b|0x20)
		if digit < 0 || isDigit(b|0x20) && !isDigit(b) {
			return 0, false
		}
		r = r<<4 | rune(digit) //nolint:gosec // it is less than 16
	}
	s.at += 4
	return r, true
}

// number passes over a number (RFC 8259, section 6).
func (s *scanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		_ = s.take('+') || s.take('-')
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.at
	for isDigit(s.next()) {
		s.at++
	}
	return s.at > start
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }
