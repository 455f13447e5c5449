// Package resource protects an app's own API with the access tokens of a Signet server
// (RFC 9068): of whom a request is, from whom it comes, and what it may.
//
//	guard, err := resource.Protect("https://auth.example.org", "https://api.example.org")
//	...
//	mux.Handle("GET /notes", guard.Handler(notes, resource.RequireScope("notes:read")))
//	mux.Handle("POST /pay", guard.Handler(pay, resource.RequireFresh(5*time.Minute, "phr")))
//
// and within them resource.From(r.Context()) says who asks.
//
// A token that is bound to a key is good with a DPoP proof of that key (RFC 9449) alone,
// each proof once; one that is bound to a certificate, with that certificate (RFC 8705).
// Without them a token that was stolen is of no use.
package resource

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"signet/internal/dpop"
)

const (
	maxToken      = 8 << 10          // bytes
	skew          = 10 * time.Second // by which clocks may differ
	proofLifetime = time.Minute
	maxReplays    = 1 << 20 // proofs that the default store remembers
)

// Guard verifies tokens and the requests that carry them. It is safe for concurrent use.
type Guard struct {
	issuer, audience string
	origin           string // of this app; empty where tokens bound to a key cannot be checked
	senderOnly       bool
	accounts         []string // whose tokens are taken; nil: all
	policy           dpop.Policy
	keys             *keys
	nonces           *dpop.Nonces // nil where none are demanded
	replays          Replays
	certificate      func(*http.Request) *x509.Certificate
	now              func() time.Time
}

// Option changes what Protect sets up.
type Option func(*Guard)

// Origin says what the public address of this app begins with, such as
// https://api.example.org: proofs are made for it. The Host of a request is never
// believed. Without it, it is the audience, where that is an address.
func Origin(address string) Option {
	return func(g *Guard) { g.origin = strings.TrimSuffix(address, "/") }
}

// Accounts refuses tokens of who acts in another account (tenant) than these. The audience
// is no bound of tenants: clients of every account may ask for tokens for it. So an app that
// is not for all of them names those it is for, or holds [Claims].Account to its own data.
func Accounts(ids ...string) Option { return func(g *Guard) { g.accounts = ids } }

// Keys says where the server's keys are, if not at the issuer's /jwks.
func Keys(address string) Option { return func(g *Guard) { g.keys.url = address } }

// HTTPClient says how the server is asked for its keys. The default follows no redirect
// and waits 5 s.
func HTTPClient(c *http.Client) Option { return func(g *Guard) { g.keys.http = c } }

// SenderConstrained refuses tokens that are bound to neither key nor certificate.
func SenderConstrained() Option { return func(g *Guard) { g.senderOnly = true } }

// Nonces demands that a proof has a nonce of ours (RFC 9449, section 9): then none can be
// made in advance. Instances of an app share the key. A nonce is good for ttl at most and
// two thirds of it at least; it is not remembered.
func Nonces(key [32]byte, ttl time.Duration) Option {
	return func(g *Guard) { g.nonces = dpop.NewNonces(key, ttl) }
}

// UsedProofs says where used proofs are remembered. The default is a [Memory] of a
// million, which is enough for one instance; several need a store that they share.
func UsedProofs(r Replays) Option { return func(g *Guard) { g.replays = r } }

// Certificate says how to find the certificate that the client has shown, nil for none.
// The default is that of the TLS connection; behind a proxy that ends TLS it must read
// what the proxy, and nobody else, says of it.
func Certificate(of func(*http.Request) *x509.Certificate) Option {
	return func(g *Guard) { g.certificate = of }
}

// Clock is for tests.
func Clock(now func() time.Time) Option { return func(g *Guard) { g.now = now } }

// Protect returns a guard that takes access tokens of the issuer for the audience. It asks
// nobody yet: the keys are fetched with the first token.
func Protect(issuer, audience string, options ...Option) (*Guard, error) {
	if issuer == "" || audience == "" {
		return nil, errors.New("resource: issuer and audience must be named")
	}
	g := &Guard{
		issuer: issuer, audience: audience, keys: newKeys(strings.TrimSuffix(issuer, "/") + "/jwks"), certificate: tlsCertificate, now: time.Now,
		policy: dpop.Policy{Algorithms: []string{"ES256", "EdDSA", "Ed25519", "PS256"}, Lifetime: proofLifetime, Skew: skew},
	}
	if u, err := url.Parse(audience); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
		g.origin = u.Scheme + "://" + u.Host
	}
	for _, o := range options {
		o(g)
	}
	g.keys.now = g.now
	if g.replays == nil {
		g.replays = NewMemory(maxReplays, g.now)
	}
	if g.origin != "" {
		if _, err := dpop.Normalize(g.origin); err != nil {
			return nil, fmt.Errorf("resource: origin %q: %w", g.origin, err)
		}
	}
	return g, nil
}

func tlsCertificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

type claimsKey struct{}

// From returns what the token of the request says, and false where no [Guard] let it in.
func From(ctx context.Context) (Claims, bool) {
	c, ok := ctx.Value(claimsKey{}).(Claims)
	return c, ok
}

// Handler lets through to next what comes with a good token from its sender and meets the
// requirements. Other requests get 401, 403, 400 or, where keys or used proofs cannot be
// asked for, 503, with WWW-Authenticate (RFC 6750, 9449 and 9470) and a JSON body with
// error and error_description.
func (g *Guard) Handler(next http.Handler, requirements ...Requirement) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := g.Check(r)
		for _, require := range requirements {
			if err == nil {
				err = require(c, g.now())
			}
		}
		if g.nonces != nil && scheme(r) == "dpop" {
			w.Header().Set("DPoP-Nonce", g.nonces.Issue(g.audience, 0, g.now()))
			w.Header().Add("Access-Control-Expose-Headers", "DPoP-Nonce")
		}
		if err != nil {
			g.answer(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, c)))
	})
}

// Check returns what the token of a request says, where it is good, for this audience, and
// sent by whom it is bound to. It spends the proof. What a client did wrong is an [*Error];
// other errors mean that keys or used proofs could not be asked for. Handler calls it.
func (g *Guard) Check(r *http.Request) (Claims, error) {
	how, token, err := credentials(r)
	if err != nil {
		return Claims{}, err
	}
	c, err := g.Access(r.Context(), token)
	if err != nil {
		return Claims{}, err
	}
	switch {
	case c.JKT != "" && how != "dpop":
		return Claims{}, invalidToken("the token is bound to a key: send it as DPoP, with a proof") // RFC 9449, section 7.2
	case c.JKT == "" && how == "dpop":
		return Claims{}, invalidToken("the token is not bound to a key")
	case g.senderOnly && c.JKT == "" && c.X5T == "":
		return Claims{}, invalidToken("the token is bound to neither a key nor a certificate")
	}
	if c.X5T != "" {
		if err := g.checkCertificate(r, c); err != nil {
			return Claims{}, err
		}
	}
	if c.JKT != "" {
		if err := g.checkProof(r, token, c); err != nil {
			return Claims{}, err
		}
	}
	return c, nil
}

// credentials reads the Authorization header (RFC 9110, section 11.6.2). The scheme is in
// lower case.
func credentials(r *http.Request) (how, token string, err error) {
	lines := r.Header.Values("Authorization")
	if len(lines) == 0 {
		return "", "", &Error{Status: http.StatusUnauthorized}
	}
	_, token, _ = strings.Cut(lines[0], " ")
	how, token = scheme(r), strings.TrimLeft(token, " ")
	switch {
	case len(lines) > 1 || strings.ContainsAny(token, " ,"):
		return "", "", &Error{Status: http.StatusBadRequest, Code: "invalid_request", Description: "there is more than one way of authentication"}
	case how != "bearer" && how != "dpop":
		return "", "", &Error{Status: http.StatusUnauthorized}
	case token == "":
		return "", "", invalidToken("there is no token")
	}
	return how, token, nil
}

// answer tells a client why it is not let in.
func (g *Guard) answer(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		// That the keys cannot be had was logged when it was found; tokens that ask for them may be made up.
		if !errors.Is(err, errKeys) && r.Context().Err() == nil {
			slog.ErrorContext(r.Context(), "access token was not checked", "error", err)
		}
		e = &Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Description: "access tokens cannot be checked now"}
		w.Header().Set("Retry-After", "10")
	}
	e.write(w, g.challenges(r, e))
}

// challenges says how to ask again: by DPoP where the client could, and by Bearer where
// that is good too.
func (g *Guard) challenges(r *http.Request, e *Error) []string {
	byDPoP, byBearer := `DPoP algs="`+strings.Join(g.policy.Algorithms, " ")+`"`, "Bearer"
	if p := e.parameters(); p != "" {
		byDPoP, byBearer = byDPoP+", "+p, byBearer+" "+p
	}
	switch {
	case g.origin == "":
		return []string{byBearer}
	case g.senderOnly || scheme(r) == "dpop":
		return []string{byDPoP}
	}
	return []string{byDPoP, byBearer}
}

// scheme returns how a request authenticates, in lower case.
func scheme(r *http.Request) string {
	name, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.ToLower(name)
}
