package config

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// decoder walks the YAML tree beside the structs, so that every problem names its
// key, line and column and none quotes the text around it, which may be secret.
type decoder struct {
	file     string
	problems []error

	documented bool // signet config docs prints the keys
}

func decode(file string, text []byte, c *Config) []error {
	return (&decoder{file: file, documented: true}).decode(text, reflect.ValueOf(c).Elem())
}

func (d *decoder) decode(text []byte, v reflect.Value) []error {
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return []error{fmt.Errorf("%s: %s", d.file, strings.TrimSpace(yaml.FormatError(err, false, false)))}
	}
	if len(tree.Docs) > 1 {
		return []error{fmt.Errorf("%s: one YAML document, please: found %d", d.file, len(tree.Docs))}
	}
	for _, doc := range tree.Docs {
		if doc.Body != nil {
			d.value(doc.Body, v, nil, "", "")
		}
	}
	return d.problems
}

func (d *decoder) problem(n ast.Node, path []string, format string, args ...any) {
	p := n.GetToken().Position
	what := fmt.Sprintf(format, args...)
	if len(path) > 0 { // else it is the file as a whole
		what = strings.Join(path, ".") + ": " + what
	}
	d.problems = append(d.problems, fmt.Errorf("%s:%d:%d: %s", d.file, p.Line, p.Column, what))
}

// value sets v to what n says.
func (d *decoder) value(n ast.Node, v reflect.Value, path []string, one, least string) {
	switch n.(type) {
	case *ast.NullNode, *ast.CommentGroupNode:
		return // a key without a value keeps its default
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		d.problem(n, path, "anchors, aliases and tags are not supported: write the value out")
		return
	}
	_, isText := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
	switch {
	case !isText && v.Kind() == reflect.Struct:
		d.structure(n, v, path)
	case v.Kind() == reflect.Map:
		d.mapping(n, v, path)
	case v.Kind() == reflect.Slice:
		d.sequence(n, v, path)
	default:
		text, ok := scalar(n)
		if !ok {
			d.problem(n, path, "want one value, not a list or a group of keys")
			return
		}
		if err := setText(v, one, least, text); err != nil {
			d.problem(n, path, "%v", err)
		}
	}
}

// entries returns the keys and values of a mapping, and reports duplicates.
func (d *decoder) entries(n ast.Node, path []string) []*ast.MappingValueNode {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.problem(n, path, "want a group of keys")
		return nil
	}
	seen := map[string]bool{}
	for _, e := range m.Values {
		key := e.Key.GetToken().Value
		if seen[key] {
			d.problem(e.Key, under(path, key), "the key stands here twice")
		}
		seen[key] = true
	}
	return m.Values
}

func (d *decoder) structure(n ast.Node, v reflect.Value, path []string) {
	for _, e := range d.entries(n, path) {
		key := e.Key.GetToken().Value
		p := under(path, key)
		f, ok := fieldOf(v, key)
		if !ok {
			d.problem(e.Key, p, "no such key (%s)", cmp.Or(didYouMean(v, key), d.hint(v)))
			continue
		}
		if shape := f.Tag.Get("shape"); shape != "" {
			if _, single := scalar(e.Value); single {
				d.problem(e.Value, p, "one value is not enough: want %s", shape)
				continue
			}
		}
		d.value(e.Value, v.FieldByIndex(f.Index), p, f.Tag.Get("one"), f.Tag.Get("min"))
	}
}

// mapping reads a map of named groups, such as domains.
func (d *decoder) mapping(n ast.Node, v reflect.Value, path []string) {
	for _, e := range d.entries(n, path) {
		key := e.Key.GetToken().Value
		item := newItem(v.Type().Elem())
		d.value(e.Value, item, under(path, key), "", "")
		v.SetMapIndex(reflect.ValueOf(key), item)
	}
}

func (d *decoder) sequence(n ast.Node, v reflect.Value, path []string) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		d.problem(n, path, "want a list, such as [a, b]")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, len(list.Values)))
	for i, item := range list.Values {
		e := reflect.New(v.Type().Elem()).Elem()
		p := slices.Clone(path)
		p[len(p)-1] += "[" + strconv.Itoa(i) + "]"
		d.value(item, e, p, "", "")
		v.Set(reflect.Append(v, e))
	}
}

// scalar returns the text of a single value.
func scalar(n ast.Node) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, true
	case *ast.LiteralNode:
		return s.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// setText sets v from the text that the file or the environment holds. one lists
// the only values allowed, least is the lowest number.
func setText(v reflect.Value, one, least, text string) error {
	if t, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		return t.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is not true or false", text)
		}
		v.SetBool(b)
	case reflect.Int:
		i, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		if low, err := strconv.Atoi(least); err == nil && i < low {
			return fmt.Errorf("%d is too small: want at least %d", i, low)
		}
		v.SetInt(int64(i))
	case reflect.String:
		if one != "" && !slices.Contains(strings.Split(one, ","), text) {
			return fmt.Errorf("%q is not one of %s", text, strings.ReplaceAll(one, ",", ", "))
		}
		v.SetString(text)
	default:
		return fmt.Errorf("cannot read a %s", v.Type())
	}
	return nil
}

func fieldOf(v reflect.Value, key string) (reflect.StructField, bool) {
	for f := range v.Type().Fields() {
		if f.Tag.Get("yaml") == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// didYouMean suggests the key that differs from the given one in case only, or by
// a letter or two; "" where there is none.
func didYouMean(v reflect.Value, key string) string {
	best, least := "", 3
	for f := range v.Type().Fields() {
		name := f.Tag.Get("yaml")
		if n := distance(strings.ToLower(name), strings.ToLower(key)); n < least {
			best, least = name, n
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}

// hint says where the keys are to be found.
func (d *decoder) hint(v reflect.Value) string {
	if d.documented {
		return "signet config docs prints every key"
	}
	var names []string
	for f := range v.Type().Fields() {
		names = append(names, f.Tag.Get("yaml"))
	}
	return "want " + strings.Join(names, ", ")
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
