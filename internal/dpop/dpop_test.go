package dpop_test

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
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"signet/internal/dpop"
	"signet/internal/fault"
)

const (
	endpoint = "https://auth.example.org/token"
	access   = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU" // RFC 9449, section 7.1
	accessH  = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
)

var (
	start  = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	policy = dpop.Policy{Algorithms: []string{"ES256", "EdDSA", "Ed25519", "PS256"}, Lifetime: time.Minute, Skew: 10 * time.Second}
	b64    = base64.RawURLEncoding.EncodeToString
)

type object = map[string]any

// with returns a copy of o with other values; nil takes a member away.
func with(o object, pairs ...any) object {
	m := maps.Clone(o)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
		if pairs[i+1] == nil {
			delete(m, pairs[i].(string))
		}
	}
	return m
}

// signer makes proofs with one key.
type signer struct {
	private crypto.Signer
	alg     string
	jwk     object
}

func newSigner(t testing.TB, alg string) signer {
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
	text, err := jose.JSONWebKey{Key: private.Public()}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	s := signer{private: private, alg: alg}
	if err := json.Unmarshal(text, &s.jwk); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s signer) header() object { return object{"typ": "dpop+jwt", "alg": s.alg, "jwk": s.jwk} }

func payload() object {
	return object{"jti": "-BwC3ESc6acc2lTc", "htm": "POST", "htu": endpoint, "iat": start.Unix(), "ath": accessH}
}

