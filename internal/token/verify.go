package token

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Verify returns what an access token says, where it is one of ours, for that
// audience, and good now (RFC 9068, section 4; RFC 8725).
//
// It does not know whether the token was revoked, and the caller must have the
// sender prove what Confirm asks for.
//
// Every fault means that the token is not good. It is ErrToken, names the member
// that was wrong and repeats nothing of the token. Other errors mean that there are
// no keys to verify with.
func (a *Authority) Verify(ctx context.Context, token, audience string) (Claims, error) {
	if len(token) > MaxSize {
		return Claims{}, ErrToken.Because("it is longer than %d bytes", MaxSize)
	}
	parts := strings.SplitN(token, ".", 4)
	if len(parts) != 3 {
		return Claims{}, ErrToken.Because("it does not have three parts")
	}
	keys, err := a.known(ctx)
	if err != nil {
		return Claims{}, err
	}
	now := a.options.Now()
	k, err := headerKey(keys, parts[0], now)
	if err != nil {
		return Claims{}, err
	}
	signature, ok := decodeBase64(parts[2])
	if !ok || !k.verifies([]byte(token[:len(parts[0])+1+len(parts[1])]), signature) {
		return Claims{}, ErrToken.At("signature").Because("it does not verify")
	}
	text, ok := decodeBase64(parts[1])
	if !ok {
		return Claims{}, ErrToken.At("payload").Because("it is not base64url")
	}
	c, err := readClaims(text)
	if err != nil {
		return Claims{}, err
	}
	return c, a.judge(c, audience, now)
}

// headerKey returns the key that signed, as the header names it. The header has the
// three members that Issue writes and no other: so no key, address or extension in
// it is ever looked at (RFC 8725, sections 3.1, 3.10, 3.11).
func headerKey(keys *ring, part string, now time.Time) (*key, error) {
	text, ok := decodeBase64(part)
	if !ok {
		return nil, ErrToken.At("header").Because("it is not base64url")
	}
	m, ok := members(text)
	if !ok {
		return nil, ErrToken.At("header").Because("it is not a JSON object with each member once")
	}
	for name := range m {
		if name != "alg" && name != "kid" && name != "typ" {
			return nil, ErrToken.At("header").Because("it has other members than alg, kid and typ")
		}
	}
	r := reader{m: m}
	typ, kid, alg := r.text("typ"), r.text("kid"), r.text("alg")
	if r.err != nil {
		return nil, r.err
	}
	// Media types have no case, and application/ may be left out (RFC 7515, section 4.1.9).
	if t := strings.ToLower(typ); t != mediaType && t != "application/"+mediaType {
		return nil, ErrToken.At("typ").Because("it is not %s", mediaType)
	}
	k, ok := keys.byID[kid]
	if !ok || !k.verifiesAt(now) {
		return nil, ErrToken.At("kid").Because("it names no key that is in use")
	}
	if Algorithm(alg) != k.alg {
		return nil, ErrToken.At("alg").Because("it is not the key's")
	}
	return k.key, nil
}

func readClaims(text []byte) (Claims, error) {
	m, ok := members(text)
	if !ok {
		return Claims{}, ErrToken.At("payload").Because("it is not a JSON object with each member once")
	}
	r := reader{m: m}
	c := Claims{
		Issuer: r.text("iss"), Subject: r.text("sub"), Audience: r.audience(), Client: r.text("client_id"), ID: r.text("jti"),
		Issued: r.time("iat"), Expires: r.time("exp"),
		NotBefore: r.optionalTime("nbf"), AuthTime: r.optionalTime("auth_time"),
		ACR: r.optionalText("acr"), Account: r.optionalText("account"), Session: r.optionalText("sid"),
		AMR: r.optionalList("amr"), Roles: r.optionalList("roles"), Permissions: r.optionalList("permissions"),
		Scopes: r.scopes(), Confirm: r.confirmation(),
	}
	return c, r.err
}

