package dpop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"signet/internal/dpop"
	"signet/internal/dpop/dpoptest"
	"signet/internal/fault"
)

const (
	endpoint = "https://auth.example.org/token"
	access   = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU" // RFC 9449, section 7.1
)

var (
	start  = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	policy = dpop.Policy{Algorithms: []string{"ES256", "EdDSA", "Ed25519", "PS256"}, Lifetime: time.Minute, Skew: 10 * time.Second}
	b64    = base64.RawURLEncoding.EncodeToString
)

// with and payload are short for the ones of dpoptest.
var with = dpoptest.With

func payload() dpoptest.Object { return dpoptest.Payload("POST", endpoint, access, start) }

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
		s := dpoptest.NewSigner(t, alg)
		p, err := dpop.Verify(policy, post(s.Proof(t, s.Header(), with(payload(), "nonce", "n"))), start)
		if err != nil || p.Algorithm != alg || p.Nonce != "n" || p.HTU != endpoint || !p.Expires.Equal(start.Add(70*time.Second)) || p.For(access) != nil {
			t.Errorf("%s: got %+v, %v", alg, p, err)
		}
		if err := p.For(access + "x"); !errors.Is(err, dpop.ErrProof) {
			t.Errorf("%s: for another access token: got %v, want ErrProof", alg, err)
		}
	}
}

func TestEveryBadProofIsRefusedAtItsMember(t *testing.T) {
	s := dpoptest.NewSigner(t, "ES256")
	if _, err := dpop.Verify(policy, post(s.Proof(t, s.Header(), payload())), start); err != nil {
		t.Fatalf("the good proof: %v", err)
	}
	for _, c := range dpoptest.Attacks(t, s, payload(), start) {
		t.Run(c.Name, func(t *testing.T) {
			_, err := dpop.Verify(policy, post(c.Headers...), start)
			f, ok := fault.As(err)
			if !ok || !errors.Is(err, dpop.ErrProof) || f.Word != "invalid-dpop-proof" || f.Field != c.Field {
				t.Fatalf("got %v, want ErrProof at %q", err, c.Field)
			}
			if strings.Contains(err.Error(), "evil") || strings.Contains(err.Error(), "AAAA") {
				t.Errorf("the error repeats the proof: %v", err)
			}
		})
	}
}

func TestNoProofIsNotABadProof(t *testing.T) {
	for _, none := range [][]string{nil, {}} {
		if _, err := dpop.Verify(policy, post(none...), start); !errors.Is(err, dpop.ErrMissing) || errors.Is(err, dpop.ErrProof) {
			t.Errorf("got %v, want ErrMissing", err)
		}
	}
}

func TestProofWithoutAthIsForNoAccessToken(t *testing.T) {
	s := dpoptest.NewSigner(t, "ES256")
	p, err := dpop.Verify(policy, post(s.Proof(t, s.Header(), with(payload(), "ath", nil))), start)
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
	s := dpoptest.NewSigner(t, "ES256")
	proof := s.Proof(t, s.Header(), with(payload(), "exp", start.Add(time.Hour).Unix(), "nbf", start.Unix()))
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
	s := dpoptest.NewSigner(t, "ES256")
	for _, htu := range []string{
		"https://auth.example.org:443/token", "HTTPS://AUTH.example.ORG/token", endpoint + "?a=b", endpoint + "#x",
		"https://auth.example.org/%74oken", "https://auth.example.org/./x/../token", "https://auth.example.org/%2e/token",
	} {
		if _, err := dpop.Verify(policy, post(s.Proof(t, s.Header(), with(payload(), "htu", htu))), start); err != nil {
			t.Errorf("%s: %v", htu, err)
		}
	}
}

func TestOtherMembersAreOfNoMatter(t *testing.T) {
	s := dpoptest.NewSigner(t, "ES256")
	jwk := with(s.JWK, "kid", "x", "ext", true, "key_ops", []string{"verify"}, "use", "sig", "alg", "ES256")
	proof := s.Proof(t, with(s.Header(), "kid", "x", "jwk", jwk, "typ", "application/DPoP+JWT"), with(payload(), "iss", "x", "x", dpoptest.Object{"a": []int{1}}))
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
		s := dpoptest.NewSigner(t, alg)
		good := s.Proof(t, s.Header(), payload())
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
	signers := map[string]dpoptest.Signer{"ES256": dpoptest.NewSigner(f, "ES256"), "EdDSA": dpoptest.NewSigner(f, "EdDSA"), "PS256": dpoptest.NewSigner(f, "PS256")}
	for alg, s := range signers {
		b, err := json.Marshal(s.Header())
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
			compact = s.Proof(t, header, payload) + tail
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
	s := dpoptest.NewSigner(b, "ES256")
	r := post(s.Proof(b, s.Header(), payload()))
	signed := r.Headers[0][:strings.LastIndexByte(r.Headers[0], '.')]
	sum := sha256.Sum256([]byte(signed))
	signature, err := s.Private.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		b.Fatal(err)
	}
	public := s.Private.Public().(*ecdsa.PublicKey)
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
