package authproof_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"signet/authproof"
)

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func claims(version int) authproof.Claims {
	c := authproof.Claims{
		Version: version, Timestamp: now, MessageID: "<1@example.org>", Sender: "alice@example.org",
	}
	if version == 2 {
		c.Audience = "mx.example.org"
	}
	return c
}

func newKey(tb testing.TB) (ed25519.PublicKey, ed25519.PrivateKey) {
	tb.Helper()
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return pub, priv
}

func mustSign(tb testing.TB, priv ed25519.PrivateKey, c authproof.Claims) string {
	tb.Helper()
	proof, err := authproof.Sign(priv, c)
	if err != nil {
		tb.Fatal(err)
	}
	return proof
}

func mustParse(tb testing.TB, proof string) authproof.Proof {
	tb.Helper()
	p, err := authproof.Parse(proof)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestSignRefusesWhatNoVerifierTakes(t *testing.T) {
	_, priv := newKey(t)
	having := func(version int, change func(*authproof.Claims)) authproof.Claims {
		c := claims(version)
		change(&c)
		return c
	}
	for name, c := range map[string]authproof.Claims{
		"version 0":                      having(1, func(c *authproof.Claims) { c.Version = 0 }),
		"version 3":                      having(2, func(c *authproof.Claims) { c.Version = 3 }),
		"zero time":                      having(1, func(c *authproof.Claims) { c.Timestamp = time.Time{} }),
		"year 10000":                     having(1, func(c *authproof.Claims) { c.Timestamp = now.AddDate(8000, 0, 0) }),
		"no message id":                  having(1, func(c *authproof.Claims) { c.MessageID = "" }),
		"null sender":                    having(2, func(c *authproof.Claims) { c.Sender = "" }),
		"colon in message id":            having(1, func(c *authproof.Claims) { c.MessageID = "<a:b@c>" }),
		"colon in sender":                having(1, func(c *authproof.Claims) { c.Sender = "a:b@c" }),
		"newline in message id":          having(2, func(c *authproof.Claims) { c.MessageID = "<a@c>\nb" }),
		"newline in sender":              having(2, func(c *authproof.Claims) { c.Sender = "a@c\nb" }),
		"NUL in sender":                  having(2, func(c *authproof.Claims) { c.Sender = "a\x00@c" }),
		"broken UTF-8":                   having(2, func(c *authproof.Claims) { c.Sender = "a\xff@c" }),
		"no audience":                    having(2, func(c *authproof.Claims) { c.Audience = "" }),
		"audience in capitals":           having(2, func(c *authproof.Claims) { c.Audience = "MX.example.org" }),
		"audience with a dot at the end": having(2, func(c *authproof.Claims) { c.Audience = "mx.example.org." }),
		"audience with a newline":        having(2, func(c *authproof.Claims) { c.Audience = "mx\nx" }),
		"audience with a port":           having(2, func(c *authproof.Claims) { c.Audience = "mx.example.org:25" }),
		"audience of 254 characters":     having(2, func(c *authproof.Claims) { c.Audience = strings.Repeat("a.", 127) }),
		"audience in version 1":          having(1, func(c *authproof.Claims) { c.Audience = "*" }),
		"message id too long":            having(1, func(c *authproof.Claims) { c.MessageID = strings.Repeat("a", 900) }),
	} {
		if proof, err := authproof.Sign(priv, c); !errors.Is(err, authproof.ErrClaims) || proof != "" {
			t.Errorf("%s: got %q, %v, want ErrClaims", name, proof, err)
		}
	}
	if _, err := authproof.Sign(priv[:32], claims(1)); !errors.Is(err, authproof.ErrClaims) {
		t.Errorf("half a private key: got %v, want ErrClaims", err)
	}
}

func TestLongestProofThatIsSignedIsAlsoParsed(t *testing.T) {
	_, priv := newKey(t)
	c := claims(2)
	longest := ""
	for n := 1; ; n++ {
		c.MessageID = strings.Repeat("m", n)
		proof, err := authproof.Sign(priv, c)
		if err != nil {
			break
		}
		longest = proof
	}
	if len(longest) < authproof.MaxDecoded {
		t.Errorf("longest proof has %d characters, want the limit to be of use", len(longest))
	}
	mustParse(t, longest)
}

func TestProofPassesXtextUnchanged(t *testing.T) {
	_, priv := newKey(t)
	for range 50 {
		if proof := mustSign(t, priv, claims(2)); strings.ContainsAny(proof, "+/=") {
			t.Fatalf("proof %s holds a character that xtext or a mail client would change", proof)
		}
	}
}

func TestStaleVerdictIsAboutARealProof(t *testing.T) {
	pub, priv := newKey(t)
	p := mustParse(t, mustSign(t, priv, claims(1)))
	late := now.Add(time.Hour)

	if err := p.Verify(pub, "alice@example.org", nil, late, authproof.Window); !errors.Is(err, authproof.ErrStale) {
		t.Errorf("late: got %v, want ErrStale", err)
	}
	if err := p.Verify(pub, "mallory@example.org", nil, late, authproof.Window); !errors.Is(err, authproof.ErrSignature) {
		t.Errorf("late and forged: got %v, want ErrSignature", err)
	}
}

func TestWindowIncludesItsEnds(t *testing.T) {
	pub, priv := newKey(t)
	p := mustParse(t, mustSign(t, priv, claims(1)))
	for _, c := range []struct {
		away time.Duration
		want error
	}{
		{-300*time.Second - 1, authproof.ErrStale},
		{-300 * time.Second, nil},
		{300 * time.Second, nil},
		{300*time.Second + 1, authproof.ErrStale},
		{1 << 62, authproof.ErrStale},
	} {
		err := p.Verify(pub, "alice@example.org", nil, now.Add(c.away), authproof.Window)
		if !errors.Is(err, c.want) {
			t.Errorf("%v away: got %v, want %v", c.away, err, c.want)
		}
	}
}

// The attack that CheckPublicKey is for: under the neutral element as key, one
// signature verifies for every message.
func TestSmallOrderKeyDoesNotVerifyEveryMessage(t *testing.T) {
	neutral := ed25519.PublicKey(append([]byte{1}, make([]byte, 31)...))
	forged := append(bytes.Clone(neutral), make([]byte, 32)...)
	if !ed25519.Verify(neutral, []byte("any message"), forged) {
		t.Fatal("crypto/ed25519 refuses the forgery by itself now")
	}
	p := authproof.Proof{
		Version: 1, KeyID: authproof.KeyID(neutral), Timestamp: now.Unix(), MessageID: "<1@x>", Signature: forged,
	}
	err := p.Verify(neutral, "alice@example.org", nil, now, authproof.Window)
	if !errors.Is(err, authproof.ErrKey) {
		t.Errorf("got %v, want ErrKey", err)
	}
}

func TestProofThatParseDidNotMakeIsRefused(t *testing.T) {
	pub, _ := newKey(t)
	if err := (authproof.Proof{}).Verify(pub, "a@b", nil, now, authproof.Window); !errors.Is(err, authproof.ErrMalformed) {
		t.Errorf("zero proof: got %v, want ErrMalformed", err)
	}
	p := authproof.Proof{Version: 1, KeyID: authproof.KeyID(pub), MessageID: "<1@x>"}
	if err := p.Verify(pub, "a@b", nil, now, authproof.Window); !errors.Is(err, authproof.ErrSignature) {
		t.Errorf("no signature: got %v, want ErrSignature", err)
	}
	if err := p.Verify(pub[:31], "a@b", nil, now, authproof.Window); !errors.Is(err, authproof.ErrKey) {
		t.Errorf("short key: got %v, want ErrKey", err)
	}
}

func TestPublicKeyHasOneSpelling(t *testing.T) {
	pub, _ := newKey(t)
	good := base64.StdEncoding.EncodeToString(pub)
	for name, b64 := range map[string]string{
		"no padding":                       strings.TrimRight(good, "="),
		"line break":                       good[:20] + "\n" + good[20:],
		"line breaks that keep the length": good[:42] + "\n\n",
		"31 bytes":                         base64.StdEncoding.EncodeToString(pub[:31]),
		"33 bytes":                         base64.StdEncoding.EncodeToString(append([]byte{1}, pub...)),
		"stray bits":                       good[:42] + string(good[42]+1) + "=",
		"empty":                            "",
		"other letter":                     "*" + good[1:],
	} {
		if _, err := authproof.ParsePublicKey(b64); !errors.Is(err, authproof.ErrKey) {
			t.Errorf("%s: got %v, want ErrKey", name, err)
		}
	}
	if got, err := authproof.ParsePublicKey(good); err != nil || !got.Equal(pub) {
		t.Errorf("got %x, %v, want %x", got, err, pub)
	}
}

func TestEveryGeneratedKeyIsSound(t *testing.T) {
	for range 200 {
		pub, _ := newKey(t)
		if err := authproof.CheckPublicKey(pub); err != nil {
			t.Fatalf("%x: %v", pub, err)
		}
	}
}

func TestErrorsDoNotRepeatTheInput(t *testing.T) {
	secret := "SECRETSECRET"
	object := `{"key_id":"` + secret + `","timestamp":"` + secret + `","` + secret + `":1}`
	_, err := authproof.Parse(base64.StdEncoding.EncodeToString([]byte(object)))
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v, want an error without the input", err)
	}
}