// proof signs a header and a payload, each an object or a text.
func (s signer) proof(t testing.TB, header, payload any) string {
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

func (s signer) sign(t testing.TB, signed string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(signed))
	var signature []byte
	var err error
	switch k := s.private.(type) {
	case *ecdsa.PrivateKey:
		var r, v interface{ FillBytes([]byte) []byte }
		r, v, err = ecdsa.Sign(rand.Reader, k, sum[:])
		signature = append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...)
	case ed25519.PrivateKey:
		signature = ed25519.Sign(k, []byte(signed))
	case *rsa.PrivateKey:
		if s.alg == "RS256" {
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

func post(proofs ...string) dpop.Request {
	return dpop.Request{Headers: proofs, Method: "POST", URL: endpoint}
}

// RFC 9449, sections 4.1, 5 and 6.1, and the ath of section 7.1.
func TestProofsOfTheStandardVerify(t *testing.T) {
	const (
		atToken    = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
		atResource = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
		jkt        = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	)
	p, err := dpop.Verify(policy, dpop.Request{Headers: []string{atToken}, Method: "POST", URL: "https://server.example.com/token"}, time.Unix(1562262616, 0))
	if err != nil || p.JKT != jkt || p.ID != "-BwC3ESc6acc2lTc" || p.Algorithm != "ES256" || p.Nonce != "" || !p.Issued.Equal(time.Unix(1562262616, 0)) {
		t.Errorf("at /token: got %+v, %v", p, err)
	}
	p, err = dpop.Verify(policy, dpop.Request{Headers: []string{atResource}, Method: "GET", URL: "https://resource.example.org/protectedresource"}, time.Unix(1562262618, 0))
	if err != nil || p.JKT != jkt || p.For(access) != nil {
		t.Errorf("at the resource: got %+v, %v, %v", p, err, p.For(access))
	}
}

func TestEveryAlgorithmOfThePolicyVerifies(t *testing.T) {
	for _, alg := range policy.Algorithms {
		s := newSigner(t, alg)
		p, err := dpop.Verify(policy, post(s.proof(t, s.header(), with(payload(), "nonce", "n"))), start)
		if err != nil || p.Algorithm != alg || p.Nonce != "n" || p.HTU != endpoint || !p.Expires.Equal(start.Add(70*time.Second)) || p.For(access) != nil {
			t.Errorf("%s: got %+v, %v", alg, p, err)
		}
		if err := p.For(access + "x"); !errors.Is(err, dpop.ErrProof) {
			t.Errorf("%s: for another access token: got %v, want ErrProof", alg, err)
		}
	}
}

// One row for each check and for each hole that other libraries had. The names of FAPI
// 2.0's negative tests stand in it as theirs.
func TestEveryBadProofIsRefusedAtItsMember(t *testing.T) {
	s := newSigner(t, "ES256")
	ed, rs, other := newSigner(t, "EdDSA"), newSigner(t, "RS256"), newSigner(t, "ES256")
	h, p := s.header(), payload()
	good := s.proof(t, h, p)
	if _, err := dpop.Verify(policy, post(good), start); err != nil {
		t.Fatalf("the good proof: %v", err)
	}
	cut := strings.Split(good, ".")
	head := func(pairs ...any) string { return s.proof(t, with(h, pairs...), p) }
	body := func(pairs ...any) string { return s.proof(t, h, with(p, pairs...)) }
	key := func(pairs ...any) string { return head("jwk", with(s.jwk, pairs...)) }
	text := func(o object, more string) string {
		b, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(string(b), "}") + more + "}"
	}
	hmacked := func() string {
		public, err := s.private.(*ecdsa.PrivateKey).PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		signed := encode(t, with(h, "alg", "HS256")) + "." + cut[1]
		m := hmac.New(sha256.New, public)
		m.Write([]byte(signed))
		return signed + "." + b64(m.Sum(nil))
	}
	for _, c := range []struct {
		name    string
		headers []string
		field   string
	}{
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
		{"3 member of the header twice", []string{s.proof(t, text(h, `,"alg":"none"`), p)}, "header"},
		{"3 member of the key twice", []string{s.proof(t, strings.Replace(text(h, ""), `"kty"`, `"kty":"EC","kty"`, 1), p)}, "header"},
		{"3 member of the payload twice", []string{s.proof(t, h, text(p, `,"htu":"https://evil.example"`))}, "payload"},
		{"3 member twice, once escaped", []string{s.proof(t, h, text(p, `,"ht\u0075":"https://evil.example"`))}, "payload"},
		{"3 payload no object", []string{s.proof(t, h, `["x"]`)}, "payload"},
		{"3 payload not UTF-8", []string{s.proof(t, h, text(p, ",\"x\":\"\xff\""))}, "payload"},
		{"3 header null", []string{s.proof(t, "null", p)}, "header"},

		{"4 typ JWT", []string{head("typ", "JWT")}, "typ"},
		{"4 typ of an access token", []string{head("typ", "at+jwt")}, "typ"},
		{"4 no typ", []string{head("typ", nil)}, "typ"},
		{"4 typ 7", []string{head("typ", 7)}, "typ"},
		{"4 typ empty", []string{head("typ", "")}, "typ"},

		{"5 alg none", []string{b64([]byte(text(with(h, "alg", "none"), ""))) + "." + cut[1] + "."}, "alg"},
		{"5 alg nOnE", []string{head("alg", "nOnE")}, "alg"},
		{"5 no alg", []string{head("alg", nil)}, "alg"},
		{"5 alg a list", []string{head("alg", []string{"ES256"})}, "alg"},
		{"5 HS256 with the public key", []string{hmacked()}, "alg"},
		{"5 RS256, which is not in the policy", []string{rs.proof(t, rs.header(), p)}, "alg"},
		{"5 ES384, which is not in the policy", []string{head("alg", "ES384")}, "alg"},
		{"5 EdDSA with a key on P-256", []string{head("alg", "EdDSA")}, "alg"},
		{"5 PS256 with a key on P-256", []string{head("alg", "PS256")}, "alg"},
		{"5 ES256 with a key of Ed25519", []string{ed.proof(t, with(ed.header(), "alg", "ES256"), p)}, "alg"},
		{"5 key for another algorithm", []string{key("alg", "ES384")}, "jwk"},
		{"5 key for encryption", []string{key("use", "enc")}, "jwk"},

		{"6 no jwk", []string{head("jwk", nil)}, "jwk"},
		{"6 jwk null", []string{s.proof(t, text(with(h, "jwk", nil), `,"jwk":null`), p)}, "jwk"},
		{"6 jwk a text", []string{head("jwk", "x")}, "jwk"},
		{"6 jwk empty", []string{head("jwk", object{})}, "jwk"},
		{"6 kid in place of jwk", []string{head("jwk", nil, "kid", "x")}, "jwk"},
		{"6 private key", []string{key("d", b64(make([]byte, 32)))}, "jwk"},
		{"6 private key of null", []string{s.proof(t, strings.Replace(text(h, ""), `"kty"`, `"d":null,"kty"`, 1), p)}, "jwk"},
		{"6 symmetric key", []string{head("jwk", object{"kty": "oct", "k": "AAAA"})}, "jwk"},
		{"6 point not on the curve", []string{key("y", s.jwk["x"])}, "jwk"},
		{"6 kty 7", []string{key("kty", 7)}, "jwk"},
		{"6 weak RSA key", []string{rs.proof(t, with(rs.header(), "alg", "PS256", "jwk", with(rs.jwk, "n", strings.Repeat("w", 171)+"Q")), p)}, "jwk"},

		{"7 htm GET", []string{body("htm", "GET")}, "htm"},
		{"7 htm in lower case", []string{body("htm", "post")}, "htm"},
		{"7 no htm", []string{body("htm", nil)}, "htm"},
		{"7 htm a list", []string{body("htm", []string{"POST"})}, "htm"},

		{"8 another path", []string{body("htu", "https://auth.example.org/par")}, "htu"},
		{"8 path in other case", []string{body("htu", "https://auth.example.org/Token")}, "htu"},
		{"8 slash after it", []string{body("htu", endpoint+"/")}, "htu"},
		{"8 another host", []string{body("htu", "https://evil.example/token")}, "htu"},
		{"8 host that begins alike", []string{body("htu", "https://auth.example.org.evil.example/token")}, "htu"},
		{"8 http", []string{body("htu", "http://auth.example.org/token")}, "htu"},
		{"8 another port", []string{body("htu", "https://auth.example.org:8443/token")}, "htu"},
		{"8 userinfo", []string{body("htu", "https://x@auth.example.org/token")}, "htu"},
		{"8 empty userinfo", []string{body("htu", "https://@auth.example.org/token")}, "htu"},
		{"8 path alone", []string{body("htu", "/token")}, "htu"},
		{"8 encoded slash", []string{body("htu", "https://auth.example.org/x%2F../token")}, "htu"},
		{"8 backslash", []string{body("htu", `https://auth.example.org\token`)}, "htu"},
		{"8 control character", []string{body("htu", endpoint+"\x00")}, "htu"},
		{"8 no htu", []string{body("htu", nil)}, "htu"},

		{"9 payload replaced", []string{cut[0] + "." + encode(t, with(p, "jti", "evil")) + "." + cut[2]}, "signature"},
		{"9 signed by another key", []string{other.proof(t, h, p)}, "signature"},
		{"9 no signature", []string{cut[0] + "." + cut[1] + "."}, "signature"},
		{"9 signature of zeros", []string{cut[0] + "." + cut[1] + "." + b64(make([]byte, 64))}, "signature"},
		{"9 signature cut", []string{good[:len(good)-4]}, "signature"},

		{"10 too old", []string{body("iat", start.Add(-71*time.Second).Unix())}, "iat"},
		{"10 in the future", []string{body("iat", start.Add(11*time.Second).Unix())}, "iat"},
		{"10 far in the future", []string{body("iat", start.Add(time.Hour).Unix())}, "iat"},
		{"10 no iat", []string{body("iat", nil)}, "iat"},
		{"10 iat a float", []string{s.proof(t, h, strings.Replace(text(p, ""), fmt.Sprint(start.Unix()), fmt.Sprint(start.Unix())+".5", 1))}, "iat"},
		{"10 iat a whole float", []string{s.proof(t, h, strings.Replace(text(p, ""), fmt.Sprint(start.Unix()), fmt.Sprint(start.Unix())+".0", 1))}, "iat"},
		{"10 iat with an exponent", []string{s.proof(t, h, strings.Replace(text(p, ""), fmt.Sprint(start.Unix()), "1785585600e0", 1))}, "iat"},
		{"10 iat a text", []string{body("iat", fmt.Sprint(start.Unix()))}, "iat"},
		{"10 iat in milliseconds", []string{body("iat", start.UnixMilli())}, "iat"},
		{"10 exp has passed", []string{body("exp", start.Add(-10*time.Second).Unix())}, "exp"},
		{"10 exp a text", []string{body("exp", "x")}, "exp"},
		{"10 nbf in the future", []string{body("nbf", start.Add(11*time.Second).Unix())}, "nbf"},

		{"11 nonce a number", []string{body("nonce", 7)}, "nonce"},
		{"12 ath a number", []string{body("ath", 7)}, "ath"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := dpop.Verify(policy, post(c.headers...), start)
			f, ok := fault.As(err)
			if !ok || !errors.Is(err, dpop.ErrProof) || f.Word != "invalid-dpop-proof" || f.Field != c.field {
				t.Fatalf("got %v, want ErrProof at %q", err, c.field)
			}
			if strings.Contains(err.Error(), "evil") || strings.Contains(err.Error(), "AAAA") {
				t.Errorf("the error repeats the proof: %v", err)
			}
		})
	}
}

// respell changes the bits of the last character that carry nothing.
func respell(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[i^1])
}