// judge holds what a token of ours says against now and the audience.
func (a *Authority) judge(c Claims, audience string, now time.Time) error {
	switch {
	case c.Issuer != a.options.Issuer:
		return ErrToken.At("iss").Because("it is another issuer")
	case !slices.Contains(c.Audience, audience):
		return ErrToken.At("aud").Because("it is for others")
	case !c.Issued.Before(c.Expires):
		return ErrToken.At("exp").Because("it does not come after iat")
	case !now.Before(c.Expires.Add(Skew)):
		return ErrToken.At("exp").Because("it has passed")
	case c.Issued.After(now.Add(Skew)):
		return ErrToken.At("iat").Because("it lies in the future")
	case c.NotBefore.After(now.Add(Skew)):
		return ErrToken.At("nbf").Because("it lies in the future")
	}
	return nil
}

// strict is base64url without padding, in its one canonical spelling.
var strict = base64.RawURLEncoding.Strict()

// decodeBase64 is strict also about line ends, which package base64 passes over.
func decodeBase64(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := strict.DecodeString(s)
	return b, err == nil
}

// reader reads members by their exact names. The first one that is wrong is err.
type reader struct {
	m   map[string]json.RawMessage
	err error
}

func (r *reader) wrong(name, why string) {
	if r.err == nil {
		r.err = ErrToken.At(name).Because("%s", why)
	}
}

// value reports whether the member is there and could be read into v.
func (r *reader) value(name string, v any) bool {
	raw, ok := r.m[name]
	if !ok {
		r.wrong(name, "it is missing")
		return false
	}
	// null would leave v as it is.
	if bytes.Equal(raw, []byte("null")) || json.Unmarshal(raw, v) != nil {
		r.wrong(name, "it has the wrong type")
		return false
	}
	return true
}

func (r *reader) has(name string) bool { _, ok := r.m[name]; return ok }

func (r *reader) text(name string) string {
	var s string
	if r.value(name, &s) && s == "" {
		r.wrong(name, "it is empty")
	}
	return s
}

func (r *reader) optionalText(name string) string {
	if !r.has(name) {
		return ""
	}
	return r.text(name)
}

// time reads a NumericDate (RFC 7519, section 2). Only whole seconds in plain digits
// count: parsers differ in what they make of 1e9, of fractions, and of large numbers.
func (r *reader) time(name string) time.Time {
	raw, ok := r.m[name]
	if !ok {
		r.wrong(name, "it is missing")
		return time.Time{}
	}
	digits := len(raw) > 0 && len(raw) <= 11 && strings.Trim(string(raw), "0123456789") == ""
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if !digits || err != nil || n == 0 {
		r.wrong(name, "it is not a whole number of seconds")
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}

func (r *reader) optionalTime(name string) time.Time {
	if !r.has(name) {
		return time.Time{}
	}
	return r.time(name)
}

func (r *reader) optionalList(name string) []string {
	if !r.has(name) {
		return nil
	}
	return r.list(name)
}

// list reads texts. The elements are pointers since null would pass for "".
func (r *reader) list(name string) []string {
	var list []*string
	if !r.value(name, &list) {
		return nil
	}
	var all []string
	for _, s := range list {
		if s == nil || *s == "" {
			r.wrong(name, "an element is empty")
			return nil
		}
		all = append(all, *s)
	}
	return all
}

// audience reads a text or a list of texts (RFC 7519, section 4.1.3).
func (r *reader) audience() []string {
	if bytes.HasPrefix(r.m["aud"], []byte(`"`)) {
		return []string{r.text("aud")}
	}
	return r.list("aud")
}

func (r *reader) scopes() []string {
	if !r.has("scope") {
		return nil
	}
	all := strings.Split(r.text("scope"), " ")
	if slices.ContainsFunc(all, func(s string) bool { return !isScope(s) }) {
		r.wrong("scope", "it is not a list of RFC 6749, section 3.3")
	}
	return all
}

// confirmation reads cnf. What is not understood in it is refused: it would
// otherwise pass for a bearer token.
func (r *reader) confirmation() (c Confirmation) {
	raw, ok := r.m["cnf"]
	if !ok {
		return c
	}
	m, ok := members(raw)
	if !ok || len(m) == 0 {
		r.wrong("cnf", "it is not an object with members")
		return c
	}
	inner := reader{m: m}
	for name := range m {
		into := map[string]*string{"jkt": &c.JKT, "x5t#S256": &c.X5T}[name]
		if into == nil {
			r.wrong("cnf", "it asks for a proof that is not known here")
			return c
		}
		if *into = inner.text(name); !isThumbprint(*into) {
			r.wrong("cnf", "it does not have the thumbprint of 32 bytes")
		}
	}
	return c
}
