package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"testing"
	"time"
)

// What tests outside need to know.
const (
	Lead     = lead
	Retired  = retired
	FreshFor = freshFor
)

// ActiveKey returns the key that signs, and its id.
func (a *Authority) ActiveKey(t testing.TB) (string, crypto.Signer) {
	t.Helper()
	r, err := a.current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r.active.id, r.active.private
}

// Sign returns a token with this header and payload under the active key.
func (a *Authority) Sign(t testing.TB, header, payload string) string {
	t.Helper()
	_, private := a.ActiveKey(t)
	e := base64.RawURLEncoding
	signed := e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(payload))
	return signed + "." + e.EncodeToString(signBare(t, private, []byte(signed)))
}

// Known returns the ids of the keys in memory, by state.
func (a *Authority) Known(now time.Time) map[string]string {
	all := map[string]string{}
	for id, s := range a.ring.Load().byID {
		if s.verifiesAt(now) {
			all[id] = string(s.state)
		}
	}
	return all
}

// VerifyBare does nothing but verify a signature with the active key.
func (a *Authority) VerifyBare(signed, signature []byte) bool {
	switch public := a.ring.Load().active.private.Public().(type) {
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(signed)
		return ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	case ed25519.PublicKey:
		return ed25519.Verify(public, signed, signature)
	}
	return false
}

// SignBare signs without the library that the package signs with.
func SignBare(t testing.TB, private crypto.Signer, text []byte) []byte {
	return signBare(t, private, text)
}