func TestNoProofIsNotABadProof(t *testing.T) {
	for _, none := range [][]string{nil, {}} {
		if _, err := dpop.Verify(policy, post(none...), start); !errors.Is(err, dpop.ErrMissing) || errors.Is(err, dpop.ErrProof) {
			t.Errorf("got %v, want ErrMissing", err)
		}
	}
}

func TestProofWithoutAthIsForNoAccessToken(t *testing.T) {
	s := newSigner(t, "ES256")
	p, err := dpop.Verify(policy, post(s.proof(t, s.header(), with(payload(), "ath", nil))), start)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{access, ""} {
		if f, ok := fault.As(p.For(token)); !ok || f.Field != "ath" {
			t.Errorf("for %q: got %v, want an error at ath", token, p.For(token))
		}
	}
}

func TestProofIsGoodFromSkewBeforeItsIatUntilLifetimeAndSkewAfterIt(t *testing.T) {
	s := newSigner(t, "ES256")
	proof := s.proof(t, s.header(), with(payload(), "exp", start.Add(time.Hour).Unix(), "nbf", start.Unix()))
	for _, c := range []struct {
		after time.Duration
		good  bool
	}{
		{-10*time.Second - 1, false},
		{-10 * time.Second, true},
		{0, true},
		{70*time.Second - 1, true},
		{70 * time.Second, false},
	} {
		p, err := dpop.Verify(policy, post(proof), start.Add(c.after))
		if (err == nil) != c.good {
			t.Errorf("%s after its iat: got %v, want good %t", c.after, err, c.good)
		}
		// Whoever keeps the jti until Expires sees no replay after it.
		if err == nil && !p.Expires.After(start.Add(c.after)) {
			t.Errorf("%s after its iat it is good, and forgotten at %s", c.after, p.Expires)
		}
	}
}

