package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"testing"
)

// signBare signs as RFC 7518, section 3.4 and RFC 8037, section 3.1 say, without
// the library that the package signs with.
func signBare(t testing.TB, private crypto.Signer, text []byte) []byte {
	t.Helper()
	switch k := private.(type) {
	case *ecdsa.PrivateKey:
		sum := sha256.Sum256(text)
		r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case ed25519.PrivateKey:
		return ed25519.Sign(k, text)
	}
	t.Fatalf("no such key %T", private)
	return nil
}
