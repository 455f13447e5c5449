// Package jws reads and verifies signed tokens in the compact form of RFC 7515,
// section 7.1: access tokens, DPoP proofs, client assertions, logout tokens.
//
// It reads strictly, for two parsers must not see different tokens: base64url has its
// one canonical spelling, each JSON member is named once at any depth, text is UTF-8,
// times are whole seconds. It signs nothing and keeps nothing.
//
// What it returns was said by whoever sent the token, until [Token.Verify] returned nil.
package jws

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"signet/internal/fault"
)

// Error says what is wrong with which part or member of a token. It repeats nothing of it.
type Error struct {
	Field string // header, payload, signature or the member's name; empty for the token as a whole
	Why   string // such as "it is missing"
}

// Error returns the field and what is wrong with it.
func (e *Error) Error() string {
	if e.Field == "" {
		return e.Why
	}
	return e.Field + ": " + e.Why
}

// As returns base with what err says, where err is an [Error], and else err.
func As(err error, base *fault.Error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return base.At(e.Field).Because("%s", e.Why)
	}
	return err
}

func wrong(field, format string, args ...any) error {
	return &Error{Field: field, Why: fmt.Sprintf(format, args...)}
}

// Token is a token that was read.
type Token struct {
	Header, Payload Object

	signed    string // what the signature is over (RFC 7515, section 5.2)
	signature []byte
}

// Parse reads a token of at most limit bytes. It verifies nothing.
func Parse(compact string, limit int) (Token, error) {
	if len(compact) > limit {
		return Token{}, wrong("", "it is longer than %d bytes", limit)
	}
	head, rest, first := strings.Cut(compact, ".")
	body, tail, second := strings.Cut(rest, ".")
	if !first || !second || strings.Contains(tail, ".") {
		return Token{}, wrong("", "it does not have three parts")
	}
	t := Token{signed: compact[:len(head)+1+len(body)]}
	var ok bool
	if t.signature, ok = Decode(tail); !ok {
		return Token{}, wrong("signature", "it is not base64url")
	}
	var err error
	if t.Header, err = parsePart("header", head); err != nil {
		return Token{}, err
	}
	t.Payload, err = parsePart("payload", body)
	return t, err
}

func parsePart(name, part string) (Object, error) {
	text, ok := Decode(part)
	if !ok {
		return Object{}, wrong(name, "it is not base64url")
	}
	o, ok := ParseObject(string(text))
	if !ok {
		return Object{}, wrong(name, "it is not a JSON object with each member once")
	}
	return o, nil
}

// Verify returns nil where the key signed the token with the algorithm, one of
// [Algorithms]. The caller has found that algorithm good before: this does not look at
// what the header says.
func (t Token) Verify(k Key, algorithm string) error {
	if err := k.Fits(algorithm); err != nil {
		return err
	}
	if !k.verifies(algorithm, t.signed, t.signature) {
		return wrong("signature", "it does not verify")
	}
	return nil
}

// strict is base64url without padding, in its one canonical spelling.
var strict = base64.RawURLEncoding.Strict()

// Decode reads base64url without padding in its one spelling (RFC 7515, section 2). It
// is strict also about line ends, which package base64 passes over.
func Decode(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := strict.DecodeString(s)
	return b, err == nil
}

// IsType reports whether typ names the media type, such as at+jwt: media types have no
// case, and application/ may be left out (RFC 7515, section 4.1.9).
func IsType(typ, mediaType string) bool {
	t := strings.ToLower(typ)
	return t == mediaType || t == "application/"+mediaType
}
