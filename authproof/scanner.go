package authproof

import (
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads one JSON object (RFC 8259) whose values are strings and whole
// numbers. encoding/json is not used: it takes member names in any case, the last
// of two equal members, and replaces broken UTF-8.
type scanner struct {
	rest []byte
}

var errJSON = errors.New("not a JSON object of strings and whole numbers")

// skip passes white space and then c, and reports whether c was there.
func (s *scanner) skip(c byte) bool {
	s.space()
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) space() {
	for len(s.rest) > 0 {
		switch s.rest[0] {
		case ' ', '\t', '\n', '\r':
			s.rest = s.rest[1:]
		default:
			return
		}
	}
}

func (s *scanner) open() error {
	if !s.skip('{') {
		return errJSON
	}
	return nil
}

// name reads a member's name and the colon after it.
func (s *scanner) name() ([]byte, error) {
	name, err := s.text()
	if err != nil || !s.skip(':') {
		return nil, errJSON
	}
	return name, nil
}

// next reads what stands after a value, and reports whether another member follows.
func (s *scanner) next() (bool, error) {
	switch {
	case s.skip(','):
		return true, nil
	case s.skip('}'):
		return false, nil
	}
	return false, errJSON
}

func (s *scanner) end() error {
	s.space()
	if len(s.rest) != 0 {
		return errors.New("text after the JSON object")
	}
	return nil
}

// integer reads a whole number, zero or more, without fraction or exponent.
func (s *scanner) integer() (int64, error) {
	s.space()
	n := 0
	for n < len(s.rest) && s.rest[n] >= '0' && s.rest[n] <= '9' {
		n++
	}
	digits := s.rest[:n]
	if n == 0 || n > 18 || n > 1 && digits[0] == '0' {
		return 0, errors.New("not a whole number")
	}
	s.rest = s.rest[n:] // next refuses the rest of 1.5 and 1e3
	return strconv.ParseInt(string(digits), 10, 64)
}

// text reads a string. What it returns shares memory with the input where the
// string has no escapes, and is UTF-8 only where the input is.
func (s *scanner) text() ([]byte, error) {
	if !s.skip('"') {
		return nil, errors.New("not a string")
	}
	for i, c := range s.rest {
		switch {
		case c == '"':
			out := s.rest[:i]
			s.rest = s.rest[i+1:]
			return out, nil
		case c == '\\':
			return s.escapedText(i)
		case c < ' ':
			return nil, errJSON
		}
	}
	return nil, errJSON
}

// escapedText reads a string whose first escape is at rest[start].
func (s *scanner) escapedText(start int) ([]byte, error) {
	out := append(make([]byte, 0, len(s.rest)), s.rest[:start]...)
	s.rest = s.rest[start:]
	for len(s.rest) > 0 {
		c := s.rest[0]
		s.rest = s.rest[1:]
		switch {
		case c == '"':
			return out, nil
		case c < ' ':
			return nil, errJSON
		case c != '\\':
			out = append(out, c)
		default:
			r, ok := s.escape()
			if !ok {
				return nil, errJSON
			}
			out = utf8.AppendRune(out, r)
		}
	}
	return nil, errJSON
}

// escape reads what follows a backslash. Half a surrogate pair is refused.
func (s *scanner) escape() (rune, bool) {
	if len(s.rest) == 0 {
		return 0, false
	}
	c := s.rest[0]
	s.rest = s.rest[1:]
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		return s.unicode()
	}
	return 0, false
}

func (s *scanner) unicode() (rune, bool) {
	r, ok := s.fourHex()
	if !ok || !utf16.IsSurrogate(r) {
		return r, ok
	}
	if len(s.rest) < 2 || s.rest[0] != '\\' || s.rest[1] != 'u' {
		return 0, false
	}
	s.rest = s.rest[2:]
	low, ok := s.fourHex()
	if !ok {
		return 0, false
	}
	r = utf16.DecodeRune(r, low)
	return r, r != utf8.RuneError
}

func (s *scanner) fourHex() (rune, bool) {
	if len(s.rest) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range s.rest[:4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	s.rest = s.rest[4:]
	return r, true
}
