package token

import (
	"context"
	"slices"
	"time"

	"signet/internal/jws"
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
	c, err := a.read(ctx, token)
	if err == nil && !slices.Contains(c.Audience, audience) {
		return Claims{}, ErrToken.At("aud").Because("it is for others")
	}
	return c, err
}

// read is Verify for tokens of any audience.
func (a *Authority) read(ctx context.Context, token string) (Claims, error) {
	t, err := jws.Parse(token, MaxSize)
	if err != nil {
		return Claims{}, jws.As(err, ErrToken)
	}
	keys, err := a.known(ctx)
	if err != nil {
		return Claims{}, err
	}
	now := a.options.Now()
	k, err := headerKey(keys, t.Header, now)
	if err != nil {
		return Claims{}, jws.As(err, ErrToken)
	}
	if err := t.Verify(k.public, string(k.alg)); err != nil {
		return Claims{}, jws.As(err, ErrToken)
	}
	c, err := readClaims(t.Payload)
	if err != nil {
		return Claims{}, jws.As(err, ErrToken)
	}
	return c, a.judge(c, now)
}

// headerKey returns the key that signed, as the header names it. The header has the
// three members that Issue writes and no other: so no key, address or extension in
// it is ever looked at (RFC 8725, sections 3.1, 3.10, 3.11).
func headerKey(keys *ring, header jws.Object, now time.Time) (*key, error) {
	for _, name := range header.Names() {
		if name != "alg" && name != "kid" && name != "typ" {
			return nil, ErrToken.At("header").Because("it has other members than alg, kid and typ")
		}
	}
	r := header.Read()
	typ, kid, alg := r.Text("typ"), r.Text("kid"), r.Text("alg")
	if err := r.Err(); err != nil {
		return nil, err
	}
	if !jws.IsType(typ, mediaType) {
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

func readClaims(payload jws.Object) (Claims, error) {
	r := payload.Read()
	c := Claims{
		Issuer: r.Text("iss"), Subject: r.Text("sub"), Audience: r.Audience(), Client: r.Text("client_id"), ID: r.Text("jti"),
		Issued: r.Time("iat"), Expires: r.Time("exp"),
		NotBefore: r.OptionalTime("nbf"), AuthTime: r.OptionalTime("auth_time"),
		ACR: r.OptionalText("acr"), Account: r.OptionalText("account"), Session: r.OptionalText("sid"),
		AMR: r.OptionalList("amr"), Roles: r.OptionalList("roles"), Permissions: r.OptionalList("permissions"),
		Scopes: r.Scopes(), Confirm: r.Confirmation(),
	}
	return c, r.Err()
}

// judge holds what a token of ours says against now.
func (a *Authority) judge(c Claims, now time.Time) error {
	switch {
	case c.Issuer != a.options.Issuer:
		return ErrToken.At("iss").Because("it is another issuer")
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
