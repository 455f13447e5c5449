package token

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
)

// Certificate is what a client has shown of itself in TLS: on a listener of this
// server, or at a proxy that passes it on. Whose it is, is still to be checked.
type Certificate struct {
	Leaf     *x509.Certificate
	Chain    []*x509.Certificate // that came with it, without the leaf
	Verified bool                // a trusted proxy has verified its chain
}

// Thumbprint returns the SHA-256 of the certificate in base64url, as x5t#S256 has it
// (RFC 8705, section 3.1), and "" where there is no certificate.
func (c *Certificate) Thumbprint() string {
	if c == nil {
		return ""
	}
	sum := sha256.Sum256(c.Leaf.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
