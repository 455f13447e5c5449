package authproof_test

import (
	"crypto/ed25519"
	"signet/authproof"
	"testing"
	"time"
)

func BenchmarkParse(b *testing.B) {
	_, priv := newKey(b)
	proof := mustSign(b, priv, claims(2))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := authproof.Parse(proof); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseAndVerify reports its cost as a multiple of ed25519.Verify alone.
func BenchmarkParseAndVerify(b *testing.B) {
	pub, priv := newKey(b)
	proof := mustSign(b, priv, claims(2))
	audiences := []string{"mx.example.org", authproof.AnyRelay}
	b.ReportAllocs()
	for b.Loop() {
		p, err := authproof.Parse(proof)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Verify(pub, "alice@example.org", audiences, now, authproof.Window); err != nil {
			b.Fatal(err)
		}
	}
	each := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(each)/float64(bareVerify(b, pub, priv)), "x-bare")
}

// bareVerify returns what one ed25519.Verify of a text of that size costs, now.
func bareVerify(b *testing.B, pub ed25519.PublicKey, priv ed25519.PrivateKey) time.Duration {
	b.Helper()
	const rounds = 5000
	text := []byte("authroute-v2\n1767225600\n<1@example.org>\nalice@example.org\nmx.example.org")
	signature := ed25519.Sign(priv, text)
	start := time.Now()
	for range rounds {
		if !ed25519.Verify(pub, text, signature) {
			b.Fatal("signature does not verify")
		}
	}
	return time.Since(start) / rounds
}

func BenchmarkSign(b *testing.B) {
	_, priv := newKey(b)
	b.ReportAllocs()
	for b.Loop() {
		mustSign(b, priv, claims(2))
	}
}

func BenchmarkCheckPublicKey(b *testing.B) {
	pub, _ := newKey(b)
	for b.Loop() {
		if err := authproof.CheckPublicKey(pub); err != nil {
			b.Fatal(err)
		}
	}
}
