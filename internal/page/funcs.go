package page

import (
	"errors"
	"fmt"
	"html/template"
	"time"
	"unicode"
	"unicode/utf8"

	"signet/internal/locale"
)

// funcs are what templates may call:
//
//	t ID NAME VALUE ...   the text, in the page's language
//	n ID COUNT ...        the text for a number of things
//	ago TIME              a <time> that says it in words, with the exact time as its title
//	date TIME             the exact time, in UTC
//	cap ID                the text, with a capital at its begin
//	plain STRING          what a person wrote, with what could deceive the eye made visible
//	asset NAME            the address of a style or script
//	dict NAME VALUE ...   a map, for parts
func (s *Site) funcs(texts *locale.Texts) template.FuncMap {
	return template.FuncMap{
		"t": texts.T, "n": texts.N, "cap": func(id string) string { return capital(texts.T(id)) }, "plain": locale.Plain, "asset": s.assets.path, "dict": dict,
		"ago": func(at time.Time) template.HTML { return s.ago(texts, at) },
		"date": func(at time.Time) string {
			if at.IsZero() {
				return texts.T("time.never")
			}
			return at.UTC().Format("2006-01-02 15:04 UTC")
		},
	}
}

// capital begins a text as a heading does.
func capital(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[size:]
}

func (s *Site) ago(texts *locale.Texts, at time.Time) template.HTML {
	words := template.HTMLEscapeString(texts.Ago(at, s.now()))
	if at.IsZero() {
		return template.HTML(words) //nolint:gosec // escaped above
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, //nolint:gosec // escaped above, and times
		at.UTC().Format(time.RFC3339), at.UTC().Format("2006-01-02 15:04:05 UTC"), words))
}

var errDict = errors.New("dict takes pairs of a name and a value")

func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errDict
	}
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, errDict
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}