// FAPI 2.0 wants these accepted.
func TestAddressesThatAreTheSameAreAccepted(t *testing.T) {
	s := newSigner(t, "ES256")
	for _, htu := range []string{
		"https://auth.example.org:443/token", "HTTPS://AUTH.example.ORG/token", endpoint + "?a=b", endpoint + "#x",
		"https://auth.example.org/%74oken", "https://auth.example.org/./x/../token", "https://auth.example.org/%2e/token",
	} {
		if _, err := dpop.Verify(policy, post(s.proof(t, s.header(), with(payload(), "htu", htu))), start); err != nil {
			t.Errorf("%s: %v", htu, err)
		}
	}
}

func TestOtherMembersAreOfNoMatter(t *testing.T) {
	s := newSigner(t, "ES256")
	jwk := with(s.jwk, "kid", "x", "ext", true, "key_ops", []string{"verify"}, "use", "sig", "alg", "ES256")
	proof := s.proof(t, with(s.header(), "kid", "x", "jwk", jwk, "typ", "application/DPoP+JWT"), with(payload(), "iss", "x", "x", object{"a": []int{1}}))
	if _, err := dpop.Verify(policy, post(proof), start); err != nil {
		t.Error(err)
	}
}

func TestWhatIsUsedOnceBelongsToTenantKeyAddressAndID(t *testing.T) {
	p := dpop.Proof{JKT: "k", HTU: endpoint, ID: "j"}
	seen := map[string]bool{p.Once("a"): true}
	if !seen[dpop.Proof{JKT: "k", HTU: endpoint, ID: "j", Nonce: "other", Algorithm: "PS256"}.Once("a")] {
		t.Error("the nonce makes another use of it")
	}
	for _, other := range []string{
		p.Once("b"), p.Once(""), dpop.Proof{JKT: "l", HTU: endpoint, ID: "j"}.Once("a"), dpop.Proof{JKT: "k", HTU: endpoint + "x", ID: "j"}.Once("a"),
		dpop.Proof{JKT: "k", HTU: endpoint, ID: "i"}.Once("a"), dpop.Proof{JKT: "", HTU: "k" + endpoint, ID: "j"}.Once("a"),
	} {
		if seen[other] || len(other) != 43 {
			t.Errorf("%s stands for two", other)
		}
		seen[other] = true
	}
}

