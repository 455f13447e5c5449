package jws_test

import (
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"signet/internal/jws"
)

// vectors is a file of Wycheproof's.
type vectors struct {
	NumberOfTests int
	TestGroups    []group
}

type group struct {
	PublicKey    struct{ Uncompressed, Pk string }
	PublicKeyDer string
	Public       json.RawMessage
	Tests        []vector
}

type vector struct {
	ID                int `json:"tcId"`
	Comment, Msg, Sig string
	JWS, Result       string
	Flags             []string
}

func load(t *testing.T, name string) vectors {
	t.Helper()
	f, err := os.Open("testdata/wycheproof/" + name + "_test.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.NewDecoder(z).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (g group) key(t *testing.T, algorithm string) jws.Key {
	t.Helper()
	var public any
	var err error
	switch algorithm {
	case jws.ES256:
		public, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), unhex(t, g.PublicKey.Uncompressed))
	case jws.ES384:
		public, err = ecdsa.ParseUncompressedPublicKey(elliptic.P384(), unhex(t, g.PublicKey.Uncompressed))
	case jws.EdDSA:
		public = ed25519.PublicKey(unhex(t, g.PublicKey.Pk))
	case jws.PS256:
		if public, err = x509.ParsePKIXPublicKey(unhex(t, g.PublicKeyDer)); err != nil {
			t.Fatal(err)
		}
		public = public.(*rsa.PublicKey)
	}
	if err != nil {
		t.Fatal(err)
	}
	k, err := jws.NewKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSignaturesOfWycheproofAreJudgedAsItSays(t *testing.T) {
	for algorithm, name := range map[string]string{
		jws.ES256: "ecdsa_secp256r1_sha256_p1363", jws.ES384: "ecdsa_secp384r1_sha384_p1363",
		jws.EdDSA: "ed25519", jws.PS256: "rsa_pss_2048_sha256_mgf1_32",
	} {
		t.Run(algorithm, func(t *testing.T) {
			v := load(t, name)
			seen := 0
			for _, g := range v.TestGroups {
				k := g.key(t, algorithm)
				for _, c := range g.Tests {
					seen++
					err := jws.Bare(string(unhex(t, c.Msg)), unhex(t, c.Sig)).Verify(k, algorithm)
					if c.Result == "acceptable" {
						t.Errorf("%d %s: the vector leaves it open", c.ID, c.Comment)
					}
					if good := c.Result == "valid"; (err == nil) != good {
						t.Errorf("%d %s: got %v, want good %t", c.ID, c.Comment, err, good)
					}
				}
			}
			if seen == 0 || seen != v.NumberOfTests {
				t.Errorf("%d of %d vectors ran", seen, v.NumberOfTests)
			}
		})
	}
}

// Of the valid tokens we take those of our algorithms, and no other.
func TestTokensOfWycheproofAreJudgedAsItSays(t *testing.T) {
	v := load(t, "json_web_signature")
	taken, seen := 0, 0
	for _, g := range v.TestGroups {
		for _, c := range g.Tests {
			seen++
			k, err := jws.Key{}, error(nil)
			if o, ok := jws.ParseObject(string(g.Public)); ok { // groups of HMAC have no public key
				k, err = jws.ParseKey(o)
			}
			if err == nil {
				err = jws.VerifyAny(c.JWS, k)
			}
			if err == nil && c.Result != "valid" {
				t.Errorf("%d %s: accepted", c.ID, c.Comment)
			}
			if err == nil {
				taken++
			}
		}
	}
	if seen != v.NumberOfTests || seen == 0 {
		t.Errorf("%d of %d vectors ran", seen, v.NumberOfTests)
	}
	// The other 30 that it calls valid are of HMAC and of longer hashes, or have
	// characters in them that are not base64url.
	if taken != 16 {
		t.Errorf("%d are accepted, want 16", taken)
	}
}
