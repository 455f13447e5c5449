package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTableFitsATerminalAndIsHarmlessToIt(t *testing.T) {
	tab := table{heads: []string{"ID", "NAME", "TEXT"}}
	tab.add("usr_abcdefghijklmnopqrstuvwxyz", strings.Repeat("ä", 70), strings.Repeat("x", 90))
	tab.add("usr_b", "\x1b[2J\u202eevil", "short")
	text := tab.String()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > tableWidth {
			t.Errorf("a line of %d columns, want %d at most: %q", n, tableWidth, line)
		}
	}
	if strings.ContainsAny(text, "\x1b\u202e") {
		t.Errorf("a terminal would obey %q", text)
	}
	tab.wrap = true
	whole := tab.String()
	if got := strings.Count(whole, "ä"); got != 70 || strings.Contains(whole, "…") {
		t.Errorf("got\n%s\nwant all of the text, below where it does not fit", whole)
	}
	for line := range strings.Lines(whole) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > tableWidth {
			t.Errorf("a wrapped line of %d columns, want %d at most: %q", n, tableWidth, line)
		}
	}
	if !strings.Contains(text, "usr_abcdefghijklmnopqrstuvwxyz  ") || !strings.Contains(text, "…") {
		t.Errorf("got\n%s\nwant whole ids and cut texts", text)
	}
}
