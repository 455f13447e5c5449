// Package dpoptest makes DPoP proofs, good ones and such as attackers send, for the tests of
// whoever takes proofs.
package dpoptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"
)

var b64 = base64.RawURLEncoding.EncodeToString

// Object is a JSON Object.
type Object = map[string]any

// With returns a copy of o with other values; nil takes a member away.
func With(o Object, pairs ...any) Object {
	m := maps.Clone(o)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
		if pairs[i+1] == nil {
			delete(m, pairs[i].(string))
		}
	}
	return m
}

// Signer makes proofs with one key.
type Signer struct {
	Private   crypto.Signer
	Algorithm string
	JWK       Object // the public half
}

// NewSigner returns one with a new key for ES256, EdDSA, Ed25519, PS256 or RS256.
func NewSigner(t testing.TB, alg string) Signer {
	t.Helper()
	var private crypto.Signer
	var err error
	switch alg {
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA", "Ed25519":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "PS256", "RS256":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	public, err := jwk(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return Signer{Private: private, Algorithm: alg, JWK: public}
}

// jwk is the public half (RFC 7518, section 6; RFC 8037, section 2).
func jwk(public crypto.PublicKey) (Object, error) {
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil {
			return nil, err
		}
		return Object{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}, nil
	case ed25519.PublicKey:
		return Object{"kty": "OKP", "crv": "Ed25519", "x": b64(p)}, nil
	case *rsa.PublicKey:
		return Object{"kty": "RSA", "n": b64(p.N.Bytes()), "e": "AQAB"}, nil
	}
	return nil, fmt.Errorf("no JWK of %T", public)
}

// Header is that of a good proof.
func (s Signer) Header() Object { return Object{"typ": "dpop+jwt", "alg": s.Algorithm, "jwk": s.JWK} }

// Payload is that of a proof for one request, made now, for the access token if it is not
// empty.
func Payload(method, address, token string, now time.Time) Object {
	o := Object{"jti": rand.Text(), "htm": method, "htu": address, "iat": now.Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		o["ath"] = b64(sum[:])
	}
	return o
}

// Proof signs a header and a payload, each an [Object] or a text.
func (s Signer) Proof(t testing.TB, header, payload any) string {
	t.Helper()
	return s.sign(t, encode(t, header)+"."+encode(t, payload))
}

