package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// tableWidth is how many columns a terminal has at least.
const tableWidth = 80

// table is rows for people, in columns.
type table struct {
	heads []string
	rows  [][]string
	wrap  bool   // what does not fit goes on below, and is not cut
	none  string // what to say, and to do next, where there are no rows
}

// add adds a row. Cells are made harmless to a terminal.
func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = plain(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// list prints v as JSON where that was asked for, and else the table.
func (p printed) list(c *console, v any, t table) error {
	switch {
	case p.JSON:
		return p.print(c, v, "")
	case len(t.rows) == 0:
		return said(c, nil, "%s", t.none)
	}
	_, err := fmt.Fprint(c.out, t.String())
	return err
}

// String lays the table out, at most tableWidth wide: the widest columns but the first,
// which has what commands take, are cut or wrapped.
func (t table) String() string {
	widths := t.widths()
	var b strings.Builder
	for _, row := range append([][]string{t.heads}, t.rows...) {
		for _, cells := range t.lines(row, widths) {
			line := make([]string, len(cells))
			for i, cell := range cells {
				line[i] = cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			}
			b.WriteString(strings.TrimRight(strings.Join(line, "  "), " ") + "\n")
		}
	}
	return b.String()
}

// lines are the lines of a row: one, unless cells are wrapped.
func (t table) lines(row []string, widths []int) (lines [][]string) {
	for i, cell := range row {
		parts := []string{cut(cell, widths[i])}
		if t.wrap {
			parts = wrapped(cell, widths[i])
		}
		for n, part := range parts {
			if n == len(lines) {
				lines = append(lines, make([]string, len(row)))
			}
			lines[n][i] = part
		}
	}
	return lines
}

// wrapped cuts a text into parts that fit, after a space or an underscore where there is one.
func wrapped(s string, width int) (parts []string) {
	rest := []rune(s)
	for len(rest) > width {
		end := width
		for i := width; i > 0; i-- {
			if rest[i] == ' ' || rest[i-1] == ' ' || rest[i-1] == '_' {
				end = i
				break
			}
		}
		parts = append(parts, strings.TrimRight(string(rest[:end]), " "))
		rest = []rune(strings.TrimLeft(string(rest[end:]), " "))
	}
	return append(parts, string(rest))
}

func (t table) widths() []int {
	widths, total := make([]int, len(t.heads)), -2
	for i, head := range t.heads {
		widths[i] = len(head)
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		total += widths[i] + 2
	}
	for _, least := range [][]int{t.parts(), slices.Repeat([]int{4}, len(widths))} { // words are broken where nothing else helps
		for i := widest(widths, least); i > 0 && total > tableWidth; i = widest(widths, least) {
			widths[i]--
			total--
		}
	}
	return widths
}

// widest returns the widest column that is wider than its least; 0 for none, since the
// first one stays.
func widest(widths, least []int) (widest int) {
	for i := 1; i < len(widths); i++ {
		if widths[i] > least[i] && (widest == 0 || widths[i] > widths[widest]) {
			widest = i
		}
	}
	return widest
}

// parts are how long the longest parts of each column are that wrapping leaves whole; 4
// where nothing is wrapped.
func (t table) parts() []int {
	all := make([]int, len(t.heads))
	for i, head := range t.heads {
		all[i] = 4
		if !t.wrap {
			continue
		}
		all[i] = len(head)
		for _, row := range t.rows {
			for part := range strings.FieldsSeq(strings.ReplaceAll(row[i], "_", "_ ")) {
				all[i] = max(all[i], utf8.RuneCountInString(part))
			}
		}
	}
	return all
}

func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

// plain returns text that cannot move the cursor or turn the direction of writing.
func plain(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// when is a time in a table, to the minute.
func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04")
}
