package token

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"signet/internal/fault"
	"signet/internal/jws"
	"signet/internal/once"
)

const (
	// AssertionSpace is the name of the space of client assertions that were used.
	AssertionSpace = "token.assertion"
	// AssertionLife is how long an assertion may be good, and how old it may be.
	AssertionLife = 5 * time.Minute

	assertionMedia = "client-authentication+jwt" // RFC 7523bis, section 4
	maxJTI         = 256                         // bytes
)

// Once lets a value be used one time.
type Once interface {
	// TakeUse returns who used the value first.
	TakeUse(ctx context.Context, u once.Use) (holder string, err error)
}

// assertion is a JWT by which a client proves itself (RFC 7523, section 3).
type assertion struct {
	token          jws.Token
	algorithm, key string
	audience       string
	issuer         string
	subject        string
	id             string
	issued         time.Time // zero where it does not say
	notBefore      time.Time
	expires        time.Time
}

// readAssertion reads an assertion. Its signature is still to be verified.
func readAssertion(compact string) (assertion, error) {
	t, err := jws.Parse(compact, MaxSize)
	if err != nil {
		return assertion{}, refused(err.Error())
	}
	h, p := t.Header.Read(), t.Payload.Read()
	a := assertion{
		token: t, algorithm: h.Text("alg"), key: h.OptionalText("kid"),
		// A list would let one assertion be good at several servers (RFC 7523bis, section 3).
		audience: p.Text("aud"), issuer: p.Text("iss"), subject: p.Text("sub"), id: p.Text("jti"),
		issued: p.OptionalTime("iat"), notBefore: p.OptionalTime("nbf"), expires: p.Time("exp"),
	}
	typ := h.OptionalText("typ")
	switch {
	case h.Err() != nil:
		return a, refused(h.Err().Error())
	case p.Err() != nil:
		return a, refused(p.Err().Error())
	case typ != "" && !jws.IsType(typ, "jwt") && !jws.IsType(typ, assertionMedia):
		return a, refused("its typ is another")
	case t.Header.Has("crit") || t.Header.Has("b64"):
		return a, refused("it has extensions that must be understood") // RFC 7515, section 4.1.11
	case !jws.Allows(assertionAlgorithms(), a.algorithm):
		return a, refused("its alg is not accepted")
	case a.issuer != a.subject:
		return a, refused("its iss and sub differ")
	case len(a.id) > maxJTI:
		return a, refused("its jti is too long")
	}
	return a, nil
}

// judgeAssertion returns nil where the client made the assertion for this server, for
// now, and never sent it before.
func (s *Clients) judgeAssertion(ctx context.Context, c Client, a assertion) error {
	now := s.options.Now()
	switch {
	case a.audience != s.options.Issuer:
		return refused("its aud is not the issuer")
	case !now.Before(a.expires.Add(Skew)):
		return refused("it has expired")
	case a.expires.After(now.Add(AssertionLife + Skew)):
		return refused("it is good for too long")
	case a.issued.After(now.Add(Skew)), a.notBefore.After(now.Add(Skew)):
		return refused("it is not good yet")
	case !a.issued.IsZero() && a.issued.Before(now.Add(-AssertionLife-Skew)):
		return refused("it is too old")
	}
	if err := s.signed(ctx, c, a); err != nil {
		return err
	}
	return s.spend(ctx, c, a)
}

// signed returns nil where a key of the client signed.
func (s *Clients) signed(ctx context.Context, c Client, a assertion) error {
	for _, changed := range rounds(c) {
		keys, err := s.keysOf(ctx, c, changed)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if (a.key == "" || k.ID == a.key) && a.token.Verify(k.Key, a.algorithm) == nil {
				return nil
			}
		}
	}
	return refused("no key of the client has signed it")
}

// keysOf returns the keys of a client. Those at an address are read again where they may
// have changed.
func (s *Clients) keysOf(ctx context.Context, c Client, changed bool) ([]clientKey, error) {
	if c.JWKSURI != "" {
		return s.remote.at(ctx, c.JWKSURI, changed)
	}
	keys, err := parseKeys([]byte(c.JWKS))
	if err != nil {
		return nil, refused(err.Error())
	}
	return keys, nil
}

// spend uses an assertion up.
func (s *Clients) spend(ctx context.Context, c Client, a assertion) error {
	if s.options.Once == nil {
		return errors.New("client assertions have no replay store")
	}
	issued := a.issued
	if issued.IsZero() {
		issued = a.expires.Add(-AssertionLife)
	}
	by := rand.Text()
	holder, err := s.options.Once.TakeUse(ctx, once.Use{
		Space: AssertionSpace, Value: c.ID + "\n" + a.id, By: by, Subject: c.ID, Issued: issued, Until: a.expires.Add(Skew),
	})
	switch {
	case fault.KindOf(err) == fault.Unauthorized:
		return refused(err.Error())
	case err != nil:
		return err
	case holder != by:
		return refused("it was sent before")
	}
	return nil
}

// rounds says how to read the keys of a client until one fits: as they are known, and
// where they are at an address, once more as they are.
func rounds(c Client) []bool {
	if c.JWKSURI == "" {
		return []bool{false}
	}
	return []bool{false, true}
}

// assertionAlgorithms are those that may sign an assertion.
func assertionAlgorithms() []string { return []string{jws.ES256, jws.EdDSA, jws.PS256, jws.RS256} }
