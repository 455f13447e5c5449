// Package fault gives errors that a client may see: a kind, which each protocol
// answers in its own way, and a text.
//
// Every other error is internal: logged, and shown to nobody.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what was wrong, in words that every protocol can answer.
type Kind int

// The kinds. Their order has no meaning.
const (
	Internal     Kind = iota
	Malformed         // the request cannot be read at all
	Invalid           // the request was read, and a member of it is wrong
	Unauthorized      // no credential, or one that proves nothing
	Forbidden         // the caller is known and may not
	NotFound          // no such thing, or not the caller's
	Conflict          // it exists already, or changed meanwhile
	Gone              // it existed and does not come back
	TooLarge          // over a documented limit of size
	TooMany           // over a documented limit of rate or number
	Unavailable       // a dependency is away; try again
	Timeout           // the deadline passed
	NoSpace           // the disk is full
)

// kindNames are also the last part of a problem type, so they are part of the API.
var kindNames = [...]string{
	Internal: "internal", Malformed: "malformed", Invalid: "invalid", Unauthorized: "unauthorized",
	Forbidden: "forbidden", NotFound: "not-found", Conflict: "conflict", Gone: "gone",
	TooLarge: "too-large", TooMany: "too-many", Unavailable: "unavailable", Timeout: "timeout", NoSpace: "no-space",
}

// String returns the kind's name in lower case with hyphens, such as "not-found".
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "internal"
	}
	return kindNames[k]
}

// Error is an error that a client may see.
type Error struct {
	Kind  Kind
	Text  string        // what was wrong and what would be right; never a secret
	Field string        // the member, parameter or key that was wrong; may be empty
	Word  string        // a more specific stable name than the kind's, such as "step-up-required"; may be empty
	Retry time.Duration // when trying again may help; zero says nothing

	base *Error
}

// New returns an error of the given kind. The text is shown to clients.
func New(k Kind, text string) *Error { return &Error{Kind: k, Text: text} }

// Newf is New with a format.
func Newf(k Kind, format string, args ...any) *Error { return New(k, fmt.Sprintf(format, args...)) }

// Named returns an error of e's kind and text under a stable name of its own, for
// declarations: clients tell it from others of its kind by the word.
func (e *Error) Named(word string) *Error { return &Error{Kind: e.Kind, Text: e.Text, Word: word} }

// Error returns the text, after the field where there is one.
func (e *Error) Error() string {
	if e.Field == "" {
		return e.Text
	}
	return e.Field + ": " + e.Text
}

// At returns a copy that names the field that was wrong. It still is e for [errors.Is].
func (e *Error) At(field string) *Error { c := e.derive(); c.Field = field; return c }

// After returns a copy that says when trying again may help. It still is e for [errors.Is].
func (e *Error) After(d time.Duration) *Error { c := e.derive(); c.Retry = d; return c }

// Because returns a copy whose text says more. It still is e for [errors.Is].
func (e *Error) Because(format string, args ...any) *Error {
	c := e.derive()
	c.Text = e.Text + ": " + fmt.Sprintf(format, args...)
	return c
}

// Saying returns a copy with another text. It still is e for [errors.Is].
func (e *Error) Saying(format string, args ...any) *Error {
	c := e.derive()
	c.Text = fmt.Sprintf(format, args...)
	return c
}

func (e *Error) derive() *Error {
	c := *e
	if c.base == nil {
		c.base = e
	}
	return &c
}

// Is reports whether e was made from target by At, After, Because or Saying.
func (e *Error) Is(target error) bool { return e.base != nil && error(e.base) == target }

// As returns the fault in err's tree, if there is one.
func As(err error) (*Error, bool) { return errors.AsType[*Error](err) }

// KindOf returns the kind of the fault in err's tree, and Internal where there is none.
func KindOf(err error) Kind {
	if e, ok := As(err); ok {
		return e.Kind
	}
	return Internal
}
