package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"signet/internal/fault"
)

const (
	maxDepth = 32 // of JSON; ours needs less than 8
	maxName  = 64 // characters of a client's member name that are shown back
)

// What makes a JSON body unreadable. It is refused where parsers differ in what
// they would see (RFC 8259, section 4; RFC 7493).
var (
	errJSON       = fault.New(fault.Malformed, "body is not JSON")
	errJSONDepth  = fault.Newf(fault.Malformed, "body is nested deeper than %d", maxDepth)
	errJSONTwice  = fault.New(fault.Malformed, "body names a member twice")
	errJSONText   = fault.New(fault.Malformed, "body is not UTF-8 without NUL")
	errJSONMember = fault.New(fault.Invalid, "unknown member")
	errJSONType   = fault.New(fault.Invalid, "wrong type")
)

// DecodeJSON reads the request's body into v, for handlers outside huma: the
// content type must be application/json, and members that v does not have are
// refused by name, as is everything that two parsers could read differently.
// The size is capped by [MaxBody] around the handler.
func DecodeJSON(r *http.Request, v any) error {
	if !isJSON(r.Header.Get("Content-Type")) {
		return errMediaType
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		if slowBody(err) {
			return errSlowBody
		}
		return err
	}
	if err := checkJSON(body); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	return jsonFault(dec.Decode(v))
}

// isJSON reports whether a Content-Type says JSON in UTF-8. None at all does not:
// browsers send bodies without a type across origins unasked.
func isJSON(contentType string) bool {
	mt, params, err := mime.ParseMediaType(contentType)
	if err != nil || mt != "application/json" {
		return false
	}
	charset, given := params["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

// unmarshalJSON is json.Unmarshal for bodies from outside.
func unmarshalJSON(data []byte, v any) error {
	if err := checkJSON(data); err != nil {
		return err
	}
	return jsonFault(json.Unmarshal(data, v))
}

// jsonFault says what was wrong without repeating a value.
func jsonFault(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return errJSONType.Because("%s does not fit", jsonWord(e.Value)).At(e.Field)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return errJSONMember.At(shorten(strings.Trim(name, `"`)))
	}
	if _, ok := fault.As(err); ok {
		return err
	}
	return errJSON.Because("a member has a value that cannot be read")
}

// jsonWord is the type in UnmarshalTypeError.Value, which for numbers goes on with the value.
func jsonWord(value string) string {
	word, _, _ := strings.Cut(value, " ")
	return word
}

// checkJSON refuses what is no JSON or not the same JSON to every parser: deep
// nesting, members named twice, NUL, invalid UTF-8.
func checkJSON(body []byte) error {
	if !utf8.Valid(body) {
		return errJSONText
	}
	if !json.Valid(body) {
		return errJSON.Because("%s", whereInvalid(body))
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var open []object
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errJSON
		}
		if open, err = step(open, tok); err != nil {
			return err
		}
	}
}

// object is an object or array that a body has opened.
type object struct {
	names map[string]bool // nil for an array
	value bool            // the next string is a value, not a name
}

// step follows one token.
func step(open []object, tok json.Token) ([]object, error) {
	switch tok := tok.(type) {
	case json.Delim:
		if tok == '}' || tok == ']' {
			return done(open[:len(open)-1]), nil
		}
		if len(open) == maxDepth {
			return nil, errJSONDepth
		}
		o := object{}
		if tok == '{' {
			o.names = map[string]bool{}
		}
		return append(open, o), nil
	case string:
		if strings.Contains(tok, "\x00") {
			return nil, errJSONText
		}
		if n := len(open); n > 0 && open[n-1].names != nil && !open[n-1].value {
			return name(open, tok)
		}
	}
	return done(open), nil
}

func name(open []object, name string) ([]object, error) {
	top := &open[len(open)-1]
	if top.names[name] {
		return nil, errJSONTwice.At(shorten(name))
	}
	top.names[name], top.value = true, true
	return open, nil
}

// done notes that a value ended, so that a name comes next.
func done(open []object) []object {
	if n := len(open); n > 0 {
		open[n-1].value = false
	}
	return open
}

func whereInvalid(body []byte) string {
	var v any
	if e, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(body, &v)); ok {
		return fmt.Sprintf("it breaks off or goes wrong at byte %d", e.Offset)
	}
	return "it does not parse"
}

// shorten makes a name that a client chose fit to be shown.
func shorten(s string) string {
	if r := []rune(s); len(r) > maxName {
		return string(r[:maxName]) + "..."
	}
	return s
}
