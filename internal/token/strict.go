package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// maxDepth is how deep a token's JSON may be nested; ours needs two.
const maxDepth = 8

// members returns the members of a JSON object, and false where it is none or two
// parsers could read it differently: a member named twice at any depth, text that
// is not UTF-8 (RFC 8259, sections 4 and 8; RFC 7515, section 10.12).
func members(text []byte) (map[string]json.RawMessage, bool) {
	var m map[string]json.RawMessage
	if !utf8.Valid(text) || json.Unmarshal(text, &m) != nil || m == nil || !unique(text) {
		return nil, false
	}
	return m, true
}

// object is an object or array that is open.
type object struct {
	names map[string]bool // nil for an array
	value bool            // the next string is a value, not a name
}

// unique reports whether every object of valid JSON names its members once.
func unique(text []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var open []object
	for {
		tok, err := dec.Token()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		top := len(open) - 1
		switch tok := tok.(type) {
		case json.Delim:
			if tok == '{' || tok == '[' {
				if len(open) == maxDepth {
					return false
				}
				o := object{}
				if tok == '{' {
					o.names = map[string]bool{}
				}
				open = append(open, o)
				continue
			}
			open = open[:top]
		case string:
			if top >= 0 && open[top].names != nil && !open[top].value {
				if open[top].names[tok] {
					return false
				}
				open[top].names[tok], open[top].value = true, true
				continue
			}
		}
		if n := len(open); n > 0 {
			open[n-1].value = false
		}
	}
}
