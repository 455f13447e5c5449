// Package docs_test executes and checks what the documentation says.
package docs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// root is the repository's directory, from this package's.
const root = "../.."

// fence is a fenced block of a Markdown page.
type fence struct {
	info string // what stands behind the first fence
	text string
	line int // of its first line of text
}

// readPage returns a page's text.
func readPage(t *testing.T, page string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fencesOf returns the fenced blocks of a page in order.
func fencesOf(page string) (all []fence) {
	var open *fence
	n := 0
	for line := range strings.Lines(page) {
		n++
		info, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &fence{info: info, line: n + 1}
		case isFence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	return all
}

// prose returns a page without its fenced and indented blocks.
func prose(page string) string {
	var b strings.Builder
	fenced := false
	for line := range strings.Lines(page) {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			fenced = !fenced
		case !fenced && !strings.HasPrefix(line, "    "):
			b.WriteString(line)
		}
	}
	return b.String()
}
