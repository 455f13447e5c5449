package authproof

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
)

// KeyID names a public key: the SHA-256 of its 32 bytes, in lower-case hex.
func KeyID(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(pub)
	return hex.EncodeToString(sum[:])
}

// ParsePublicKey reads a public key from standard base64 with padding, the form
// of the key API and of DNS. Its errors wrap ErrKey.
func ParsePublicKey(b64 string) (ed25519.PublicKey, error) {
	// The decoder would skip line breaks; with the length fixed it has none to skip.
	if len(b64) != base64.StdEncoding.EncodedLen(ed25519.PublicKeySize) {
		return nil, fmt.Errorf("%w: not standard base64 of 32 bytes", ErrKey)
	}
	pub, err := base64.StdEncoding.Strict().DecodeString(b64)
	if err != nil {
		return nil, fmt.Errorf("%w: not standard base64 of 32 bytes", ErrKey)
	}
	if err := CheckPublicKey(pub); err != nil {
		return nil, err
	}
	return pub, nil
}

// CheckPublicKey refuses, with ErrKey, bytes that ed25519.Verify takes for a key
// and that prove nothing, or that have two spellings: a wrong length, a point that
// is not on the curve, one of small order, or one that is not encoded as RFC 8032,
// section 5.1.3, demands. Some signatures verify under a key of small order
// whatever the message is.
func CheckPublicKey(pub []byte) error {
	if err := checkEncoding(pub); err != nil {
		return err
	}
	if !onCurve(pub) {
		return fmt.Errorf("%w: not a point of the curve", ErrKey)
	}
	return nil
}

// checkEncoding is all of CheckPublicKey that ed25519.Verify does not do itself.
// It costs nothing beside a verification.
func checkEncoding(pub []byte) error {
	if len(pub) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: %d bytes, want 32", ErrKey, len(pub))
	}
	y := yOf(pub)
	if bytes.Compare(y[:], prime[:]) >= 0 {
		return fmt.Errorf("%w: not a canonical encoding", ErrKey)
	}
	if slices.Contains(smallOrder[:], y) {
		return fmt.Errorf("%w: a point of small order", ErrKey)
	}
	return nil
}

// yOf returns the y coordinate in big-endian order, without the sign of x that
// shares its last byte (RFC 8032, section 5.1.2).
func yOf(pub []byte) (y [32]byte) {
	copy(y[:], pub)
	y[31] &= 0x7f
	slices.Reverse(y[:])
	return y
}

// prime is 2^255 - 19, the order of the field, in big-endian order.
var prime = [32]byte(unhex("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed"))

// smallOrder lists the y coordinates of the eight points whose order divides 8:
// each but the first two stands for a point and its negative.
var smallOrder = [...][32]byte{
	[32]byte(unhex("0000000000000000000000000000000000000000000000000000000000000001")), // order 1
	[32]byte(unhex("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec")), // order 2
	[32]byte(unhex("0000000000000000000000000000000000000000000000000000000000000000")), // order 4
	[32]byte(unhex("7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7")), // order 8
	[32]byte(unhex("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826")), // order 8
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// onCurve reports whether some x solves -x² + y² = 1 + dx²y² (RFC 8032, section
// 5.1), that is, whether (y²-1)/(dy²+1) is a square: then its numerator times its
// denominator is one as well. The denominator is never zero.
func onCurve(pub []byte) bool {
	p := new(big.Int).SetBytes(prime[:])
	d := new(big.Int).SetBytes(unhex("52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3"))
	one := big.NewInt(1)

	y := yOf(pub)
	yy := new(big.Int).SetBytes(y[:])
	yy.Mul(yy, yy).Mod(yy, p)
	u := new(big.Int).Sub(yy, one)
	v := d.Mul(d, yy).Add(d, one)
	return big.Jacobi(u.Mul(u, v).Mod(u, p), p) >= 0
}
