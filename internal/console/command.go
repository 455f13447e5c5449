package console

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// command is the command line that does what a page does.
type command struct {
	words []string // signet, and what to do
	flags []string // "--name=value"
	args  []string // positional
}

func cli(words string) command { return command{words: strings.Fields("signet " + words)} }

func (c command) flag(name, value string) command {
	c.flags = append(slices.Clip(c.flags), "--"+name+"="+value)
	return c
}

func (c command) arg(values ...string) command {
	c.args = append(slices.Clip(c.args), values...)
	return c
}

// String returns one line for a shell, with quotes where they are needed.
func (c command) String() string {
	line := append([]string{}, c.words...)
	for _, f := range c.flags {
		name, value, _ := strings.Cut(f, "=")
		line = append(line, name+"="+quote(value))
	}
	for i, a := range c.args {
		if strings.HasPrefix(a, "-") && i == 0 {
			line = append(line, "--")
		}
		line = append(line, quote(a))
	}
	return strings.Join(line, " ")
}

const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+:,./-"

// quote returns s as one word of a POSIX shell. What the eye could be deceived by is
// written as octal bytes in dollar-single-quotes (POSIX.1-2024, section 2.2.4).
func quote(s string) string {
	switch {
	case s != "" && strings.Trim(s, safe) == "":
		return s
	case !strings.ContainsFunc(s, deceives):
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, r := range s {
		switch {
		case r == '\'' || r == '\\':
			b.WriteString(`\` + string(r))
		case deceives(r):
			for _, one := range []byte(string(r)) {
				fmt.Fprintf(&b, `\%03o`, one)
			}
		default:
			b.WriteRune(r)
		}
	}
	b.WriteString("'")
	return b.String()
}

// deceives reports what is not seen, or changes how other text is seen.
func deceives(r rune) bool { return !unicode.IsPrint(r) }
