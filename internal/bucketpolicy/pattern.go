package bucketpolicy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A pattern is text in which * stands for any text and ? for any one character.
type pattern []piece

// piece is a character, a wildcard or a variable.
type piece struct {
	char     rune
	wild     byte   // '*' or '?'; 0: none
	variable string // name of a condition key in lower case; empty: none
}

// variables are the condition keys that ${...} may name: those that say who calls.
var variables = []string{"aws:username", "aws:userid", "aws:principalarn"}

// literalPattern reads a pattern in which there are no variables.
func literalPattern(text string) pattern {
	p := make(pattern, 0, len(text))
	for _, r := range text {
		p = append(p, plain(r))
	}
	return p
}

func plain(r rune) piece {
	if r == '*' || r == '?' {
		return piece{wild: byte(r)}
	}
	return piece{char: r}
}

// pattern reads a pattern with the variables of the policy's version.
func (s scope) pattern(text string) (pattern, error) {
	if !strings.Contains(text, "${") {
		p := literalPattern(text)
		return p, s.spend(p)
	}
	if !s.variables {
		return nil, errors.New("variables need Version " + version2012)
	}
	var p pattern
	for text != "" {
		before, after, found := strings.Cut(text, "${")
		p = append(p, literalPattern(before)...)
		if !found {
			break
		}
		name, rest, closed := strings.Cut(after, "}")
		switch lower := strings.ToLower(name); {
		case !closed:
			return nil, errors.New("a variable has no end")
		case name == "*" || name == "?" || name == "$":
			p = append(p, piece{char: rune(name[0])})
		case slices.Contains(variables, lower):
			p = append(p, piece{variable: lower})
		default:
			return nil, fmt.Errorf("the variable ${%s} is not supported", name)
		}
		text = rest
	}
	return p, s.spend(p)
}

// resolve puts the values of variables in their places, as text in which * is a star. A
// pattern whose variable has no value matches nothing.
func (p pattern) resolve(values map[string][]string) (pattern, bool) {
	if !slices.ContainsFunc(p, func(c piece) bool { return c.variable != "" }) {
		return p, true
	}
	var out pattern
	for _, c := range p {
		if c.variable == "" {
			out = append(out, c)
			continue
		}
		v := values[c.variable]
		if len(v) == 0 {
			return nil, false
		}
		for _, r := range v[0] {
			out = append(out, piece{char: r})
		}
	}
	return out, true
}

// text is a pattern without variables, as it was written.
func (p pattern) text() string {
	var b strings.Builder
	for _, c := range p {
		if c.wild != 0 {
			b.WriteByte(c.wild)
			continue
		}
		b.WriteRune(c.char)
	}
	return b.String()
}

// match reports whether the whole text fits.
func (p pattern) match(text string, values map[string][]string) bool {
	p, ok := p.resolve(values)
	return ok && p.fits(text)
}

// fits looks for the segments between the stars from left to right: what one has found
// need not be looked for again, so that no pattern makes it try all ways.
func (p pattern) fits(text string) bool {
	segments := p.segments()
	n, ok := segments[0].begins(text)
	if !ok {
		return false
	}
	text = text[n:]
	if len(segments) == 1 {
		return text == ""
	}
	last := len(segments) - 1
	for _, s := range segments[1:last] {
		if n, ok = s.find(text); !ok {
			return false
		}
		text = text[n:]
	}
	return segments[last].ends(text)
}

// segments are what stands between stars; one more than there are stars.
func (p pattern) segments() []pattern {
	var all []pattern
	from := 0
	for i, c := range p {
		if c.wild == '*' {
			all = append(all, p[from:i])
			from = i + 1
		}
	}
	return append(all, p[from:])
}

// begins reports whether text begins with a segment, and how many bytes of it do.
func (p pattern) begins(text string) (n int, ok bool) {
	for _, c := range p {
		r, size := utf8.DecodeRuneInString(text[n:])
		if size == 0 || c.wild == 0 && c.char != r {
			return 0, false
		}
		n += size
	}
	return n, true
}

// find returns where the first place of a segment ends.
func (p pattern) find(text string) (end int, ok bool) {
	if !p.loose() {
		s := p.text()
		i := strings.Index(text, s)
		return i + len(s), i >= 0
	}
	for i := range text {
		if n, ok := p.begins(text[i:]); ok {
			return i + n, true
		}
	}
	return 0, false
}

// ends reports whether text ends with a segment.
func (p pattern) ends(text string) bool {
	from := len(text)
	for range p {
		_, size := utf8.DecodeLastRuneInString(text[:from])
		if size == 0 {
			return false
		}
		from -= size
	}
	n, ok := p.begins(text[from:])
	return ok && n == len(text)-from
}

// loose reports whether a segment has a ?, so that it must be tried at each place.
func (p pattern) loose() bool {
	return slices.ContainsFunc(p, func(c piece) bool { return c.wild == '?' })
}

// maxLoose is how many characters a policy may have in segments with ? between stars: all
// of them are compared at each place of a text.
const maxLoose = 512

// spend counts what looking for a pattern's segments takes.
func (s scope) spend(p pattern) error {
	segments := p.segments()
	for i, one := range segments {
		if i > 0 && i < len(segments)-1 && one.loose() {
			*s.spent += len(one)
		}
	}
	if *s.spent > maxLoose {
		return fmt.Errorf("more than %d characters stand in patterns with a ? between two *", maxLoose)
	}
	return nil
}
