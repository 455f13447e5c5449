package token

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/url"
	"strings"

	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/seal"
	"signet/internal/web"
)

// ErrTwoProofs refuses a request by which a client proves itself in more than one way
// (RFC 6749, section 2.3): it is an invalid_request.
var ErrTwoProofs = fault.New(fault.Malformed, "client authentication is sent in more than one way, or twice")

// assertionType is the client_assertion_type of RFC 7523, section 2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// ClientRequest is what a request to an endpoint for clients says of its client.
type ClientRequest struct {
	Authorization string       // the one field line; empty where there is none
	Form          url.Values   // of the body
	Certificate   *Certificate // nil where the client showed none
}

// AuthenticateRequest returns the client that a request is proven to come from, by the
// one method that is registered for it. A public client only names itself.
//
// It returns ErrTwoProofs for more than one method in a request, which says nothing of
// any client, and ErrSecret alike for everything else that is wrong, with a challenge in
// WWW-Authenticate where Authorization was sent (RFC 6749, section 5.2). Other faults
// mean that nothing is known: the replay store is away, or is full.
func (s *Clients) AuthenticateRequest(ctx context.Context, r ClientRequest) (Client, error) {
	p, err := readProof(r)
	var c Client
	if err == nil {
		c, err = s.prove(ctx, p)
	}
	if why, ok := errors.AsType[refused](err); ok {
		slog.DebugContext(ctx, "client was not authenticated", "client", p.id, "reason", string(why))
		err = ErrSecret
	}
	if errors.Is(err, ErrSecret) && r.Authorization != "" {
		err = web.WithHeader(err, "WWW-Authenticate", `Basic realm="signet"`)
	}
	if err != nil {
		return Client{}, err
	}
	return c, nil
}

// refused is why a client is not authenticated: for the log, not for the client.
type refused string

// Error implements error.
func (r refused) Error() string { return string(r) }

// proof is what a request brings.
type proof struct {
	id          string
	method      AuthMethod // AuthNone where there is nothing but an id
	secret      string
	assertion   assertion
	certificate *Certificate
}

// readProof finds the one method that a request uses, and the client that it names.
func readProof(r ClientRequest) (proof, error) {
	p := proof{method: AuthNone, certificate: r.Certificate}
	for _, name := range []string{"client_id", "client_secret", "client_assertion", "client_assertion_type"} {
		if len(r.Form[name]) > 1 {
			return p, ErrTwoProofs
		}
	}
	// What is empty counts as left out (RFC 6749, section 3.2).
	named, secret, assertion := r.Form.Get("client_id"), r.Form.Get("client_secret"), r.Form.Get("client_assertion")
	asserts := assertion != "" || r.Form.Get("client_assertion_type") != ""
	if more := count(r.Authorization != "", secret != "", asserts); more > 1 {
		return p, ErrTwoProofs
	}
	p.id, p.secret = named, secret
	var err error
	switch {
	case r.Authorization != "":
		p.method = AuthBasic
		p.id, p.secret, err = readBasic(r.Authorization)
	case secret != "":
		p.method = AuthPost
	case asserts && r.Form.Get("client_assertion_type") != assertionType:
		err = refused("it has another kind of assertion")
	case asserts:
		p.method = AuthKey
		p.assertion, err = readAssertion(assertion)
		p.id = p.assertion.subject
	}
	switch {
	case err != nil:
		return p, err
	case named != "" && named != p.id:
		return p, refused("it names another client than it proves")
	case p.id == "" || db.Clean("client_id", p.id) != nil:
		return p, refused("it names no client")
	}
	return p, nil
}

func count(all ...bool) (n int) {
	for _, is := range all {
		if is {
			n++
		}
	}
	return n
}

// readBasic reads client_secret_basic: id and secret are form-encoded each, before they
// are joined (RFC 6749, section 2.3.1).
func readBasic(authorization string) (id, secret string, err error) {
	scheme, encoded, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", refused("its Authorization is not Basic")
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimLeft(encoded, " "))
	if err != nil {
		return "", "", refused("its Authorization is not base64")
	}
	user, password, ok := strings.Cut(string(text), ":")
	if !ok {
		return "", "", refused("its Authorization has no colon")
	}
	if id, err = url.QueryUnescape(user); err != nil {
		return "", "", refused("its id is not form-encoded")
	}
	if secret, err = url.QueryUnescape(password); err != nil {
		return "", "", refused("its secret is not form-encoded")
	}
	return id, secret, nil
}

// prove holds what a request brings to the client that it names.
func (s *Clients) prove(ctx context.Context, p proof) (Client, error) {
	a, err := s.actor(ctx, p.id)
	if err == nil && p.secret != "" && !a.kept.has(seal.SecretHash(p.secret), s.options.Now()) {
		s.actors.Drop(p.id) // it may be a newer one than what was read
		a, err = s.actor(ctx, p.id)
	}
	switch {
	case errors.Is(err, ErrNoClient):
		return Client{}, refused("there is no such client, or it is disabled")
	case err != nil:
		return Client{}, err
	}
	return a.client, s.judge(ctx, a.client, a.kept, p, seal.SecretHash(p.secret))
}

// judge returns nil where the client proved itself as it is registered to.
func (s *Clients) judge(ctx context.Context, c Client, kept secrets, p proof, hash []byte) error {
	sent := c.Auth
	if c.Auth == AuthTLS || c.Auth == AuthSelfSigned {
		sent = AuthNone // nothing but the certificate
	}
	if p.method != sent {
		return refused("it proves itself by another method than " + string(c.Auth))
	}
	switch c.Auth {
	case AuthBasic, AuthPost:
		if !kept.has(hash, s.options.Now()) {
			return refused("its secret is wrong")
		}
	case AuthKey:
		return s.judgeAssertion(ctx, c, p.assertion)
	case AuthTLS:
		return s.judgeChain(c, p.certificate)
	case AuthSelfSigned:
		return s.judgeOwn(ctx, c, p.certificate)
	case AuthNone:
	}
	return nil
}
