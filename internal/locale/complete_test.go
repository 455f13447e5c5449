package locale_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
)

// complete are the areas whose texts are there in every language.
var complete = [...]string{"time", "page", "mail", "login", "console"}

func TestCompleteAreasSayTheSameInEveryLanguage(t *testing.T) {
	others := load(t).All()[1:]
	if len(others) < 2 {
		t.Fatalf("got %d languages beside English, want German and French at least", len(others))
	}
	for _, area := range complete {
		english := texts(t, area, "en")
		for _, other := range others {
			language := other.Tag.String()
			theirs := texts(t, area, language)
			for _, id := range slices.Sorted(maps.Keys(english)) {
				text, there := theirs[id]
				if !there {
					t.Errorf("%s.%s.yaml lacks %s", area, language, id)
					continue
				}
				if got, want := names(text), names(english[id]); !slices.Equal(got, want) {
					t.Errorf("%s in %s: got names %v, want %v", id, language, got, want)
				}
			}
			for id := range theirs {
				if _, there := english[id]; !there {
					t.Errorf("%s.%s.yaml has %s, which English does not", area, language, id)
				}
			}
		}
	}
}

// texts reads a file; plural forms are texts of ids of their own.
func texts(t *testing.T, area, language string) map[string]string {
	t.Helper()
	file := fmt.Sprintf("texts/%s.%s.yaml", area, language)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var read map[string]any
	if err := yaml.Unmarshal(raw, &read); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	all := map[string]string{}
	for id, v := range read {
		forms, plural := v.(map[string]any)
		if !plural {
			forms = map[string]any{"": v}
		}
		for form, text := range forms {
			if form != "" {
				form = "/" + form
			}
			all[id+form] = fmt.Sprint(text)
			if all[id+form] == "" {
				t.Errorf("%s: %s is empty", file, id+form)
			}
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s has no texts", file)
	}
	return all
}

var placeholder = regexp.MustCompile(`{{\s*\.(\w+)`)

// names returns what stands in {{.Name}} in a text, each once.
func names(text string) []string {
	all := map[string]bool{}
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		all[m[1]] = true
	}
	return slices.Sorted(maps.Keys(all))
}
