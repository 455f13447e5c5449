package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"signet/internal/db/dbtest"
	"signet/internal/fault"
	"signet/internal/token"
)

var b64 = base64.RawURLEncoding.EncodeToString

// body is a good payload with more members, which may stand in twice.
func body(more string) string {
	return fmt.Sprintf(`{"iss":%q,"sub":"usr_alice","aud":%q,"client_id":"cli_app","jti":"j","iat":%d,"exp":%d%s}`,
		issuer, api, start.Unix(), start.Add(time.Minute).Unix(), more)
}

// with is a good payload with another value of a member.
func with(name, value string) string {
	kept := body("")
	for m := range strings.SplitSeq(strings.Trim(kept, "{}"), ",") {
		if strings.HasPrefix(m, `"`+name+`"`) {
			kept = strings.Replace(kept, m, `"`+name+`":`+value, 1)
		}
	}
	return kept
}

func TestEveryAttackIsRefusedAtItsField(t *testing.T) {
	for _, alg := range algorithms {
		t.Run(string(alg), func(t *testing.T) {
			a := newAuthority(t, dbtest.SQLite(t), alg)
			kid, private := a.ActiveKey(t)
			header := fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"at+jwt"`, alg, kid)
			good := a.Sign(t, header+"}", body(""))
			if _, err := a.Verify(t.Context(), good, api); err != nil {
				t.Fatalf("the good token: %v", err)
			}
			parts := strings.Split(good, ".")
			signed := func(payload string) string { return a.Sign(t, header+"}", payload) }
			der, err := x509.MarshalPKIXPublicKey(private.Public())
			if err != nil {
				t.Fatal(err)
			}
			confused := func(key []byte) string {
				text := b64([]byte(strings.Replace(header, string(alg), "HS256", 1)+"}")) + "." + parts[1]
				m := hmac.New(sha256.New, key)
				m.Write([]byte(text))
				return text + "." + b64(m.Sum(nil))
			}
			late := fmt.Sprint(start.Add(11 * time.Second).Unix())
			none := func(alg string) string {
				return b64(fmt.Appendf(nil, `{"alg":%q,"kid":%q,"typ":"at+jwt"}`, alg, kid)) + "." + parts[1] + "."
			}
			for _, c := range []struct{ name, token, field string }{
				{"alg none", none("none"), "alg"},
				{"alg nOnE", none("nOnE"), "alg"},
				{"alg empty", none(""), "alg"},
				{"HS256 with the public key in DER", confused(der), "alg"},
				{"HS256 with the public key in PEM", confused(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "alg"},
				{"another algorithm", a.Sign(t, strings.Replace(header, string(alg), "ES384", 1)+"}", body("")), "alg"},
				{"own key in jwk", ownKey(t, header), "header"},
				{"jku", a.Sign(t, header+`,"jku":"https://evil.example/jwks"}`, body("")), "header"},
				{"x5u", a.Sign(t, header+`,"x5u":"https://evil.example/x"}`, body("")), "header"},
				{"crit", a.Sign(t, header+`,"crit":["exp"]}`, body("")), "header"},
				{"unencoded payload", a.Sign(t, header+`,"b64":false,"crit":["b64"]}`, body("")), "header"},
				{"member of the header twice", a.Sign(t, header+`,"alg":"none"}`, body("")), "header"},
				{"header is no object", a.Sign(t, `["at+jwt"]`, body("")), "header"},
				{"header is null", a.Sign(t, `null`, body("")), "header"},
				{"something after the header", a.Sign(t, header+`}{}`, body("")), "header"},
				{"typ JWT", a.Sign(t, strings.Replace(header, "at+jwt", "JWT", 1)+"}", body("")), "typ"},
				{"typ of a proof", a.Sign(t, strings.Replace(header, "at+jwt", "dpop+jwt", 1)+"}", body("")), "typ"},
				{"typ 7", a.Sign(t, strings.Replace(header, `"at+jwt"`, "7", 1)+"}", body("")), "typ"},
				{"no typ", a.Sign(t, strings.Replace(header, `,"typ":"at+jwt"`, "", 1)+"}", body("")), "typ"},
				{"unknown kid", a.Sign(t, strings.Replace(header, kid, "x", 1)+"}", body("")), "kid"},
				{"no kid", a.Sign(t, fmt.Sprintf(`{"alg":%q,"typ":"at+jwt"}`, alg), body("")), "kid"},
				{"payload replaced", parts[0] + "." + b64([]byte(with("sub", `"root"`))) + "." + parts[2], "signature"},
				{"no signature", parts[0] + "." + parts[1] + ".", "signature"},
				{"truncated", good[:len(good)-1], "signature"},
				{"signature of zeros", parts[0] + "." + parts[1] + "." + b64(make([]byte, 64)), "signature"},
				{"garbage after it", good + "AA", "signature"},
				{"padded", good + "==", "signature"},
				{"line end after it", good + "\n", "signature"},
				{"line end in the header", parts[0] + "\n." + parts[1] + "." + parts[2], "header"},
				{"other spelling of the signature", parts[0] + "." + parts[1] + "." + respell(parts[2]), "signature"},
				{"four parts", good + ".", ""},
				{"five parts, encrypted", "a.b.c.d.e", ""},
				{"two parts", parts[0] + "." + parts[1], ""},
				{"nothing", "", ""},
				{"too long", good + strings.Repeat("A", token.MaxSize), ""},
				{"claim twice", signed(body(`,"sub":"root"`)), "payload"},
				{"claim twice, escaped", signed(body(`,"\u0073ub":"root"`)), "payload"},
				{"claim twice within cnf", signed(body(`,"cnf":{"jkt":"a","jkt":"b"}`)), "payload"},
				{"not UTF-8", signed(body(",\"x\":\"\xff\"")), "payload"},
				{"nested deeply", signed(body(`,"x":` + strings.Repeat("[", 500) + strings.Repeat("]", 500))), "payload"},
				{"no JSON", signed("x"), "payload"},
				{"another issuer", signed(with("iss", `"https://evil.example"`)), "iss"},
				{"issuer with a slash", signed(with("iss", `"`+issuer+`/"`)), "iss"},
				{"another audience", signed(with("aud", `"https://other.example.org"`)), "aud"},
				{"audience in other case", signed(with("aud", `"HTTPS://api.example.org"`)), "aud"},
				{"no audience", signed(with("aud", `[]`)), "aud"},
				{"audience null", signed(with("aud", `null`)), "aud"},
				{"audience of null", signed(with("aud", `[null]`)), "aud"},
				{"sub null", signed(with("sub", `null`)), "sub"},
				{"sub in other case", signed(strings.Replace(body(""), `"sub"`, `"SUB"`, 1)), "sub"},
				{"sub a number", signed(with("sub", `7`)), "sub"},
				{"no client_id", signed(strings.Replace(body(""), `"client_id"`, `"x"`, 1)), "client_id"},
				{"no jti", signed(with("jti", `""`)), "jti"},
				{"iat in the future", signed(with("iat", late)), "iat"},
				{"iat a float", signed(with("iat", "1.0")), "iat"},
				{"iat a text", signed(with("iat", `"1"`)), "iat"},
				{"exp with an exponent", signed(with("exp", "9e9")), "exp"},
				{"exp huge", signed(with("exp", "99999999999999999999")), "exp"},
				{"exp negative", signed(with("exp", "-1")), "exp"},
				{"no exp", signed(strings.Replace(body(""), `"exp"`, `"x"`, 1)), "exp"},
				{"exp before iat", signed(with("exp", fmt.Sprint(start.Add(-time.Second).Unix()))), "exp"},
				{"nbf in the future", signed(body(`,"nbf":` + late)), "nbf"},
				{"nbf null", signed(body(`,"nbf":null`)), "nbf"},
				{"cnf null", signed(body(`,"cnf":null`)), "cnf"},
				{"cnf empty", signed(body(`,"cnf":{}`)), "cnf"},
				{"cnf that is unknown", signed(body(`,"cnf":{"kid":"x"}`)), "cnf"},
				{"cnf too short", signed(body(`,"cnf":{"jkt":"AAAA"}`)), "cnf"},
				{"scope of two spaces", signed(body(`,"scope":"a  b"`)), "scope"},
				{"amr null", signed(body(`,"amr":null`)), "amr"},
				{"roles of a text", signed(body(`,"roles":"admin"`)), "roles"},
			} {
				t.Run(c.name, func(t *testing.T) {
					_, err := a.Verify(t.Context(), c.token, api)
					f, ok := fault.As(err)
					if !ok || !errors.Is(err, token.ErrToken) || f.Kind != fault.Unauthorized || f.Field != c.field {
						t.Fatalf("got %v, want ErrToken at %q", err, c.field)
					}
					if strings.Contains(err.Error(), "evil") || strings.Contains(err.Error(), "root") {
						t.Errorf("the error repeats the token: %v", err)
					}
				})
			}
		})
	}
}

// ownKey is a token that brings the key it was signed with.
func ownKey(t *testing.T, header string) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := jose.JSONWebKey{Key: k.Public()}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k}, (&jose.SignerOptions{EmbedJWK: true}).WithType("at+jwt"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign([]byte(body("")))
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(compact, ".")
	return b64([]byte(header+`,"jwk":`+string(jwk)+"}")) + "." + rest
}

// respell changes the bits of the last character that carry nothing.
func respell(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[i^1])
}

func TestTypMayBeAWholeMediaTypeInAnyCase(t *testing.T) {
	a := newAuthority(t, dbtest.SQLite(t), "")
	kid, _ := a.ActiveKey(t)
	for _, typ := range []string{"AT+JWT", "application/at+jwt", "Application/At+Jwt"} {
		s := a.Sign(t, fmt.Sprintf(`{"typ":%q,"kid":%q,"alg":"ES256"}`, typ, kid), body(""))
		if _, err := a.Verify(t.Context(), s, api); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func TestClocksMayDifferByTenSeconds(t *testing.T) {
	a := newAuthority(t, dbtest.SQLite(t), "")
	s := issue(t, a, claims())
	for _, c := range []struct {
		after time.Duration
		good  bool
	}{
		{-11 * time.Second, false},
		{-10 * time.Second, true},
		{5*time.Minute + 10*time.Second - time.Nanosecond, true},
		{5*time.Minute + 10*time.Second, false},
	} {
		*a.now = start.Add(c.after)
		if _, err := a.Verify(t.Context(), s, api); (err == nil) != c.good {
			t.Errorf("%s after its iat: got %v, want good %t", c.after, err, c.good)
		}
	}
}

// oracle verifies by go-jose alone, with the active key.
func oracle(s string, public any) error {
	jws, err := jose.ParseSignedCompact(s, []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA})
	if err != nil {
		return err
	}
	_, err = jws.Verify(public)
	return err
}

// What differs by one character is refused by us wherever go-jose refuses it, and
// where go-jose accepts another spelling, we do not.
func TestVerifyAcceptsNothingThatTheOracleRefuses(t *testing.T) {
	for _, alg := range algorithms {
		t.Run(string(alg), func(t *testing.T) {
			a := newAuthority(t, dbtest.SQLite(t), alg)
			_, private := a.ActiveKey(t)
			good := issue(t, a, claims())
			if err := oracle(good, private.Public()); err != nil {
				t.Fatalf("the oracle refuses what was issued: %v", err)
			}
			refused, stricter := 0, 0
			for i := range good {
				for _, c := range []byte("Aw_9.=\n") {
					s := good[:i] + string(c) + good[i+1:]
					if s == good {
						continue
					}
					_, err := a.Verify(t.Context(), s, api)
					if err == nil {
						t.Fatalf("character %d as %q is accepted", i, c)
					}
					refused++
					if err := oracle(s, private.Public()); err == nil {
						stricter++
					}
				}
			}
			t.Logf("%d altered tokens refused; the oracle accepts %d of them", refused, stricter)
		})
	}
}

func TestTokensOfTheOracleVerify(t *testing.T) {
	for _, alg := range algorithms {
		t.Run(string(alg), func(t *testing.T) {
			a := newAuthority(t, dbtest.SQLite(t), alg)
			kid, private := a.ActiveKey(t)
			s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: jose.JSONWebKey{Key: private, KeyID: kid}},
				(&jose.SignerOptions{}).WithType("at+jwt"))
			if err != nil {
				t.Fatal(err)
			}
			jws, err := s.Sign([]byte(body("")))
			if err != nil {
				t.Fatal(err)
			}
			compact, err := jws.CompactSerialize()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.Verify(t.Context(), compact, api); err != nil {
				t.Error(err)
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	a := newAuthority(f, dbtest.SQLite(f), "")
	kid, private := a.ActiveKey(f)
	header := fmt.Sprintf(`{"alg":"ES256","kid":%q,"typ":"at+jwt"}`, kid)
	f.Add(header, body(""), "", false)
	f.Add(header, body(`,"cnf":{"jkt":"`+strings.Repeat("A", 43)+`"}`), "", true)
	f.Add(`{"alg":"none"}`, "{}", "AA", true)
	f.Add("null", "[null]", "..", true)
	f.Fuzz(func(t *testing.T, head, payload, tail string, sign bool) {
		s := head + "." + payload + "." + tail
		if sign {
			s = a.Sign(t, head, payload) + tail
		}
		c, err := a.Verify(t.Context(), s, api)
		if err != nil {
			if !errors.Is(err, token.ErrToken) {
				t.Fatalf("not a fault: %v", err)
			}
			return
		}
		if err := oracle(s, private.Public()); err != nil {
			t.Fatalf("accepted, and the oracle says %v", err)
		}
		if c.Issuer != issuer || c.Subject == "" || c.Client == "" || c.ID == "" || !c.Issued.Before(c.Expires) {
			t.Fatalf("accepted %+v", c)
		}
	})
}

// BenchmarkVerify reports how many times as long a whole verification takes as that
// of the bare signature, turn by turn.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range algorithms {
		b.Run(string(alg), func(b *testing.B) {
			a := newAuthority(b, dbtest.SQLite(b), alg)
			s := issue(b, a, claims())
			signed := s[:strings.LastIndexByte(s, '.')]
			signature, err := base64.RawURLEncoding.DecodeString(s[len(signed)+1:])
			if err != nil {
				b.Fatal(err)
			}
			var ours, bare time.Duration
			for b.Loop() {
				t0 := time.Now()
				if _, err := a.Verify(b.Context(), s, api); err != nil {
					b.Fatal(err)
				}
				t1 := time.Now()
				if !a.VerifyBare([]byte(signed), signature) {
					b.Fatal("bare verification failed")
				}
				ours, bare = ours+t1.Sub(t0), bare+time.Since(t1)
			}
			b.ReportMetric(float64(ours)/float64(bare), "times-bare")
			b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "verify-µs")
		})
	}
}
