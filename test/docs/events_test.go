package docs_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	recorded = regexp.MustCompile(`\bAction:\s+"([a-z_]+\.[a-z_.]+)"`)
	logged   = regexp.MustCompile(`"(authority\.[A-Za-z._]+)"`)
	event    = regexp.MustCompile("(?m)^\\| (`[a-z_]+\\.[^|]*) \\|")
	inQuotes = regexp.MustCompile("`([^`]+)`")
)

// TestEventsOfTheAuthorityAreThoseOfTheirPage compares what the authority records and
// logs with the rows of the tables.
func TestEventsOfTheAuthorityAreThoseOfTheirPage(t *testing.T) {
	made := map[string]bool{}
	for _, file := range files(t, "internal/token/*.go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text := readPage(t, file)
		for _, m := range recorded.FindAllStringSubmatch(text, -1) {
			made[m[1]] = true
		}
		if name := filepath.Base(file); name == "metrics.go" {
			for _, m := range logged.FindAllStringSubmatch(text, -1) {
				made[m[1]] = true
			}
		}
	}
	told := map[string]bool{}
	for _, row := range event.FindAllStringSubmatch(readPage(t, "docs/reference/events.md"), -1) {
		for _, name := range inQuotes.FindAllStringSubmatch(row[1], -1) {
			told[name[1]] = true
		}
	}
	for name := range made {
		if !told[name] {
			t.Errorf("docs/reference/events.md does not tell of %s", name)
		}
	}
	for name := range told {
		if !made[name] {
			t.Errorf("docs/reference/events.md tells of %s, which nothing makes", name)
		}
	}
	if len(made) < 15 {
		t.Errorf("only %d events were found", len(made))
	}
}