// oracle verifies by go-jose alone. It does not know Ed25519 by that name (RFC 9864).
func oracle(compact string) error {
	signed, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.PS256})
	if err != nil {
		return err
	}
	key := signed.Signatures[0].Header.JSONWebKey
	if key == nil {
		return errors.New("no key in it")
	}
	_, err = signed.Verify(key)
	return err
}

// What differs by one character is refused by us, whatever the oracle says.
func TestAlteredProofsAreRefused(t *testing.T) {
	for _, alg := range []string{"ES256", "EdDSA", "PS256"} {
		s := newSigner(t, alg)
		good := s.proof(t, s.header(), payload())
		if err := oracle(good); err != nil {
			t.Fatalf("%s: the oracle refuses a good proof: %v", alg, err)
		}
		for i := range good {
			for _, c := range "Aw_9.=\n," {
				altered := good[:i] + string(c) + good[i+1:]
				if _, err := dpop.Verify(policy, post(altered), start); altered != good && !errors.Is(err, dpop.ErrProof) {
					t.Fatalf("%s: character %d as %q: got %v, want ErrProof", alg, i, c, err)
				}
			}
		}
	}
}

func FuzzVerify(f *testing.F) {
	signers := map[string]signer{"ES256": newSigner(f, "ES256"), "EdDSA": newSigner(f, "EdDSA"), "PS256": newSigner(f, "PS256")}
	for alg, s := range signers {
		b, err := json.Marshal(s.header())
		if err != nil {
			f.Fatal(err)
		}
		p, err := json.Marshal(payload())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(alg, string(b), string(p), "", true)
		f.Add(alg, string(b), string(p), "AA", false)
	}
	f.Add("ES256", `{"typ":7,"alg":"none","jwk":{}}`, `[]`, "..", true)
	f.Fuzz(func(t *testing.T, alg, header, payload, tail string, sign bool) {
		compact := b64([]byte(header)) + "." + b64([]byte(payload)) + "." + tail
		if s, ok := signers[alg]; ok && sign {
			compact = s.proof(t, header, payload) + tail
		}
		p, err := dpop.Verify(policy, post(compact), start)
		if err != nil {
			if !errors.Is(err, dpop.ErrProof) {
				t.Fatalf("not a fault: %v", err)
			}
			return
		}
		if err := oracle(compact); err != nil && p.Algorithm != "Ed25519" {
			t.Fatalf("accepted, and the oracle says %v", err)
		}
		if p.JKT == "" || p.ID == "" || p.HTU != endpoint || p.Issued.IsZero() {
			t.Fatalf("accepted %+v", p)
		}
	})
}

// BenchmarkVerify reports how many times as long a whole check takes as that of the
// bare signature, turn by turn.
func BenchmarkVerify(b *testing.B) {
	s := newSigner(b, "ES256")
	r := post(s.proof(b, s.header(), payload()))
	signed := r.Headers[0][:strings.LastIndexByte(r.Headers[0], '.')]
	sum := sha256.Sum256([]byte(signed))
	signature, err := s.private.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		b.Fatal(err)
	}
	public := s.private.Public().(*ecdsa.PublicKey)
	var ours, bare time.Duration
	b.ReportAllocs()
	for b.Loop() {
		t0 := time.Now()
		p, err := dpop.Verify(policy, r, start)
		if err != nil || p.For(access) != nil {
			b.Fatal(err)
		}
		t1 := time.Now()
		if !ecdsa.VerifyASN1(public, sum[:], signature) {
			b.Fatal("bare verification failed")
		}
		ours, bare = ours+t1.Sub(t0), bare+time.Since(t1)
	}
	b.ReportMetric(float64(ours)/float64(bare), "times-bare")
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "verify-µs")
}
