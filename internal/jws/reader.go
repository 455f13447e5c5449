package jws

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Reader reads the members of an object by their exact names. A member that has
// another type, or is null, is wrong. The first one that is wrong is its error; what
// is read after that is of no worth.
type Reader struct {
	o   Object
	err *Error
}

// Read returns a reader of o.
func (o Object) Read() *Reader { return &Reader{o: o} }

// Err returns what was wrong, nil where nothing was.
func (r *Reader) Err() error {
	if r.err == nil { // which is no nil error
		return nil
	}
	return r.err
}

// Wrong has the reader fail where it did not yet.
func (r *Reader) Wrong(name, why string) {
	if r.err == nil {
		r.err = &Error{Field: name, Why: why}
	}
}

// raw returns a member that must be there.
func (r *Reader) raw(name string) (string, bool) {
	raw, ok := r.o.raw(name)
	if !ok {
		r.Wrong(name, "it is missing")
	}
	return raw, ok
}

// Text reads a text that is not empty.
func (r *Reader) Text(name string) string {
	raw, ok := r.raw(name)
	if !ok {
		return ""
	}
	s, ok := text(raw)
	if !ok {
		r.Wrong(name, "it has the wrong type")
	} else if s == "" {
		r.Wrong(name, "it is empty")
	}
	return s
}

// text returns what a string says.
func text(raw string) (string, bool) {
	s := scanner{text: raw}
	return s.quoted()
}

// OptionalText is Text, and empty where there is no such member.
func (r *Reader) OptionalText(name string) string {
	if !r.o.Has(name) {
		return ""
	}
	return r.Text(name)
}

// Time reads a NumericDate (RFC 7519, section 2). Only whole seconds after 1970 in plain
// digits count: parsers differ in what they make of 1e9, of fractions, and of large numbers.
func (r *Reader) Time(name string) time.Time {
	raw, ok := r.raw(name)
	if !ok {
		return time.Time{}
	}
	digits := len(raw) <= 11 && strings.Trim(raw, "0123456789") == ""
	n, err := strconv.ParseInt(raw, 10, 64)
	if !digits || err != nil || n == 0 {
		r.Wrong(name, "it is not a whole number of seconds")
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

// OptionalTime is Time, and zero where there is no such member.
func (r *Reader) OptionalTime(name string) time.Time {
	if !r.o.Has(name) {
		return time.Time{}
	}
	return r.Time(name)
}

// List reads a list of texts, none of which is empty. It is nil where the list is.
func (r *Reader) List(name string) []string {
	var all []string
	r.elements(name, func(element string) {
		one, ok := text(element)
		if !ok || one == "" {
			r.Wrong(name, "an element is empty or no text")
			return
		}
		all = append(all, one)
	})
	return all
}

// elements shows the elements of a list, each as it is written.
func (r *Reader) elements(name string, visit func(element string)) {
	raw, ok := r.raw(name)
	if !ok {
		return
	}
	if !strings.HasPrefix(raw, "[") {
		r.Wrong(name, "it has the wrong type")
		return
	}
	s := scanner{text: raw}
	s.list(maxDepth, visit)
}

// OptionalList is List, and nil where there is no such member.
func (r *Reader) OptionalList(name string) []string {
	if !r.o.Has(name) {
		return nil
	}
	return r.List(name)
}

// Audience reads aud, which is a text or a list of texts (RFC 7519, section 4.1.3).
func (r *Reader) Audience() []string {
	if raw, _ := r.o.raw("aud"); strings.HasPrefix(raw, `"`) {
		return []string{r.Text("aud")}
	}
	return r.List("aud")
}

// Scopes reads scope (RFC 8693, section 4.2), nil where there is none.
func (r *Reader) Scopes() []string {
	if !r.o.Has("scope") {
		return nil
	}
	all := strings.Split(r.Text("scope"), " ")
	if slices.ContainsFunc(all, func(s string) bool { return !IsScope(s) }) {
		r.Wrong("scope", "it is not a list of RFC 6749, section 3.3")
	}
	return all
}

// IsScope reports whether s is a scope-token (RFC 6749, section 3.3).
func IsScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// Object reads an object.
func (r *Reader) Object(name string) Object {
	raw, ok := r.raw(name)
	if !ok {
		return Object{}
	}
	o, ok := ParseObject(raw)
	if !ok {
		r.Wrong(name, "it is not an object")
	}
	return o
}

// Objects reads a list of objects.
func (r *Reader) Objects(name string) []Object {
	var all []Object
	r.elements(name, func(element string) {
		o, ok := ParseObject(element)
		if !ok {
			r.Wrong(name, "an element is not an object")
		}
		all = append(all, o)
	})
	return all
}

// Confirmation is what the sender of a token must prove (RFC 7800): the key, the
// certificate, or both. The zero value is a bearer token.
type Confirmation struct {
	JKT string // RFC 7638 thumbprint of the DPoP key (RFC 9449, section 6.1)
	X5T string // SHA-256 of the client certificate (RFC 8705, section 3.1)
}

// Confirmation reads cnf. What is not understood in it is refused: it would otherwise
// pass for a bearer token.
func (r *Reader) Confirmation() (c Confirmation) {
	if !r.o.Has("cnf") {
		return c
	}
	o := r.Object("cnf")
	if len(o.members) == 0 {
		r.Wrong("cnf", "it is not an object with members")
	}
	for _, m := range o.members {
		into := map[string]*string{"jkt": &c.JKT, "x5t#S256": &c.X5T}[m.name]
		if into == nil {
			r.Wrong("cnf", "it asks for a proof that is not known here")
			return Confirmation{}
		}
		if *into, _ = text(m.raw); !IsThumbprint(*into) {
			r.Wrong("cnf", "it does not have the thumbprint of 32 bytes")
		}
	}
	return c
}

// IsThumbprint reports whether s is the base64url of 32 bytes.
func IsThumbprint(s string) bool {
	b, ok := Decode(s)
	return ok && len(b) == 32
}
