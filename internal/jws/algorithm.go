package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"math/big"
	"slices"
)

// The algorithms that there are (RFC 7518, section 3.1; RFC 8037, section 3.1; RFC
// 9864). All are asymmetric: "none" and HMAC are not among them.
const (
	ES256   = "ES256"
	ES384   = "ES384"
	EdDSA   = "EdDSA"   // Ed25519
	Ed25519 = "Ed25519" // the same by its name of RFC 9864
	PS256   = "PS256"
	RS256   = "RS256" // FAPI 2.0 does not allow it: only where a caller must
)

// families says which keys an algorithm takes.
var families = map[string]string{
	ES256: "EC P-256", ES384: "EC P-384", EdDSA: "OKP Ed25519", PS256: "RSA", RS256: "RSA",
}

// Known reports whether there is such an algorithm.
func Known(algorithm string) bool { return families[canonical(algorithm)] != "" }

// Allows reports whether the list has the algorithm, by either of its names. None that
// is not known here is ever allowed.
func Allows(list []string, algorithm string) bool {
	name := canonical(algorithm)
	return Known(name) && slices.ContainsFunc(list, func(s string) bool { return canonical(s) == name })
}

// canonical returns one name of an algorithm that has two.
func canonical(algorithm string) string {
	if algorithm == Ed25519 {
		return EdDSA
	}
	return algorithm
}

// Fits returns nil where the key may be used with the algorithm.
func (k Key) Fits(algorithm string) error {
	name := canonical(algorithm)
	switch {
	case !Known(name):
		return wrong("alg", "it is not used here")
	case families[name] != k.family || k.algorithm != "" && k.algorithm != name:
		return wrong("alg", "it is not the key's")
	}
	return nil
}

// verifies reports whether signature is the key's over signed. The algorithm fits.
func (k Key) verifies(algorithm, signed string, signature []byte) bool {
	switch public := k.Public.(type) {
	case *ecdsa.PublicKey:
		return verifiesEC(public, algorithm, signed, signature)
	case ed25519.PublicKey:
		return ed25519.Verify(public, []byte(signed), signature)
	case *rsa.PublicKey:
		sum := sha256.Sum256([]byte(signed))
		if algorithm == RS256 {
			return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature) == nil
		}
		// The salt is as long as the hash (RFC 7518, section 3.5).
		return rsa.VerifyPSS(public, crypto.SHA256, sum[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	}
	return false
}

func verifiesEC(public *ecdsa.PublicKey, algorithm, signed string, signature []byte) bool {
	var sum []byte
	if algorithm == ES384 {
		full := sha512.Sum384([]byte(signed))
		sum = full[:]
	} else {
		full := sha256.Sum256([]byte(signed))
		sum = full[:]
	}
	half := len(sum) // as long as R, and as S (RFC 7518, section 3.4)
	if len(signature) != 2*half {
		return false
	}
	return ecdsa.Verify(public, sum, new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:]))
}
