// Package sigv4 proves who sent a request to S3, and that its body is the one that was
// signed: AWS Signature Version 4 in the header, in the query of a presigned URL and in
// the policy of a POST form, with the bodies that the SDKs send (aws-chunked, signed or
// not, with trailers and checksums).
//
// [Verify] reads nothing of a body. The [Body] that it returns proves itself while it is
// read, and gives away its last byte only when all of it held. The other direction is
// [Sign] and [Presign]; [Explain] says why a signature is wrong.
package sigv4

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// MaxSkew is by how much the clock of a client may differ.
	MaxSkew = 15 * time.Minute
	// MaxExpires is how long a presigned URL may be good.
	MaxExpires = 7 * 24 * time.Hour

	algorithm  = "AWS4-HMAC-SHA256"
	algorithmA = "AWS4-ECDSA-P256-SHA256"
	terminal   = "aws4_request"
	longDate   = "20060102T150405Z"
)

// KeyLookup finds the credential of an access key. It returns nil, nil where the key is
// not known or may not sign. An *[Error] of it is the answer (InvalidToken,
// ExpiredToken); any other error is internal and passed on.
//
// The session token is what the request carries, or "". A credential that has a token of
// its own signs only with that one; a lookup that keeps it elsewhere compares it itself,
// and refuses one where there should be none.
type KeyLookup func(ctx context.Context, accessKeyID, sessionToken string) (*Credential, error)

// Options say what a request is held to.
type Options struct {
	Now     time.Time
	Region  string // of the scope; "" takes any
	Service string // of the scope: "s3" or "sts"
	Host    string // the host that the client named, where a trusted proxy forwarded it; "" is r.Host
	MaxBody int64  // bytes of a decoded body; 0 for no limit
	Bucket  string // that a POST form was sent to
}

// Form is where a signature stands.
type Form int

// The forms. A request without any is anonymous.
const (
	None Form = iota
	Header
	Query
	PostForm
)

// Identity is who signed a request, and how. Of a request without credentials all but
// Payload is zero.
type Identity struct {
	Form          Form
	AccessKeyID   string
	Credential    *Credential
	SignedAt      time.Time
	Expires       time.Duration // of a presigned URL
	Payload       Payload
	SignedHeaders []string // in lower case, sorted
}

// Verify checks the signature of a request and returns who made it, with its body. It
// reads nothing of r.Body, so that a refusal comes before 100 Continue; except for a
// service that is not S3, whose requests do not say what the hash of their body is: that
// is read, up to MaxBody or 128 KiB.
//
// A request without credentials is no error: its Form is None, and the caller decides
// what an anonymous may do. Refusals are *[Error]; other errors are those of keys.
func Verify(r *http.Request, keys KeyLookup, o Options) (Identity, *Body, error) {
	c, err := claimOf(r, o)
	if err != nil {
		return Identity{}, nil, err
	}
	payload, err := c.payloadOf(r, o)
	if err != nil {
		return Identity{}, nil, err
	}
	if c.form == None {
		if payload.signed() {
			return Identity{}, nil, denied("A body in signed chunks needs a request that is signed")
		}
		b, err := newBody(r, payload, nil, o)
		return Identity{Payload: payload.kind}, b, err
	}
	cred, key, err := c.prove(r, keys, o)
	if err != nil {
		return Identity{}, nil, err
	}
	var s *seed
	if payload.signed() {
		s = c.seed(key)
	}
	b, err := newBody(r, payload, s, o)
	if err != nil {
		return Identity{}, nil, err
	}
	return Identity{
		Form: c.form, AccessKeyID: c.accessKeyID, Credential: cred, SignedAt: c.at,
		Expires: c.expires, Payload: payload.kind, SignedHeaders: strings.Split(c.signed, ";"),
	}, b, nil
}

// Unverified is Verify where authentication is off: any credentials will do, or none,
// and no signature is looked at. What a body says of itself (its hash, checksums and
// length) must still hold. The identity has no Credential.
func Unverified(r *http.Request, o Options) (Identity, *Body, error) {
	c := looseClaim(r)
	text := c.statedHash(r)
	if text == "" {
		text = unsignedPayload
	}
	payload, err := parsePayload(text)
	if err != nil {
		return Identity{}, nil, err
	}
	b, err := newBody(r, payload, nil, o)
	return Identity{Form: c.form, AccessKeyID: c.accessKeyID, Payload: payload.kind}, b, err
}

// prove checks time, headers and signature of a claim.
func (c *claim) prove(r *http.Request, keys KeyLookup, o Options) (*Credential, *signingKey, error) {
	if err := c.checkTime(o.Now); err != nil {
		return nil, nil, err
	}
	if err := c.checkHeaders(r); err != nil {
		return nil, nil, err
	}
	cred, key, err := c.find(r.Context(), keys)
	if err != nil {
		return nil, nil, err
	}
	m := c.message(r, o)
	var forRequest [1536]byte
	var forString [256]byte
	canonical := m.appendCanonical(forRequest[:0], r)
	text := appendStringToSign(forString[:0], c.stamp, c.scope, canonical)
	ok := key.signed(text, c.signature)
	if cred == nil {
		return nil, nil, unknownKey(c.accessKeyID)
	}
	if !ok {
		return nil, nil, mismatch(c.accessKeyID, string(text), c.signature, string(canonical))
	}
	return cred, key, nil
}

// find returns the credential and its signing key; the decoy with none where there is none.
func (c *claim) find(ctx context.Context, keys KeyLookup) (*Credential, *signingKey, error) {
	cred, err := keys(ctx, c.accessKeyID, c.token)
	if e, ok := errors.AsType[*Error](err); ok {
		return nil, nil, e
	}
	if err != nil {
		return nil, nil, fmt.Errorf("find access key: %w", err)
	}
	if cred == nil {
		return nil, &decoy, nil
	}
	if cred.token != "" && subtle.ConstantTimeCompare([]byte(cred.token), []byte(c.token)) != 1 {
		return nil, nil, badToken()
	}
	return cred, cred.keyFor(c.scope), nil
}

// signed reports whether signature, in hex, is that of text. It takes as long for one
// that is right as for one that is not.
func (k *signingKey) signed(text []byte, signature string) bool {
	var given, want [64]byte
	sum := k.mac(text)
	hex.Encode(want[:], sum[:])
	n := copy(given[:], signature)
	return subtle.ConstantTimeCompare(given[:], want[:]) == 1 && n == len(signature)
}
