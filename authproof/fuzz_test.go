package authproof_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"signet/authproof"
)

// FuzzParse holds Parse against encoding/json, which is more lenient: whatever
// Parse takes means the same to both.
func FuzzParse(f *testing.F) {
	v := readVectors(f)
	for _, c := range v.Signed {
		f.Add([]byte(c.Object))
	}
	for _, s := range append(v.Spellings, v.Malformed...) {
		if object, err := base64.RawURLEncoding.DecodeString(s.Proof); err == nil {
			f.Add(object)
		}
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		p, err := authproof.Parse(base64.RawURLEncoding.EncodeToString(object))
		if err != nil {
			if !errors.Is(err, authproof.ErrMalformed) {
				t.Fatalf("got %v, want ErrMalformed", err)
			}
			return
		}
		var want struct {
			V         int
			KeyID     string `json:"key_id"`
			Timestamp int64
			MessageID string `json:"message_id"`
			Signature string
		}
		if err := json.Unmarshal(object, &want); err != nil {
			t.Fatalf("taken, but not JSON: %v", err)
		}
		if p.KeyID != want.KeyID || p.Timestamp != want.Timestamp || p.MessageID != want.MessageID ||
			p.Version != max(want.V, 1) || len(p.Signature) != ed25519.SignatureSize {
			t.Fatalf("got %+v, want %+v", p, want)
		}
		_ = p.Verify(make(ed25519.PublicKey, 32), "a@b", []string{"*"}, time.Unix(0, 0), authproof.Window)
	})
}

func FuzzParseText(f *testing.F) {
	v := readVectors(f)
	for _, s := range append(v.Spellings, v.Malformed...) {
		f.Add(s.Proof)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := authproof.Parse(s)
		if err != nil && !errors.Is(err, authproof.ErrMalformed) {
			t.Fatalf("got %v, want ErrMalformed", err)
		}
		if err == nil && (len(s) > authproof.MaxEncoded || len(p.KeyID) != 64) {
			t.Fatalf("took %d characters as %+v", len(s), p)
		}
	})
}

// FuzzVerify: what Sign takes verifies for exactly those claims, and a change of
// any of them does not.
func FuzzVerify(f *testing.F) {
	for _, c := range readVectors(f).Signed {
		f.Add(c.Version, c.Timestamp, c.MessageID, c.Sender, c.Audience, c.MessageID, c.Sender)
	}
	f.Add(1, int64(1), "a", "b:c", "", "a:b", "c")
	priv := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	pub := priv.Public().(ed25519.PublicKey)

	f.Fuzz(func(t *testing.T, version int, timestamp int64, messageID, sender, audience, otherID, otherSender string) {
		at := time.Unix(timestamp, 0)
		proof, err := authproof.Sign(priv, authproof.Claims{
			Version: version, Timestamp: at, MessageID: messageID, Sender: sender, Audience: audience,
		})
		if err != nil {
			return
		}
		p := mustParse(t, proof)
		if p.MessageID != messageID || p.Timestamp != timestamp || p.Version != version {
			t.Fatalf("signed %d %q %d, parsed %+v", version, messageID, timestamp, p)
		}
		if err := p.Verify(pub, sender, []string{audience}, at, 0); err != nil {
			t.Fatalf("own proof: %v", err)
		}
		p.MessageID = otherID
		err = p.Verify(pub, otherSender, []string{audience}, at, 0)
		if err == nil && (otherID != messageID || otherSender != sender) {
			t.Fatalf("proof of %q by %q verifies for %q by %q", messageID, sender, otherID, otherSender)
		}
	})
}
