package authproof_test

import (
	"crypto/ed25519"
	"testing"
	"time"

	"signet/authproof"
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

// BenchmarkParseAndVerify reports its cost, ns/proof, also as a multiple of
// ed25519.Verify of a text of that size. Both take turns and the fastest turn of each
// counts, so that other work of the machine does not; ns/op is both.
func BenchmarkParseAndVerify(b *testing.B) {
	pub, priv := newKey(b)
	proof := mustSign(b, priv, claims(2))
	audiences := []string{"mx.example.org", authproof.AnyRelay}
	text := []byte("authroute-v2\n1767225600\n<1@example.org>\nalice@example.org\nmx.example.org")
	signature := ed25519.Sign(priv, text)

	ours, bare := time.Hour, time.Hour
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		p, err := authproof.Parse(proof)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Verify(pub, "alice@example.org", audiences, now, authproof.Window); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		if !ed25519.Verify(pub, text, signature) {
			b.Fatal("signature does not verify")
		}
		bare = min(bare, time.Since(middle))
		ours = min(ours, middle.Sub(start))
	}
	b.ReportMetric(float64(ours), "ns/proof")
	b.ReportMetric(float64(ours)/float64(bare), "x-bare")
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
