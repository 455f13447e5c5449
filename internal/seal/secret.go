package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// NewSecret returns 256 random bits as base64url behind a prefix, to be shown once,
// and what is kept of them: see [SecretHash].
func NewSecret(prefix string) (secret string, hash []byte) {
	var bits [32]byte
	_, _ = rand.Read(bits[:]) // never fails (crypto/rand)
	secret = prefix + base64.RawURLEncoding.EncodeToString(bits[:])
	return secret, SecretHash(secret)
}

// SecretHash is the SHA-256 of a secret from [NewSecret]. A plain hash is enough:
// nobody guesses 256 bits.
func SecretHash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
