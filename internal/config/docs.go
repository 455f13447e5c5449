package config

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// WriteDocs writes the reference of every key in Markdown.
func WriteDocs(w io.Writer) error {
	c := Default()
	var b strings.Builder
	b.WriteString(docsHead)
	last := ""
	for _, l := range leaves(reflect.ValueOf(&c).Elem(), nil) {
		if l.path[0] != last {
			last = l.path[0]
			fmt.Fprintf(&b, "\n## %s\n\n| key | default | meaning |\n|---|---|---|\n", last)
		}
		writeKey(&b, l.key(), l)
		if l.value.Kind() == reflect.Map {
			item := newItem(l.value.Type().Elem())
			for _, inner := range leaves(item, []string{l.key() + "." + l.field.Tag.Get("item")}) {
				writeKey(&b, inner.key(), inner)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const docsHead = `# Configuration

One YAML file, given by ` + "`--config`" + ` or ` + "`SIGNET_CONFIG`" + `. Unknown keys are errors. Every key is also an
environment variable, ` + "`SIGNET_`" + ` and its path: ` + "`authroute.policy.listen`" + ` is
` + "`SIGNET_AUTHROUTE_POLICY_LISTEN`" + `, ` + "`server.trustedProxies`" + ` is ` + "`SIGNET_SERVER_TRUSTED_PROXIES`" + ` (lists with
commas). Secrets may stand in files: ` + "`SIGNET_STORE_URL_FILE=/run/secrets/store`" + `. The environment wins.

This page is printed by ` + "`signet config docs`" + `.
`

func writeKey(b *strings.Builder, key string, l leaf) {
	text := l.field.Tag.Get("doc")
	if one := l.field.Tag.Get("one"); one != "" && !strings.Contains(text, " or ") {
		text += " (" + strings.ReplaceAll(one, ",", ", ") + ")"
	}
	if l.secret() {
		text += ". Secret"
	}
	fmt.Fprintf(b, "| `%s` | %s | %s |\n", key, shown(l.value), text)
}

// shown writes a default. That of a secret is none of anybody's.
func shown(v reflect.Value) string {
	if s, ok := reflect.TypeAssert[Secret](v); ok {
		if s == "" {
			return ""
		}
		return "`" + s.Reveal() + "`"
	}
	if (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0 {
		return ""
	}
	if text := fmt.Sprint(v.Interface()); text != "" {
		return "`" + text + "`"
	}
	return ""
}

// WriteEffective writes the configuration as YAML, secrets hidden, and behind each
// value that is not the default the word "set".
func (c Config) WriteEffective(w io.Writer) error {
	d := Default()
	defaults := leaves(reflect.ValueOf(&d).Elem(), nil)
	var b strings.Builder
	var group []string
	for i, l := range leaves(reflect.ValueOf(&c).Elem(), nil) {
		inner := l.path[:len(l.path)-1]
		for depth := range inner {
			if depth >= len(group) || !slices.Equal(group[:depth+1], inner[:depth+1]) {
				fmt.Fprintf(&b, "%s%s:\n", strings.Repeat("  ", depth), inner[depth])
			}
		}
		group = inner
		mark := ""
		if flow(l.value) != flow(defaults[i].value) {
			mark = "  # set"
		}
		fmt.Fprintf(&b, "%s%s: %s%s\n", strings.Repeat("  ", len(inner)), l.path[len(inner)], flow(l.value), mark)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// flow writes a value in YAML's flow form.
func flow(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = flow(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Map:
		var items []string
		for k, group := range v.Seq2() {
			var keys []string
			for _, l := range leaves(group, nil) {
				keys = append(keys, l.key()+": "+flow(l.value))
			}
			items = append(items, fmt.Sprintf("%s: {%s}", k, strings.Join(keys, ", ")))
		}
		slices.Sort(items)
		return "{" + strings.Join(items, ", ") + "}"
	case reflect.String:
		if s, ok := reflect.TypeAssert[fmt.Stringer](v); ok {
			return fmt.Sprintf("%q", s.String())
		}
		return fmt.Sprintf("%q", v.String())
	default:
		return fmt.Sprint(v.Interface())
	}
}
