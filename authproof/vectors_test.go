package authproof_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"signet/authproof"
)

// vectors are what test/authroute/vectors.py wrote, with an implementation that
// shares nothing with this one.
type vectors struct {
	Keys []struct {
		Name, Seed string
		PublicKey  string `json:"public_key"`
		KeyID      string `json:"key_id"`
	}
	Signed []struct {
		Name, Key, Sender, Audience, Signed, Object, Proof string

		Version   int
		Timestamp int64
		MessageID string `json:"message_id"`
	}
	Spellings, Malformed []struct{ Name, Proof string }

	Verified []struct {
		Name, Proof, Sender, Result string

		PublicKey   string `json:"public_key"`
		Audiences   []string
		Now, Window int64
	}
	BadKeys []struct {
		Name      string
		PublicKey string `json:"public_key"`
	} `json:"bad_keys"`
}

func readVectors(tb testing.TB) *vectors {
	tb.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		tb.Fatal(err)
	}
	v := new(vectors)
	if err := json.Unmarshal(text, v); err != nil {
		tb.Fatal(err)
	}
	return v
}

// private returns the key of that name.
func (v *vectors) private(tb testing.TB, name string) ed25519.PrivateKey {
	tb.Helper()
	for _, k := range v.Keys {
		if k.Name == name {
			seed, err := hex.DecodeString(k.Seed)
			if err != nil {
				tb.Fatal(err)
			}
			return ed25519.NewKeyFromSeed(seed)
		}
	}
	tb.Fatalf("no key called %q", name)
	return nil
}

func TestKeysHaveTheIdsOfTheSecondImplementation(t *testing.T) {
	for _, k := range readVectors(t).Keys {
		pub, err := authproof.ParsePublicKey(k.PublicKey)
		if err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		if got := authproof.KeyID(pub); got != k.KeyID {
			t.Errorf("%s: got key id %s, want %s", k.Name, got, k.KeyID)
		}
	}
}

// The public keys of RFC 8032, section 7.1, TEST 1 to 3.
func TestKeysOfRFC8032AreSound(t *testing.T) {
	for _, digits := range []string{
		"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
		"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
		"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
	} {
		pub, _ := hex.DecodeString(digits)
		if err := authproof.CheckPublicKey(pub); err != nil {
			t.Errorf("%s: %v", digits, err)
		}
	}
}

func TestSignGivesTheBytesOfTheSecondImplementation(t *testing.T) {
	v := readVectors(t)
	for _, c := range v.Signed {
		got, err := authproof.Sign(v.private(t, c.Key), authproof.Claims{
			Version: c.Version, Timestamp: time.Unix(c.Timestamp, 0), MessageID: c.MessageID,
			Sender: c.Sender, Audience: c.Audience,
		})
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		if got != c.Proof {
			t.Errorf("%s:\n got %s\nwant %s", c.Name, got, c.Proof)
		}
	}
}

func TestProofsOfTheSecondImplementationVerify(t *testing.T) {
	v := readVectors(t)
	for _, c := range v.Signed {
		p, err := authproof.Parse(c.Proof)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if p.Version != c.Version || p.Timestamp != c.Timestamp || p.MessageID != c.MessageID {
			t.Errorf("%s: got %+v", c.Name, p)
		}
		pub := v.private(t, c.Key).Public().(ed25519.PublicKey)
		if err := p.Verify(pub, c.Sender, []string{c.Audience}, time.Unix(c.Timestamp, 0), 0); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}

func TestEverySpellingOfOneProofVerifies(t *testing.T) {
	v := readVectors(t)
	key := v.Keys[0]
	pub := v.private(t, key.Name).Public().(ed25519.PublicKey)
	for _, s := range v.Spellings {
		p, err := authproof.Parse(s.Proof)
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		first := v.Signed[0]
		if err := p.Verify(pub, first.Sender, nil, time.Unix(first.Timestamp, 0), 0); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

func TestMalformedProofsAreRefusedWhole(t *testing.T) {
	for _, m := range readVectors(t).Malformed {
		p, err := authproof.Parse(m.Proof)
		if !errors.Is(err, authproof.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", m.Name, err)
		}
		if p.KeyID != "" || p.MessageID != "" || p.Signature != nil {
			t.Errorf("%s: got members %+v beside the error", m.Name, p)
		}
	}
}

func TestVerifyAgreesWithTheSecondImplementation(t *testing.T) {
	results := map[string]error{
		"ok": nil, "malformed": authproof.ErrMalformed, "key": authproof.ErrKey,
		"signature": authproof.ErrSignature, "stale": authproof.ErrStale,
	}
	for _, c := range readVectors(t).Verified {
		want, known := results[c.Result]
		if !known {
			t.Fatalf("%s: unknown result %q", c.Name, c.Result)
		}
		p, err := authproof.Parse(c.Proof)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		pub, err := authproof.ParsePublicKey(c.PublicKey)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		got := p.Verify(pub, c.Sender, c.Audiences, time.Unix(c.Now, 0), time.Duration(c.Window)*time.Second)
		if !errors.Is(got, want) {
			t.Errorf("%s: got %v, want %v", c.Name, got, want)
		}
	}
}

func TestBadPublicKeysAreRefused(t *testing.T) {
	bad := readVectors(t).BadKeys
	if len(bad) < 8+6 {
		t.Fatalf("got %d bad keys, want all small-order points in all spellings", len(bad))
	}
	for _, k := range bad {
		if _, err := authproof.ParsePublicKey(k.PublicKey); !errors.Is(err, authproof.ErrKey) {
			t.Errorf("%s: got %v, want ErrKey", k.Name, err)
		}
		raw, _ := base64.StdEncoding.DecodeString(k.PublicKey)
		if err := authproof.CheckPublicKey(raw); !errors.Is(err, authproof.ErrKey) {
			t.Errorf("%s, raw: got %v, want ErrKey", k.Name, err)
		}
	}
}
