package main

import (
	"fmt"
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
// which has what commands take, are cut.
func (t table) String() string {
	widths := t.widths()
	var b strings.Builder
	for _, row := range append([][]string{t.heads}, t.rows...) {
		line := make([]string, len(row))
		for i, cell := range row {
			cell = cut(cell, widths[i])
			line[i] = cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		}
		b.WriteString(strings.TrimRight(strings.Join(line, "  "), " ") + "\n")
	}
	return b.String()
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
	for ; total > tableWidth; total-- {
		widest := 1
		for i := range widths[1:] {
			if widths[i+1] > widths[widest] {
				widest = i + 1
			}
		}
		if widths[widest] <= 4 {
			break
		}
		widths[widest]--
	}
	return widths
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
