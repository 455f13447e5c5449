package resource

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"signet/internal/jws"
)

const (
	accessType  = "at+jwt"     // RFC 9068, section 2.1
	logoutType  = "logout+jwt" // OpenID Connect Back-Channel Logout 1.0, section 2.4
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
)

// algorithms are those that tokens may be signed with.
var algorithms = []string{jws.ES256, jws.ES384, jws.EdDSA, jws.Ed25519, jws.PS256}

// Claims is what an access token says (RFC 9068, section 2.2).
type Claims struct {
	Issuer      string
	Subject     string
	Audience    []string
	Client      string // client_id
	Account     string // account (tenant) that the subject acts in
	ID          string // jti
	Issued      time.Time
	Expires     time.Time
	AuthTime    time.Time // when a person last proved themselves; zero where nobody did
	ACR         string
	AMR         []string // RFC 8176
	Scopes      []string
	Roles       []string
	Permissions []string // area:verb
	Session     string   // sid: as a logout token names it; empty without one
	JKT         string   // thumbprint of the key that the sender has proved; empty where none is asked
	X5T         string   // SHA-256 of the certificate that the sender has shown; empty where none is asked
}

// HasScope reports whether the token has the scope.
func (c Claims) HasScope(scope string) bool { return slices.Contains(c.Scopes, scope) }

// Access returns what an access token for this audience says. It does not know from whom
// it comes: [Guard.Check] does. What is wrong with the token is an [*Error]; other errors
// mean that the server's keys could not be asked for.
func (g *Guard) Access(ctx context.Context, token string) (Claims, error) {
	payload, err := g.verify(ctx, token, accessType)
	if err != nil {
		return Claims{}, err
	}
	r := payload.Read()
	cnf := r.Confirmation()
	c := Claims{
		Issuer: r.Text("iss"), Subject: r.Text("sub"), Audience: r.Audience(), Client: r.Text("client_id"), ID: r.Text("jti"),
		Issued: r.Time("iat"), Expires: r.Time("exp"), AuthTime: r.OptionalTime("auth_time"),
		ACR: r.OptionalText("acr"), Account: r.OptionalText("account"), Session: r.OptionalText("sid"),
		AMR: r.OptionalList("amr"), Roles: r.OptionalList("roles"), Permissions: r.OptionalList("permissions"),
		Scopes: r.Scopes(), JKT: cnf.JKT, X5T: cnf.X5T,
	}
	notBefore := r.OptionalTime("nbf")
	if err := r.Err(); err != nil {
		return Claims{}, badToken(err)
	}
	if err := g.judge(c, g.audience, notBefore); err != nil {
		return c, err
	}
	if g.accounts != nil && !slices.Contains(g.accounts, c.Account) {
		return c, invalidToken("account: it is another one")
	}
	return c, nil
}

// Logout is what a logout token says has ended.
type Logout struct {
	Subject string // empty where the token names the session alone
	Session string // sid; empty where all sessions of the subject ended
	ID      string // jti
}

// Logout reads a logout token for a client (OpenID Connect Back-Channel Logout 1.0, section
// 2.6), which comes as logout_token in a form. Whether one comes a second time is not
// looked at: a session ends only once. Errors are those of Access.
func (g *Guard) Logout(ctx context.Context, token, clientID string) (Logout, error) {
	payload, err := g.verify(ctx, token, logoutType)
	if err != nil {
		return Logout{}, err
	}
	r := payload.Read()
	l := Logout{Subject: r.OptionalText("sub"), Session: r.OptionalText("sid"), ID: r.Text("jti")}
	c := Claims{Issuer: r.Text("iss"), Audience: r.Audience(), Issued: r.Time("iat"), Expires: r.Time("exp")}
	events := r.Object("events")
	switch {
	case r.Err() != nil:
		return Logout{}, badToken(r.Err())
	case !events.Has(logoutEvent) || payload.Has("nonce") || l.Subject == "" && l.Session == "":
		return Logout{}, invalidToken("it is no logout token")
	}
	return l, g.judge(c, clientID, time.Time{})
}

// verify returns the payload of a token that the server has signed as one of its type. The
// header has the three members that the server writes and no other: so no key, address or
// extension in it is ever looked at (RFC 8725, sections 3.1, 3.10, 3.11).
func (g *Guard) verify(ctx context.Context, token, mediaType string) (jws.Object, error) {
	t, err := jws.Parse(token, maxToken)
	if err != nil {
		return jws.Object{}, badToken(err)
	}
	r := t.Header.Read()
	typ, kid, alg := r.Text("typ"), r.Text("kid"), r.Text("alg")
	switch {
	case r.Err() != nil:
		return jws.Object{}, badToken(r.Err())
	case len(t.Header.Names()) != 3:
		return jws.Object{}, invalidToken("header: it has other members than alg, kid and typ")
	case !jws.IsType(typ, mediaType):
		return jws.Object{}, invalidToken("typ: it is not %s", mediaType)
	case !jws.Allows(algorithms, alg):
		return jws.Object{}, invalidToken("alg: it is not used here")
	}
	k, err := g.keys.find(ctx, kid)
	if errors.Is(err, errUnknownKey) {
		return jws.Object{}, invalidToken("kid: it names no key of the issuer")
	}
	if err != nil {
		return jws.Object{}, err
	}
	if err := t.Verify(k, alg); err != nil {
		return jws.Object{}, badToken(err)
	}
	return t.Payload, nil
}

func badToken(err error) *Error {
	if e, ok := errors.AsType[*jws.Error](err); ok {
		return invalidToken("%s", e)
	}
	return &Error{Status: http.StatusUnauthorized, Code: "invalid_token", Description: "it cannot be read"}
}

// judge holds what every token says against now.
func (g *Guard) judge(c Claims, audience string, notBefore time.Time) error {
	now := g.now()
	switch {
	case c.Issuer != g.issuer:
		return invalidToken("iss: it is another issuer")
	case !slices.Contains(c.Audience, audience):
		return invalidToken("aud: it is for others")
	case !c.Issued.Before(c.Expires):
		return invalidToken("exp: it does not come after iat")
	case !now.Before(c.Expires.Add(skew)):
		return invalidToken("exp: it has passed")
	case c.Issued.After(now.Add(skew)):
		return invalidToken("iat: it lies in the future")
	case notBefore.After(now.Add(skew)):
		return invalidToken("nbf: it lies in the future")
	}
	return nil
}
