package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"signet/internal/jws"
)

// Algorithm is how a key signs (RFC 7518, section 3.1; RFC 8037, section 3.1).
type Algorithm string

// The algorithms that there are.
const (
	ES256 Algorithm = jws.ES256
	EdDSA Algorithm = jws.EdDSA // Ed25519
)

// state says what a key is used for.
type state string

const (
	stateNext    state = "next"    // published, does not sign yet
	stateActive  state = "active"  // signs
	stateRetired state = "retired" // verifies until it expires
)

// key is a signing key. It is not changed once made.
type key struct {
	id      string // RFC 7638 thumbprint, base64url
	alg     Algorithm
	private crypto.Signer
	public  jws.Key
}

func generate(alg Algorithm) (*key, error) {
	var private crypto.Signer
	var err error
	switch alg {
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, private, err = ed25519.GenerateKey(nil)
	default:
		err = fmt.Errorf("no algorithm %q", alg)
	}
	if err != nil {
		return nil, err
	}
	return newKey(private)
}

// parseKey reads the key that marshal wrote. It must be the one that id names.
func parseKey(id string, der []byte) (*key, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%T does not sign", parsed)
	}
	k, err := newKey(private)
	if err == nil && k.id != id {
		err = errors.New("it is another key than its id says")
	}
	return k, err
}

func (k *key) marshal() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k.private) }

func newKey(private crypto.Signer) (*key, error) {
	k := &key{private: private}
	switch p := private.(type) {
	case *ecdsa.PrivateKey:
		if p.Curve != elliptic.P256() {
			return nil, errors.New("it is not on P-256")
		}
		k.alg = ES256
	case ed25519.PrivateKey:
		k.alg = EdDSA
	default:
		return nil, fmt.Errorf("%T is no key of ours", private)
	}
	var err error
	if k.public, err = jws.NewKey(private.Public()); err != nil {
		return nil, err
	}
	k.id = k.public.Thumbprint()
	return k, nil
}

// jwk is the public half, as it is published (RFC 7517, section 4).
func (k *key) jwk() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: string(k.alg), Use: "sig"}
}

// sign returns payload as a JWS of a type in its compact form (RFC 7515, section 7.1).
// No token passes for one of another type.
func (k *key) sign(typ string, payload []byte) (string, error) {
	header := `{"alg":"` + string(k.alg) + `","kid":"` + k.id + `","typ":"` + typ + `"}`
	room := make([]byte, 0, base64.RawURLEncoding.EncodedLen(len(header)+len(payload)+64)+4)
	room = base64.RawURLEncoding.AppendEncode(room, []byte(header))
	room = append(room, '.')
	room = base64.RawURLEncoding.AppendEncode(room, payload)
	signature, err := k.signature(room)
	if err != nil {
		return "", err
	}
	return string(base64.RawURLEncoding.AppendEncode(append(room, '.'), signature)), nil
}

// signature is that of JWS: of ES256 R and S of 32 bytes each (RFC 7518, section 3.4).
func (k *key) signature(signed []byte) ([]byte, error) {
	private, ok := k.private.(*ecdsa.PrivateKey)
	if !ok {
		return k.private.Sign(rand.Reader, signed, crypto.Hash(0)) // Ed25519 (RFC 8037, section 3.1)
	}
	sum := sha256.Sum256(signed)
	r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out, nil
}

// stored is a key with what the store says of it.
type stored struct {
	*key

	state   state
	created time.Time
	expires time.Time // of a retired key
}

// verifiesAt reports whether tokens of the key may be good at now.
func (s stored) verifiesAt(now time.Time) bool {
	return s.state != stateRetired || now.Before(s.expires)
}
