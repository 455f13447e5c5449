package jws

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
)

const (
	minRSA = 2048 // bits (RFC 7518, section 3.3)
	maxRSA = 4096 // bits; longer ones make a server work for nothing
)

// Key is a public key that verifies. It is not changed once made.
type Key struct {
	ID     string // kid; empty where the key names none
	Public crypto.PublicKey

	family     string // EC P-256, EC P-384, OKP Ed25519, RSA
	algorithm  string // the one it is for; empty for any of its family
	thumbprint string
}

// Thumbprint returns the SHA-256 thumbprint of the key, in base64url (RFC 7638; RFC
// 8037, appendix A.3).
func (k Key) Thumbprint() string { return k.thumbprint }

// NewKey returns the key that public is: *ecdsa.PublicKey on P-256 or P-384,
// ed25519.PublicKey, or *rsa.PublicKey of 2048 to 4096 bits.
func NewKey(public crypto.PublicKey) (Key, error) {
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil {
			return Key{}, err
		}
		if p.Curve != elliptic.P256() && p.Curve != elliptic.P384() {
			return Key{}, errors.New("it is on a curve that is not used here")
		}
		half := len(point) / 2
		return ecKey(p, p.Params().Name, encode(point[1:1+half]), encode(point[1+half:])), nil
	case ed25519.PublicKey:
		if len(p) != ed25519.PublicKeySize || isWeak(p) {
			return Key{}, errors.New("it is not a key of Ed25519")
		}
		return edKey(p, encode(p)), nil
	case *rsa.PublicKey:
		if !isRSA(p) {
			return Key{}, errors.New("it is not an RSA key of 2048 to 4096 bits")
		}
		return rsaKey(p, encode(p.N.Bytes()), encode(big.NewInt(int64(p.E)).Bytes())), nil
	}
	return Key{}, errors.New("it is of a kind that is not used here")
}

// private lists the members of private and of symmetric keys (RFC 7518, sections
// 6.2.2, 6.3.2 and 6.4).
var private = [...]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// ParseKey reads a public JWK (RFC 7517): EC on P-256 or P-384, OKP with Ed25519, or RSA
// of 2048 to 4096 bits. Whatever holds a private member is refused: its owner gave the
// secret away. Members that are not known here are passed over.
func ParseKey(o Object) (Key, error) {
	for _, name := range private {
		if o.Has(name) {
			return Key{}, wrong("jwk", "it is not public: it has the member %s", name)
		}
	}
	r := o.Read()
	k, err := parsePublic(r)
	if err != nil {
		return Key{}, err
	}
	k.ID, k.algorithm = r.OptionalText("kid"), canonical(r.OptionalText("alg"))
	if use := r.OptionalText("use"); use != "" && use != "sig" {
		r.Wrong("jwk", "its use is not sig")
	}
	if o.Has("key_ops") && !slices.Contains(r.List("key_ops"), "verify") {
		r.Wrong("jwk", "its key_ops do not have verify")
	}
	if k.algorithm != "" && families[k.algorithm] != k.family {
		r.Wrong("jwk", "its alg is not one of its kty")
	}
	if r.err != nil {
		return Key{}, wrong("jwk", "%s", r.err.Why)
	}
	return k, nil
}

func parsePublic(r *Reader) (Key, error) {
	kty := r.Text("kty")
	switch kty {
	case "EC":
		return parseEC(r)
	case "OKP":
		x := r.Text("x")
		public, ok := Decode(x)
		if r.Text("crv") != "Ed25519" || !ok || len(public) != ed25519.PublicKeySize || isWeak(public) {
			return Key{}, wrong("jwk", "it is not a key of Ed25519")
		}
		return edKey(public, x), nil
	case "RSA":
		return parseRSA(r)
	}
	return Key{}, wrong("jwk", "its kty is none of EC, OKP and RSA")
}

func parseEC(r *Reader) (Key, error) {
	crv, x, y := r.Text("crv"), r.Text("x"), r.Text("y")
	var curve elliptic.Curve
	switch crv {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	default:
		return Key{}, wrong("jwk", "its crv is neither P-256 nor P-384")
	}
	// Coordinates have their full length (RFC 7518, section 6.2.1.2): so a key has one thumbprint.
	size := curve.Params().BitSize / 8
	bx, okX := Decode(x)
	by, okY := Decode(y)
	if !okX || !okY || len(bx) != size || len(by) != size {
		return Key{}, wrong("jwk", "a coordinate does not have %d bytes", size)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, bx, by))
	if err != nil {
		return Key{}, wrong("jwk", "it is not a point on its curve")
	}
	return ecKey(public, crv, x, y), nil
}

func parseRSA(r *Reader) (Key, error) {
	n, e := r.Text("n"), r.Text("e")
	bn, okN := Decode(n)
	be, okE := Decode(e)
	// As few bytes as the number needs (RFC 7518, section 2): so a key has one thumbprint.
	if !okN || !okE || len(bn) == 0 || bn[0] == 0 || len(be) == 0 || len(be) > 4 || be[0] == 0 {
		return Key{}, wrong("jwk", "it is not an RSA key")
	}
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(bn), E: int(new(big.Int).SetBytes(be).Int64())}
	if !isRSA(public) {
		return Key{}, wrong("jwk", "it is not an RSA key of %d to %d bits", minRSA, maxRSA)
	}
	return rsaKey(public, n, e), nil
}

func isRSA(p *rsa.PublicKey) bool {
	bits := p.N.BitLen()
	return bits >= minRSA && bits <= maxRSA && p.N.Bit(0) == 1 && p.E >= 3 && p.E <= 1<<31-1 && p.E%2 == 1
}

// weak are the ordinates, little-endian, of Ed25519's points of small order: anybody
// can sign with such a key.
var weak = [...][32]byte{
	{0: 0},
	{0: 1},
	{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
	{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
}

// isWeak reports whether p is a point of small order, or has another spelling with an
// ordinate below 2^255-19. What else is no point verifies nothing.
func isWeak(p []byte) bool {
	y := [32]byte(p)
	y[31] &= 0x7f
	tooLarge := y[0] >= 0xed && y[31] == 0x7f && bytes.Count(y[1:31], []byte{0xff}) == 30
	return tooLarge || slices.Contains(weak[:], y)
}

// The members in the thumbprint stand in the order of their names (RFC 7638, section
// 3.3). All values are base64url or names of curves, so nothing in them is escaped.

func ecKey(p *ecdsa.PublicKey, crv, x, y string) Key {
	return Key{Public: p, family: "EC " + crv, thumbprint: digest(`{"crv":"` + crv + `","kty":"EC","x":"` + x + `","y":"` + y + `"}`)}
}

func edKey(p ed25519.PublicKey, x string) Key {
	return Key{Public: p, family: "OKP Ed25519", thumbprint: digest(`{"crv":"Ed25519","kty":"OKP","x":"` + x + `"}`)}
}

func rsaKey(p *rsa.PublicKey, n, e string) Key {
	return Key{Public: p, family: "RSA", thumbprint: digest(`{"e":"` + e + `","kty":"RSA","n":"` + n + `"}`)}
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return encode(sum[:])
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