func encode(t testing.TB, v any) string {
	t.Helper()
	if s, ok := v.(string); ok {
		return b64([]byte(s))
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b64(b)
}

func (s Signer) sign(t testing.TB, signed string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(signed))
	var signature []byte
	var err error
	switch k := s.Private.(type) {
	case *ecdsa.PrivateKey:
		var r, v interface{ FillBytes([]byte) []byte }
		r, v, err = ecdsa.Sign(rand.Reader, k, sum[:])
		signature = append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...)
	case ed25519.PrivateKey:
		signature = ed25519.Sign(k, []byte(signed))
	case *rsa.PrivateKey:
		if s.Algorithm == "RS256" {
			signature, err = k.Sign(rand.Reader, sum[:], crypto.SHA256)
		} else {
			signature, err = k.Sign(rand.Reader, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + b64(signature)
}

// Attack is a request that must be refused.
type Attack struct {
	Name    string   // begins with the number of the check
	Headers []string // its DPoP field values
	Field   string   // the member that is wrong; empty for the proof as a whole
}

// Attacks returns a row for each check of a proof (RFC 9449, section 4.3), for each hole that
// libraries had, and for each proof that the OpenID Foundation's conformance suite sends as bad
// to a resource under FAPI 2.0 (FAPI2SPFinalDpopNegativeTests). All are made from the payload of a
// proof that is good now, for a server that takes ES256, EdDSA and PS256, for 60 s, and 10 s of
// skew.
func Attacks(t testing.TB, s Signer, p Object, now time.Time) []Attack {
	t.Helper()
	ed, rs, another := NewSigner(t, "EdDSA"), NewSigner(t, "RS256"), NewSigner(t, "ES256")
	h := s.Header()
	good := s.Proof(t, h, p)
	method, htu, iat := p["htm"].(string), p["htu"].(string), fmt.Sprint(now.Unix())
	at, err := url.Parse(htu)
	if err != nil {
		t.Fatal(err)
	}
	origin, other := at.Scheme+"://"+at.Host, map[string]string{"http": "https", "https": "http"}[at.Scheme]
	cut := strings.Split(good, ".")
	head := func(pairs ...any) string { return s.Proof(t, With(h, pairs...), p) }
	body := func(pairs ...any) string { return s.Proof(t, h, With(p, pairs...)) }
	key := func(pairs ...any) string { return head("jwk", With(s.JWK, pairs...)) }
	text := func(o Object, more string) string {
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(string(b), "}") + more + "}"
	}
	hmacked := func() string {
		public, err := s.Private.(*ecdsa.PrivateKey).PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		signed := encode(t, With(h, "alg", "HS256")) + "." + cut[1]
		m := hmac.New(sha256.New, public)
		m.Write([]byte(signed))
		return signed + "." + b64(m.Sum(nil))
	}
	return []Attack{
		{"1 empty header", []string{""}, ""},
		{"1 two headers, the first good", []string{good, "x"}, ""},
		{"1 two headers, the second good", []string{"", good}, ""},
		{"1 the same header twice", []string{good, good}, ""},
		{"1 list in one header", []string{good + "," + good}, ""},
		{"1 space before it", []string{" " + good}, "header"},

		{"2 longer than 8 KiB", []string{body("x", strings.Repeat("x", 6<<10))}, ""},
		{"2 jti of 257 bytes", []string{body("jti", strings.Repeat("x", 257))}, "jti"},
		{"2 no jti", []string{body("jti", nil)}, "jti"},
		{"2 jti empty", []string{body("jti", "")}, "jti"},
		{"2 jti a number", []string{body("jti", 7)}, "jti"},

		{"3 two parts", []string{cut[0] + "." + cut[1]}, ""},
		{"3 four parts", []string{good + "."}, ""},
		{"3 five parts, encrypted", []string{good + ".x.y"}, ""},
		{"3 padded", []string{good + "=="}, "signature"},
		{"3 line end", []string{good + "\n"}, "signature"},
		{"3 other spelling of the signature", []string{respell(good)}, "signature"},
		{"3 crit", []string{head("crit", []string{"exp"}, "exp", 1)}, "crit"},
		{"3 crit of nothing", []string{head("crit", []string{})}, "crit"},
		{"3 b64 false", []string{head("b64", false)}, "b64"},
		{"3 b64 false and crit", []string{head("b64", false, "crit", []string{"b64"})}, "crit"},
		{"3 member of the header twice", []string{s.Proof(t, text(h, `,"alg":"none"`), p)}, "header"},
		{"3 member of the key twice", []string{s.Proof(t, strings.Replace(text(h, ""), `"kty"`, `"kty":"EC","kty"`, 1), p)}, "header"},
		{"3 member of the payload twice", []string{s.Proof(t, h, text(p, `,"htu":"https://evil.example"`))}, "payload"},
		{"3 member twice, once escaped", []string{s.Proof(t, h, text(p, `,"ht\u0075":"https://evil.example"`))}, "payload"},
		{"3 payload no Object", []string{s.Proof(t, h, `["x"]`)}, "payload"},
		{"3 payload not UTF-8", []string{s.Proof(t, h, text(p, ",\"x\":\"\xff\""))}, "payload"},
		{"3 header null", []string{s.Proof(t, "null", p)}, "header"},

		{"4 typ JWT", []string{head("typ", "JWT")}, "typ"},
		{"4 typ with more after it", []string{head("typ", "dpop+jwt+x")}, "typ"},
		{"4 typ of an access token", []string{head("typ", "at+jwt")}, "typ"},
		{"4 no typ", []string{head("typ", nil)}, "typ"},
		{"4 typ 7", []string{head("typ", 7)}, "typ"},
		{"4 typ empty", []string{head("typ", "")}, "typ"},

		{"5 alg none", []string{b64([]byte(text(With(h, "alg", "none"), ""))) + "." + cut[1] + "."}, "alg"},
		{"5 alg none without a key", []string{b64([]byte(`{"alg":"none","typ":"dpop+jwt"}`)) + "." + cut[1] + "."}, "jwk"},
		{"5 alg2 in place of alg", []string{encode(t, With(h, "alg", nil, "alg2", s.Algorithm)) + "." + cut[1] + "." + cut[2]}, "alg"},
		{"5 alg nOnE", []string{head("alg", "nOnE")}, "alg"},
		{"5 no alg", []string{head("alg", nil)}, "alg"},
		{"5 alg a list", []string{head("alg", []string{"ES256"})}, "alg"},
		{"5 HS256 with the public key", []string{hmacked()}, "alg"},
		{"5 RS256, which is not in the policy", []string{rs.Proof(t, rs.Header(), p)}, "alg"},
		{"5 ES384, which is not in the policy", []string{head("alg", "ES384")}, "alg"},
		{"5 EdDSA with a key on P-256", []string{head("alg", "EdDSA")}, "alg"},
		{"5 PS256 with a key on P-256", []string{head("alg", "PS256")}, "alg"},
		{"5 ES256 with a key of Ed25519", []string{ed.Proof(t, With(ed.Header(), "alg", "ES256"), p)}, "alg"},
		{"5 key for another algorithm", []string{key("alg", "ES384")}, "jwk"},
		{"5 key for encryption", []string{key("use", "enc")}, "jwk"},

		{"6 no jwk", []string{head("jwk", nil)}, "jwk"},
		{"6 jwk null", []string{s.Proof(t, text(With(h, "jwk", nil), `,"jwk":null`), p)}, "jwk"},
		{"6 jwk a text", []string{head("jwk", "x")}, "jwk"},
		{"6 jwk empty", []string{head("jwk", Object{})}, "jwk"},
		{"6 kid in place of jwk", []string{head("jwk", nil, "kid", "x")}, "jwk"},
		{"6 private key", []string{key("d", b64(make([]byte, 32)))}, "jwk"},
		{"6 private key of null", []string{s.Proof(t, strings.Replace(text(h, ""), `"kty"`, `"d":null,"kty"`, 1), p)}, "jwk"},
		{"6 symmetric key", []string{head("jwk", Object{"kty": "oct", "k": "AAAA"})}, "jwk"},
		{"6 point not on the curve", []string{key("y", s.JWK["x"])}, "jwk"},
		{"6 kty 7", []string{key("kty", 7)}, "jwk"},
		{"6 weak RSA key", []string{rs.Proof(t, With(rs.Header(), "alg", "PS256", "jwk", With(rs.JWK, "n", strings.Repeat("w", 171)+"Q")), p)}, "jwk"},

		{"7 another htm", []string{body("htm", "PATCH")}, "htm"},
		{"7 htm in lower case", []string{body("htm", strings.ToLower(method))}, "htm"},
		{"7 no htm", []string{body("htm", nil)}, "htm"},
		{"7 htm a list", []string{body("htm", []string{method})}, "htm"},

		{"8 another path", []string{body("htu", at.String()+"/par")}, "htu"},
		{"8 path in other case", []string{body("htu", origin+strings.ToUpper(at.Path))}, "htu"},
		{"8 path with more after it", []string{body("htu", htu+"x")}, "htu"},
		{"8 slash after it", []string{body("htu", htu+"/")}, "htu"},
		{"8 another host", []string{body("htu", "https://evil.example"+at.Path)}, "htu"},
		{"8 host that begins alike", []string{body("htu", origin+".evil.example"+at.Path)}, "htu"},
		{"8 another scheme", []string{body("htu", other+"://"+at.Host+at.Path)}, "htu"},
		{"8 another port", []string{body("htu", at.Scheme+"://"+at.Hostname()+":9"+at.Path)}, "htu"},
		{"8 userinfo", []string{body("htu", at.Scheme+"://x@"+at.Host+at.Path)}, "htu"},
		{"8 empty userinfo", []string{body("htu", at.Scheme+"://@"+at.Host+at.Path)}, "htu"},
		{"8 path alone", []string{body("htu", at.Path)}, "htu"},
		{"8 encoded slash", []string{body("htu", origin+"/x%2F.."+at.Path)}, "htu"},
		{"8 backslash", []string{body("htu", origin+`\`+at.Path[1:])}, "htu"},
		{"8 control character", []string{body("htu", htu+"\x00")}, "htu"},
		{"8 no htu", []string{body("htu", nil)}, "htu"},

		{"9 payload replaced", []string{cut[0] + "." + encode(t, With(p, "jti", "evil")) + "." + cut[2]}, "signature"},
		{"9 signed by another key", []string{another.Proof(t, h, p)}, "signature"},
		{"9 no signature", []string{cut[0] + "." + cut[1] + "."}, "signature"},
		{"9 signature of zeros", []string{cut[0] + "." + cut[1] + "." + b64(make([]byte, 64))}, "signature"},
		{"9 signature cut", []string{good[:len(good)-4]}, "signature"},

		{"10 too old", []string{body("iat", now.Add(-71*time.Second).Unix())}, "iat"},
		{"10 an hour old", []string{body("iat", now.Add(-time.Hour).Unix())}, "iat"},
		{"10 in the future", []string{body("iat", now.Add(11*time.Second).Unix())}, "iat"},
		{"10 far in the future", []string{body("iat", now.Add(time.Hour).Unix())}, "iat"},
		{"10 no iat", []string{body("iat", nil)}, "iat"},
		{"10 iat a float", []string{s.Proof(t, h, strings.Replace(text(p, ""), iat, iat+".5", 1))}, "iat"},
		{"10 iat a whole float", []string{s.Proof(t, h, strings.Replace(text(p, ""), iat, iat+".0", 1))}, "iat"},
		{"10 iat with an exponent", []string{s.Proof(t, h, strings.Replace(text(p, ""), iat, iat+"e0", 1))}, "iat"},
		{"10 iat a text", []string{body("iat", iat)}, "iat"},
		{"10 iat in milliseconds", []string{body("iat", now.UnixMilli())}, "iat"},
		{"10 exp has passed", []string{body("exp", now.Add(-10*time.Second).Unix())}, "exp"},
		{"10 exp a text", []string{body("exp", "x")}, "exp"},
		{"10 nbf in the future", []string{body("nbf", now.Add(11*time.Second).Unix())}, "nbf"},

		{"11 nonce a number", []string{body("nonce", 7)}, "nonce"},
		{"12 ath a number", []string{body("ath", 7)}, "ath"},
	}
}

// respell changes the bits of the last character that carry nothing.
func respell(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[i^1])
}
