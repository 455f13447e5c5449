package resource

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"signet/internal/dpop"
	"signet/internal/fault"
)

// checkCertificate holds the certificate that the client has shown against the one that
// the token is bound to (RFC 8705, section 3).
func (g *Guard) checkCertificate(r *http.Request, c Claims) error {
	cert := g.certificate(r)
	if cert == nil {
		return invalidToken("the token is bound to a certificate, and none was shown")
	}
	sum := sha256.Sum256(cert.Raw)
	if !same(base64.RawURLEncoding.EncodeToString(sum[:]), c.X5T) {
		return invalidToken("the token is bound to another certificate")
	}
	return nil
}

// checkProof checks the proof of the key that the token is bound to, and spends it last: a
// proof that is refused for something else may be corrected and sent again.
func (g *Guard) checkProof(r *http.Request, token string, c Claims) error {
	if g.origin == "" {
		return errors.New("resource: a token is bound to a key, and the origin of this app is not set")
	}
	now := g.now()
	p, err := dpop.Verify(g.policy, dpop.Request{Headers: r.Header.Values("DPoP"), Method: r.Method, URL: g.origin + path(r)}, now)
	if err != nil {
		return badProof(err)
	}
	if g.nonces != nil {
		if _, why := g.nonces.Check(g.audience, p.Nonce, now); why != dpop.Good {
			return &Error{Status: http.StatusUnauthorized, Code: "use_dpop_nonce", Description: "the proof needs the nonce of this answer"}
		}
	}
	if err := p.For(token); err != nil {
		return badProof(err)
	}
	if !same(p.JKT, c.JKT) {
		return invalidToken("the token is bound to another key")
	}
	fresh, err := g.replays.Take(r.Context(), Use{ID: p.Once(g.audience), Issued: p.Issued, Until: p.Expires})
	if err != nil {
		return fmt.Errorf("used proofs: %w", err)
	}
	if !fresh {
		return invalidProof("the proof was used before")
	}
	return nil
}

// path is what the client asked for, whatever a mux has made of it since.
func path(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		target, _, _ := strings.Cut(r.RequestURI, "?")
		return target
	}
	return r.URL.EscapedPath()
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func invalidProof(text string) *Error {
	return &Error{Status: http.StatusUnauthorized, Code: "invalid_dpop_proof", Description: text}
}

// badProof is an error of package dpop as a client hears it.
func badProof(err error) error {
	f, ok := fault.As(err)
	if !ok {
		return err
	}
	return invalidProof(f.Error())
}
