package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// files returns the repository's files of a kind, as git knows them, those that are
// not committed yet included.
func files(t *testing.T, pattern string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "-co", "--exclude-standard", "--", pattern).Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	all := strings.Fields(string(out))
	all = slices.DeleteFunc(all, func(f string) bool { _, err := os.Stat(filepath.Join(root, f)); return err != nil })
	if len(all) == 0 {
		t.Fatalf("no files %s", pattern)
	}
	return all
}

var (
	span    = regexp.MustCompile("`[^`\\n]*`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	noWord  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors returns what a page's headings are called in links.
func anchors(page string) (all []string) {
	for _, m := range heading.FindAllStringSubmatch(prose(page), -1) {
		all = append(all, strings.ReplaceAll(noWord.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return all
}

func TestEveryRelativeLinkLeadsSomewhere(t *testing.T) {
	for _, page := range files(t, "*.md") {
		for _, m := range link.FindAllStringSubmatch(span.ReplaceAllString(prose(readPage(t, page)), ""), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s: %s leads nowhere", page, m[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(readPage(t, path)), anchor) {
				t.Errorf("%s: %s has no heading #%s", page, path, anchor)
			}
		}
	}
}

var (
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	testWord = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w+)`")
)

func TestEveryTestThatIsNamedExists(t *testing.T) {
	exists := map[string]bool{}
	for _, f := range files(t, "*_test.go") {
		for _, m := range testFunc.FindAllStringSubmatch(readPage(t, f), -1) {
			exists[m[1]] = true
		}
	}
	named := 0
	for _, page := range files(t, "*.md") {
		for _, m := range testWord.FindAllStringSubmatch(readPage(t, page), -1) {
			named++
			if !exists[m[1]] {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d tests are named: is docs/conformance.md read?", named)
	}
}

// requirement is a row of docs/conformance.md.
var requirement = regexp.MustCompile(`(?m)^\| ([AC]\d+) \| (met|partly|not yet) \|`)

func TestConformanceAnswersEveryRequirement(t *testing.T) {
	state := map[string]bool{}
	for _, m := range requirement.FindAllStringSubmatch(readPage(t, "docs/conformance.md"), -1) {
		state[m[1]] = true
	}
	for want := range strings.FieldsSeq("A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12 C13 C14 C15 C16") {
		if !state[want] {
			t.Errorf("no row says whether %s is met", want)
		}
	}
}
