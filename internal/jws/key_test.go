package jws_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"signet/internal/jws"
)

var b64 = base64.RawURLEncoding.EncodeToString

func parse(t *testing.T, jwk any) (jws.Key, error) {
	t.Helper()
	text, ok := jwk.(string)
	if !ok {
		b, err := json.Marshal(jwk)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	o, ok := jws.ParseObject(text)
	if !ok {
		t.Fatalf("no object: %s", text)
	}
	return jws.ParseKey(o)
}

// RFC 7638, section 3.1; RFC 8037, appendix A.3; RFC 9449, sections 4.1 and 6.1.
func TestThumbprintsAreThoseOfTheStandards(t *testing.T) {
	for want, jwk := range map[string]string{
		"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs": `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`,
		"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k": `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I": `{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}`,
	} {
		k, err := parse(t, jwk)
		if err != nil || k.Thumbprint() != want {
			t.Errorf("got %s (%v), want %s", k.Thumbprint(), err, want)
		}
	}
}

func TestKeysHaveOneThumbprintHoweverTheyCome(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, public := range []crypto.PublicKey{p256.Public(), p384.Public(), ed, rsaKey(t, 2048).Public(), rsaKey(t, 4096).Public()} {
		made, err := jws.NewKey(public)
		if err != nil {
			t.Fatal(err)
		}
		read, err := parse(t, jose.JSONWebKey{Key: public, KeyID: "x"})
		if err != nil {
			t.Fatal(err)
		}
		sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		if want := b64(sum); made.Thumbprint() != want || read.Thumbprint() != want || read.ID != "x" {
			t.Errorf("%T: got %s and %s, want %s", public, made.Thumbprint(), read.Thumbprint(), want)
		}
	}
}

// rsaKey returns a key whose modulus has the size; it need not sign.
func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	n := make([]byte, bits/8)
	_, _ = rand.Read(n)
	n[0] |= 0x80
	n[len(n)-1] |= 1
	return &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}}
}

func TestKeysThatAreNoPublicKeysOfOursAreRefused(t *testing.T) {
	ec := map[string]any{"kty": "EC", "crv": "P-256", "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}
	ed := map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
	modulus := func(bits int) string { return b64(rsaKey(t, bits).N.Bytes()) }
	rs := map[string]any{"kty": "RSA", "n": modulus(2048), "e": "AQAB"}
	with := func(of map[string]any, pairs ...any) map[string]any {
		m := maps.Clone(of)
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	point := func(first, last byte, between byte) string {
		b := []byte(strings.Repeat(string([]byte{between}), 32))
		b[0], b[31] = first, last
		return b64(b)
	}
	for _, good := range []map[string]any{
		ec, ed, rs, with(ec, "use", "sig", "alg", "ES256", "key_ops", []string{"verify"}, "ext", true),
		with(ed, "alg", "EdDSA"), with(ed, "alg", "Ed25519"), with(rs, "alg", "PS256"),
	} {
		if _, err := parse(t, good); err != nil {
			t.Fatalf("%v: %v", good, err)
		}
	}
	lent, err := base64.RawURLEncoding.DecodeString(ec["y"].(string))
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]any{
		"no kty": with(ec, "kty", ""), "kty 7": with(ec, "kty", 7), "kty in other case": with(ec, "kty", "ec"),
		"symmetric": map[string]any{"kty": "oct", "k": "AAAA"}, "symmetric without its secret": map[string]any{"kty": "oct"},
		"P-521": with(ec, "crv", "P-521"), "secp256k1": with(ec, "crv", "secp256k1"),
		"P-384 with short coordinates": with(ec, "crv", "P-384"),
		"not on the curve":             with(ec, "y", ec["x"]), "point of zeros": with(ec, "x", b64(make([]byte, 32)), "y", b64(make([]byte, 32))),
		"coordinate with a zero in front":                 with(ec, "x", b64(append([]byte{0}, make([]byte, 32)...))),
		"coordinates of which one lends the other a byte": with(ec, "x", "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFv1", "y", b64(lent[1:])),
		"coordinate cut": with(ec, "x", "l8tF"), "padded": with(ec, "x", ec["x"].(string)+"="),
		"no y": with(ec, "y", nil), "Ed448": with(ed, "crv", "Ed448"), "X25519": with(ed, "crv", "X25519"), "OKP of 31 bytes": with(ed, "x", b64(make([]byte, 31))),
		"Ed25519 of order 1": with(ed, "x", point(1, 0, 0)), "Ed25519 of order 2": with(ed, "x", point(0xec, 0x7f, 0xff)), "Ed25519 of order 4": with(ed, "x", point(0, 0x80, 0)),
		"Ed25519 of order 8":   with(ed, "x", "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o"),
		"Ed25519 out of range": with(ed, "x", point(0xee, 0x7f, 0xff)),
		"RSA of 1024 bits":     with(rs, "n", modulus(1024)), "RSA of 2040 bits": with(rs, "n", modulus(2040)), "RSA of 8192 bits": with(rs, "n", modulus(8192)),
		"RSA with e of 1": with(rs, "e", "AQ"), "RSA with even e": with(rs, "e", "AQAA"), "RSA with a huge e": with(rs, "e", b64([]byte("123456789"))),
		"RSA with a zero in front": with(rs, "e", "AAEAAQ"), "RSA with a modulus with a zero in front": with(rs, "n", b64(append([]byte{0}, rsaKey(t, 2048).N.Bytes()...))),
		"RSA with an even modulus": with(rs, "n", b64(append([]byte{0x80}, make([]byte, 255)...))),
		"for encryption":           with(ec, "use", "enc"), "for signing alone": with(ec, "key_ops", []string{"sign"}), "key_ops a text": with(ec, "key_ops", "verify"),
		"alg of RSA on EC": with(ec, "alg", "PS256"), "alg of another curve": with(ec, "alg", "ES384"), "alg of HMAC": with(ec, "alg", "HS256"), "alg none": with(ec, "alg", "none"), "alg 7": with(ec, "alg", 7),
	}
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		bad["private "+name] = with(ec, name, "AAAA")
		bad["private "+name+" of null"] = with(ed, name, nil)
	}
	for name, jwk := range bad {
		_, err := parse(t, jwk)
		if e, ok := errors.AsType[*jws.Error](err); !ok || e.Field != "jwk" {
			t.Errorf("%s: got %v, want an error at jwk", name, err)
		}
	}
}

func TestAlgorithmsFitTheirKeysOnly(t *testing.T) {
	ec, err := parse(t, `{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}`)
	if err != nil {
		t.Fatal(err)
	}
	ed, err := parse(t, `{"kty":"OKP","crv":"Ed25519","alg":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := jws.NewKey(rsaKey(t, 2048).Public())
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := parse(t, jose.JSONWebKey{Key: rsaKey(t, 2048).Public(), Algorithm: "PS256"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key  jws.Key
		fits string
	}{{ec, "ES256"}, {ed, "EdDSA Ed25519"}, {rs, "PS256 RS256"}, {pinned, "PS256"}, {jws.Key{}, ""}} {
		for _, alg := range []string{"ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448", "PS256", "PS384", "RS256", "HS256", "none", "nOnE", "", "es256"} {
			want := strings.Contains(" "+c.fits+" ", " "+alg+" ") && alg != ""
			if got := c.key.Fits(alg) == nil; got != want {
				t.Errorf("%s with a key for %q: got %t, want %t", alg, c.fits, got, want)
			}
		}
	}
}

func TestListsAllowWhatTheyNameAndNothingElse(t *testing.T) {
	for _, c := range []struct {
		list, alg string
		want      bool
	}{
		{"ES256 PS256", "ES256", true},
		{"ES256", "es256", false},
		{"ES256", "RS256", false},
		{"EdDSA", "Ed25519", true},
		{"Ed25519", "EdDSA", true},
		{"none HS256", "none", false},
		{"none HS256", "HS256", false},
		{"", "", false},
	} {
		if got := jws.Allows(strings.Split(c.list, " "), c.alg); got != c.want {
			t.Errorf("%q in %q: got %t", c.alg, c.list, got)
		}
	}
}
