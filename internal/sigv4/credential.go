package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"sync/atomic"
)

// A Credential is an access key that may sign. It is safe for concurrent use.
//
// It keeps the last signing key that was derived from its secret (one a day, region
// and service). Nothing else keeps it: who drops the Credential has dropped both.
type Credential struct {
	accessKeyID string
	secret      string
	token       string
	holder      any
	last        atomic.Pointer[derived]
}

type derived struct {
	scope string
	key   signingKey
}

// NewCredential returns the credential of an access key. The session token is empty
// for keys that stay; where it is not, requests must carry the same. The holder is what
// a lookup wants to find again in [Identity].
func NewCredential(accessKeyID, secret, sessionToken string, holder any) *Credential {
	return &Credential{accessKeyID: accessKeyID, secret: secret, token: sessionToken, holder: holder}
}

// AccessKeyID returns the public part.
func (c *Credential) AccessKeyID() string { return c.accessKeyID }

// SessionToken returns the token of a session credential, or "".
func (c *Credential) SessionToken() string { return c.token }

// Holder returns what NewCredential was given.
func (c *Credential) Holder() any { return c.holder }

// keyFor returns the signing key of a scope, DATE/REGION/SERVICE/aws4_request.
func (c *Credential) keyFor(scope string) *signingKey {
	if d := c.last.Load(); d != nil && d.scope == scope {
		return &d.key
	}
	// The scope is a part of a request's header: a copy lets the rest of it go.
	d := &derived{scope: strings.Clone(scope), key: deriveKey(c.secret, scope)}
	c.last.Store(d)
	return &d.key
}

// A signingKey signs all requests of one scope.
type signingKey [sha256.Size]byte

func deriveKey(secret, scope string) signingKey {
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(scope, "/") {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	return signingKey(key)
}

// decoy signs in place of keys that are not known, so that they take as long.
var decoy signingKey

// mac is HMAC-SHA-256 (RFC 2104) of text. crypto/hmac would allocate five times for
// what fits on the stack: the key is always shorter than a block.
func (k *signingKey) mac(text []byte) [sha256.Size]byte {
	var stack [sha256.BlockSize + 256]byte
	inner := stack[:sha256.BlockSize]
	var outer [sha256.BlockSize + sha256.Size]byte
	copy(inner, k[:])
	copy(outer[:], k[:])
	for i := range sha256.BlockSize {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	sum := sha256.Sum256(append(inner, text...))
	copy(outer[sha256.BlockSize:], sum[:])
	return sha256.Sum256(outer[:])
}
