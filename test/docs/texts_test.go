package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"signet/internal/console"
	"signet/internal/notify"
)

// words are the strings of the program, with the place of one that has them.
type words struct {
	named map[string]string // all of them: an id may stand in a map, or go to a part of a page
	said  map[string]string // those that are said: {{t "id"}}, texts.N("id", n), problem.link
}

func TestPagesAndMailsSayOnlyTextsThatAreThere(t *testing.T) {
	ids, w := englishIDs(t), programWords(t)
	for id, place := range w.said {
		if !ids[id] {
			t.Errorf("%s says %s, which no English text has", place, id)
		}
	}
}

func TestEveryTextIsSaidSomewhere(t *testing.T) {
	w := programWords(t)
	for id := range englishIDs(t) {
		if w.named[id] == "" {
			t.Errorf("no page, mail or program says %s", id)
		}
	}
}

// englishIDs are those of all texts: English is never without one.
func englishIDs(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "internal/locale/texts/*.en.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d English files (%v)", len(files), err)
	}
	ids := map[string]bool{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]any
		if err := yaml.Unmarshal(raw, &texts); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for id := range texts {
			if ids[id] {
				t.Errorf("%s has %s, as another file does", file, id)
			}
			ids[id] = true
		}
	}
	return ids
}

func programWords(t *testing.T) words {
	t.Helper()
	w := words{named: map[string]string{}, said: map[string]string{}}
	for _, room := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, room), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			switch {
			case strings.HasSuffix(path, ".html"):
				return w.addTemplate(path)
			case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
				return w.addGo(path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, what := range notify.All() { // notify makes their ids of two parts
		for _, id := range []string{"mail." + what + ".subject", "mail." + what + ".text"} {
			w.named[id], w.said[id] = "notify.All", "notify.All"
		}
	}
	for _, id := range console.Texts() { // so does the console
		w.named[id], w.said[id] = "console.Texts", "console.Texts"
	}
	if len(w.said) < 200 {
		t.Fatalf("found only %d texts that are said: has the way to say them changed?", len(w.said))
	}
	return w
}

var (
	action       = regexp.MustCompile(`(?s){{.*?}}`)
	quoted       = regexp.MustCompile(`"([^"]*)"`)
	saidInAction = regexp.MustCompile(`(?:^|[\s({=-])[tn] "([^"]*)"`)
)

func (w words) addTemplate(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, a := range action.FindAllString(string(text), -1) {
		for _, m := range quoted.FindAllStringSubmatch(a, -1) {
			w.named[m[1]] = path
		}
		for _, m := range saidInAction.FindAllStringSubmatch(a, -1) {
			w.said[m[1]] = path
		}
	}
	return nil
}

// idInTable is an id that a Go file keeps to say later: these areas have no other use.
var idInTable = regexp.MustCompile(`^(?:activity|done|nav|problem|remove|sent)\.[A-Za-z.]+$`)

func (w words) addGo(path string) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && len(call.Args) > 0 && says(call.Fun) {
			if id, ok := literal(call.Args[0]); ok {
				w.said[id] = path
			}
		}
		if s, ok := literal(n); ok {
			w.named[s] = path
			if idInTable.MatchString(s) {
				w.said[s] = path
			}
		}
		return true
	})
	return nil
}

// says reports whether a function is the T or N of [signet/internal/locale.Texts].
func says(fun ast.Expr) bool {
	method, ok := fun.(*ast.SelectorExpr)
	return ok && slices.Contains([]string{"T", "N", "t"}, method.Sel.Name)
}

func literal(n ast.Node) (string, bool) {
	l, ok := n.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(l.Value)
	return s, err == nil
}
