// Package authproof makes and checks AUTH-PROOFs: an Ed25519 signature (RFC 8032)
// over the envelope of one mail, sent as a parameter of MAIL FROM.
//
// A proof is base64 of a small JSON object. Version 1 signs the time, the
// Message-ID and the envelope sender; version 2 also signs the relay that the
// proof is meant for, so that a captured one serves no other relay. The bytes are
// specified in docs/spec/authenticated-routing.md.
//
//	proof, err := authproof.Sign(key, authproof.Claims{Version: 2, Timestamp: time.Now(),
//		MessageID: "<1@example.org>", Sender: "alice@example.org", Audience: "mx.example.org"})
//
//	p, err := authproof.Parse(proof)
//	// find the public key of p.KeyID that may sign for the envelope sender
//	err = p.Verify(pub, sender, []string{"mx.example.org", authproof.AnyRelay}, time.Now(), authproof.Window)
//
// The package keeps no state. Whoever accepts proofs must also refuse a second use
// of one, and must know which senders a key may sign for.
package authproof

import (
	"errors"
	"time"
)

// What Parse, Verify, Sign and the key functions can refuse.
var (
	ErrMalformed = errors.New("malformed proof")
	ErrKey       = errors.New("unusable public key")
	ErrSignature = errors.New("invalid signature")
	ErrStale     = errors.New("timestamp out of range")
	ErrClaims    = errors.New("claims cannot be signed")
)

// Limits of a proof, in characters as it is sent and in bytes once decoded.
const (
	MaxEncoded = 1400
	MaxDecoded = 1024
)

// Window is how far a timestamp may usually lie before or after the verifier's clock.
const Window = 300 * time.Second

// AnyRelay is the audience of a version 2 proof that every relay may take.
const AnyRelay = "*"

// Proof is a proof that was parsed and not yet verified: nothing in it is true
// until Verify says so.
type Proof struct {
	Version   int    // 1 or 2
	KeyID     string // as KeyID gives it
	Timestamp int64  // Unix seconds, 0 to the end of the year 9999
	MessageID string // UTF-8, no control characters, never empty
	Signature []byte // 64 bytes
}

// Claims are what a proof states and its signature covers.
type Claims struct {
	Version   int // 1 or 2
	Timestamp time.Time
	MessageID string
	Sender    string // envelope sender: no quotes, no angle brackets, case kept
	Audience  string // version 2 only: DNS name of the first relay, or AnyRelay
}
