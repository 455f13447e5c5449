package bucketpolicy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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
		return literalPattern(text), nil
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
	return p, nil
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
	return ok && p.fits([]rune(text))
}

// fits goes on behind the last star where it must: what stars before it took may stay.
func (p pattern) fits(text []rune) bool {
	at, star, from := 0, -1, 0
	for i := 0; i < len(text); {
		switch {
		case at < len(p) && p[at].wild == '*':
			star, from = at, i
			at++
		case at < len(p) && (p[at].wild == '?' || p[at].wild == 0 && p[at].char == text[i]):
			at++
			i++
		case star >= 0:
			from++
			at, i = star+1, from
		default:
			return false
		}
	}
	for at < len(p) && p[at].wild == '*' {
		at++
	}
	return at == len(p)
}
