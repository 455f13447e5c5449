package jws_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"signet/internal/jws"
)

func TestJSONIsReadOnlyWhereAllParsersAgree(t *testing.T) {
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	var many strings.Builder
	for i := range 65 {
		many.WriteString(`,"` + strings.Repeat("x", i+1) + `":1`)
	}
	for name, c := range map[string]struct {
		text string
		good bool
	}{
		"nothing in it":                {`{}`, true},
		"space around everything":      {" { \"a\" :\t1 , \"b\" : [ 1 , { } ] }\r\n", true},
		"escapes":                      {`{"\u0061\n\"\\\/":"\ud83d\ude00"}`, true},
		"numbers":                      {`{"a":[0,-0,1.5,-1e9,1E+9,2e-3]}`, true},
		"same name in two objects":     {`{"a":{"a":1},"b":{"a":1}}`, true},
		"seven levels in it":           {deep(7), true},
		"eight levels in it":           {deep(8), false},
		"deep enough to end the stack": {deep(1 << 20), false},
		"a name twice":                 {`{"a":1,"a":1}`, false},
		"a name twice, once escaped":   {`{"a":1,"\u0061":1}`, false},
		"a name twice further in":      {`{"x":[{"a":1,"a":1}]}`, false},
		"more members than 64":         {"{" + many.String()[1:] + "}", false},
		"not UTF-8":                    {"{\"a\":\"\xff\"}", false},
		"half a surrogate pair":        {`{"a":"\ud83d"}`, false},
		"halves in the wrong order":    {`{"a":"\ude00\ud83d"}`, false},
		"control character":            {"{\"a\":\"\x01\"}", false},
		"line end in a text":           {"{\"a\":\"\n\"}", false},
		"unknown escape":               {`{"a":"\x41"}`, false},
		"digits that are none":         {`{"a":"\u00!1"}`, false},
		"escape cut off":               {`{"a":"\`, false},
		"hex cut off":                  {`{"a":"\u00`, false},
		"leading zero":                 {`{"a":01}`, false},
		"plus":                         {`{"a":+1}`, false},
		"point without digits":         {`{"a":1.}`, false},
		"exponent without digits":      {`{"a":1e}`, false},
		"infinity":                     {`{"a":Infinity}`, false},
		"word in other case":           {`{"a":True}`, false},
		"comma at the end":             {`{"a":1,}`, false},
		"comma at the end of a list":   {`{"a":[1,]}`, false},
		"no comma":                     {`{"a":1 "b":1}`, false},
		"comment":                      {`{"a":1/**/}`, false},
		"single quotes":                {`{'a':1}`, false},
		"byte order mark":              {"\ufeff{}", false},
		"other space":                  {"{\u00a0}", false},
		"something after it":           {`{} {}`, false},
		"NUL after it":                 {"{}\x00", false},
		"not closed":                   {`{"a":1`, false},
		"list":                         {`[]`, false},
		"null":                         {`null`, false},
		"text":                         {`"{}"`, false},
		"empty":                        {``, false},
	} {
		if _, ok := jws.ParseObject(c.text); ok != c.good {
			t.Errorf("%s: got %t, want %t", name, ok, c.good)
		}
		if c.good && !json.Valid([]byte(c.text)) {
			t.Errorf("%s: encoding/json says it is no JSON", name)
		}
	}
}

// plain is what encoding/json makes of it: the members, and whether each is named once.
func plain(text string) (map[string]json.RawMessage, bool) {
	var m map[string]json.RawMessage
	if !utf8.ValidString(text) || json.Unmarshal([]byte(text), &m) != nil || m == nil {
		return nil, false
	}
	return m, unique(json.NewDecoder(strings.NewReader(text)))
}

func unique(dec *json.Decoder) bool {
	tok, err := dec.Token()
	if err != nil {
		return errors.Is(err, io.EOF)
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return true
	}
	names := map[string]bool{}
	for dec.More() {
		if delim == '{' {
			name, err := dec.Token()
			if err != nil || names[name.(string)] {
				return false
			}
			names[name.(string)] = true
		}
		if !unique(dec) {
			return false
		}
	}
	_, err = dec.Token()
	return err == nil
}

// What is read here, encoding/json reads as the same; what has no surrogates, no great
// depth and not many members and is read there with each name once, is read here.
func FuzzParseObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,{"b":"\u0061"}]}`, `{"a":1,"\u0061":2}`, `{"a":-0.5e+3,"b":null,"c":true}`, `{"a":"\ud83d\ude00"}`, `{"a":"` + "\xff" + `"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, ok := jws.ParseObject(text)
		want, good := plain(text)
		if ok && !good {
			t.Fatalf("%q is read, and encoding/json refuses it", text)
		}
		if !ok {
			simple := strings.Count(text, "{")+strings.Count(text, "[") <= 8 && strings.Count(text, ":") <= 64 && !strings.Contains(text, `\u`)
			if good && simple {
				t.Fatalf("%q is refused, and encoding/json reads it", text)
			}
			return
		}
		names := o.Names()
		if len(names) != len(want) {
			t.Fatalf("%q: got members %q, want %d", text, names, len(want))
		}
		for _, name := range names {
			raw, ok := want[name]
			if !ok {
				t.Fatalf("%q: encoding/json has no %q", text, name)
			}
			var s string
			if bytes.HasPrefix(raw, []byte(`"`)) && json.Unmarshal(raw, &s) == nil && s != "" && o.Read().Text(name) != s {
				t.Fatalf("%q: %q is another text", text, name)
			}
		}
	})
}
