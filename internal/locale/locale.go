// Package locale speaks to people in their language: it chooses one that is there
// and has the texts.
//
// Texts are the files texts/AREA.LANGUAGE.yaml: one line a text, "id: words", or
// its plural forms (CLDR: one, other, ...) below the id. A further language is a
// further file; what it lacks is said in English.
package locale

import (
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

//go:embed texts/*.yaml
var embedded embed.FS

// Bundle has the texts of all languages. It is safe for concurrent use.
type Bundle struct {
	tags    []language.Tag // English first
	matcher language.Matcher
	texts   map[language.Tag]*Texts
}

// Load returns the texts that come with this program, and those in further, where
// files of the same names win; further may be nil.
func Load(further fs.FS) (*Bundle, error) {
	all := i18n.NewBundle(language.English)
	all.RegisterUnmarshalFunc("yaml", yaml.Unmarshal)
	if err := add(all, embedded); err != nil {
		return nil, err
	}
	if further != nil {
		if err := add(all, further); err != nil {
			return nil, err
		}
	}
	b := &Bundle{tags: all.LanguageTags(), texts: map[language.Tag]*Texts{}}
	b.matcher = language.NewMatcher(b.tags)
	for _, tag := range b.tags {
		b.texts[tag] = &Texts{Tag: tag, localizer: i18n.NewLocalizer(all, tag.String(), language.English.String())}
	}
	return b, nil
}

func add(all *i18n.Bundle, files fs.FS) error {
	names, err := fs.Glob(files, "texts/*.yaml")
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		if _, err := all.ParseMessageFileBytes(text, path.Base(name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Choose returns the texts of the first wish that can be met: each is a language tag
// or an Accept-Language list (RFC 9110, section 12.5.4), the strongest wish first.
// Where none can be met it is English.
func (b *Bundle) Choose(wishes ...string) *Texts {
	for _, wish := range wishes {
		tags, _, err := language.ParseAcceptLanguage(wish)
		if err != nil || len(tags) == 0 {
			continue
		}
		if _, i, confidence := b.matcher.Match(tags...); confidence != language.No {
			return b.texts[b.tags[i]]
		}
	}
	return b.texts[language.English]
}

// Known returns the tag of the language that a tag stands for here, and "" where none does.
func (b *Bundle) Known(tag string) string {
	tags, _, err := language.ParseAcceptLanguage(tag)
	if err != nil || len(tags) == 0 {
		return ""
	}
	_, i, confidence := b.matcher.Match(tags...)
	if confidence == language.No {
		return ""
	}
	return b.tags[i].String()
}

// All returns the texts of every language, English first and the others by tag.
func (b *Bundle) All() []*Texts {
	var all []*Texts
	for _, t := range b.texts {
		all = append(all, t)
	}
	slices.SortFunc(all, func(x, y *Texts) int { return strings.Compare(x.order(), y.order()) })
	return all
}

// Texts are the words of one language.
type Texts struct {
	Tag       language.Tag
	localizer *i18n.Localizer
}

func (t *Texts) order() string {
	if t.Tag == language.English {
		return ""
	}
	return t.Tag.String()
}

// Name returns what the language calls itself, such as "Deutsch".
func (t *Texts) Name() string { return display.Self.Name(t.Tag) }

// T returns the text of that id. Values are pairs of a name and what stands for
// {{.Name}} in the text. A text that is nowhere is its id, and logged: the tests
// find it before users do.
func (t *Texts) T(id string, values ...any) string { return t.say(id, nil, values) }

// N is T for a number of things, which is {{.Count}} in the text and chooses its
// plural form.
func (t *Texts) N(id string, n int, values ...any) string {
	return t.say(id, n, append(values, "Count", n))
}

func (t *Texts) say(id string, count any, values []any) string {
	data := map[string]any{}
	for i := 0; i+1 < len(values); i += 2 {
		if name, ok := values[i].(string); ok {
			data[name] = values[i+1]
		}
	}
	s, err := t.localizer.Localize(&i18n.LocalizeConfig{MessageID: id, TemplateData: data, PluralCount: count})
	if err != nil && s == "" {
		slog.Warn("text is missing", "id", id, "language", t.Tag.String(), "error", err)
		return id
	}
	return s
}
