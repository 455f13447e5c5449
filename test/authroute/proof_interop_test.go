// Package authroute tests authenticated routing from end to end.
package authroute

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"signet/authproof"
)

// second runs the implementation in Python, which was written from the specification,
// and returns what it printed and whether it was content.
func second(t *testing.T, args ...string) (string, bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", append([]string{"authproof.py"}, args...)...)
	cmd.Env = []string{"LANG=C.UTF-8"}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil && (!errors.As(err, new(*exec.ExitError)) || said.Len() > 0) {
		t.Fatalf("authproof.py %s: %v\n%s(scripts/test-deps installs python3-cryptography)", args[0], err, said.String())
	}
	return strings.TrimSpace(string(out)), err == nil
}

type identity struct {
	seed, encoded string
	public        ed25519.PublicKey
	private       ed25519.PrivateKey
}

func newIdentity(t *testing.T) identity {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return identity{hex.EncodeToString(private.Seed()), base64.StdEncoding.EncodeToString(public), public, private}
}

// claims are cases that each side signs for the other.
func claims(now time.Time) []authproof.Claims {
	return []authproof.Claims{
		{Version: 1, Timestamp: now, MessageID: "<1@example.org>", Sender: "alice@example.org"},
		{Version: 2, Timestamp: now, MessageID: "<2@example.org>", Sender: "alice@example.org", Audience: "mx.example.org"},
		{Version: 2, Timestamp: now, MessageID: `<"a\b:c"@[IPv6:::1]>`, Sender: "john \"x\" doe@example.org", Audience: "*"},
		{Version: 2, Timestamp: now, MessageID: "<grüße-😀@example.org>", Sender: "jürgen@例え.jp", Audience: "*"},
	}
}

func TestProofsOfTheSecondImplementationAreAccepted(t *testing.T) {
	alice, now := newIdentity(t), time.Now()
	for _, c := range claims(now) {
		args := []string{"sign", alice.seed, strconv.Itoa(c.Version), strconv.FormatInt(now.Unix(), 10), c.MessageID, c.Sender}
		if c.Version == 2 {
			args = append(args, c.Audience)
		}
		proof, ok := second(t, args...)
		if !ok {
			t.Errorf("%q: not signed: %s", c.MessageID, proof)
			continue
		}
		p, err := authproof.Parse(proof)
		if err != nil {
			t.Errorf("%q: %v", c.MessageID, err)
			continue
		}
		if err := p.Verify(alice.public, c.Sender, []string{c.Audience}, now, authproof.Window); err != nil {
			t.Errorf("%q: %v", c.MessageID, err)
		}
		if err := p.Verify(alice.public, "x"+c.Sender, []string{c.Audience}, now, authproof.Window); !errors.Is(err, authproof.ErrSignature) {
			t.Errorf("%q for another sender: got %v, want ErrSignature", c.MessageID, err)
		}
	}
}

func TestOurProofsAreAcceptedByTheSecondImplementation(t *testing.T) {
	alice, now := newIdentity(t), time.Now()
	for _, c := range claims(now) {
		proof, err := authproof.Sign(alice.private, c)
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"verify", proof, alice.encoded, c.Sender, strconv.FormatInt(now.Unix(), 10), "300", c.Audience}
		if got, _ := second(t, args...); got != "ok" {
			t.Errorf("%q: got %s, want ok", c.MessageID, got)
		}
	}
}

func TestBothRefuseAnAlteredProofInTheSameWay(t *testing.T) {
	alice, mallory, now := newIdentity(t), newIdentity(t), time.Now()
	c := claims(now)[1]
	proof, err := authproof.Sign(alice.private, c)
	if err != nil {
		t.Fatal(err)
	}
	object, err := base64.RawURLEncoding.DecodeString(proof)
	if err != nil {
		t.Fatal(err)
	}
	altered := func(old, replacement string) string {
		if !bytes.Contains(object, []byte(old)) {
			t.Fatalf("%s is not in %s", old, object)
		}
		return base64.RawURLEncoding.EncodeToString(bytes.Replace(object, []byte(old), []byte(replacement), 1))
	}
	for name, x := range map[string]struct {
		proof, key, sender, audience string
		late                         time.Duration
		want                         string
	}{
		"nothing":             {proof, alice.encoded, c.Sender, c.Audience, 0, "ok"},
		"sender":              {proof, alice.encoded, "mallory@example.org", c.Audience, 0, "signature"},
		"message id":          {altered("<2@", "<3@"), alice.encoded, c.Sender, c.Audience, 0, "signature"},
		"version":             {altered(`"v":2`, `"v":1`), alice.encoded, c.Sender, c.Audience, 0, "signature"},
		"audience":            {proof, alice.encoded, c.Sender, "mx.example.com", 0, "signature"},
		"key":                 {proof, mallory.encoded, c.Sender, c.Audience, 0, "key"},
		"key and its id":      {altered(authproof.KeyID(alice.public), authproof.KeyID(mallory.public)), mallory.encoded, c.Sender, c.Audience, 0, "signature"},
		"one member doubled":  {altered(`"v":2`, `"v":2,"v":2`), alice.encoded, c.Sender, c.Audience, 0, "malformed"},
		"one member added":    {altered(`"v":2`, `"v":2,"x":2`), alice.encoded, c.Sender, c.Audience, 0, "malformed"},
		"a fraction":          {altered(`"v":2`, `"v":2.0`), alice.encoded, c.Sender, c.Audience, 0, "malformed"},
		"301 seconds later":   {proof, alice.encoded, c.Sender, c.Audience, 301 * time.Second, "stale"},
		"301 seconds earlier": {proof, alice.encoded, c.Sender, c.Audience, -301 * time.Second, "stale"},
	} {
		at := now.Add(x.late)
		got, _ := second(t, "verify", x.proof, x.key, x.sender, strconv.FormatInt(at.Unix(), 10), "300", x.audience)
		if got != x.want {
			t.Errorf("%s: the second implementation says %s, want %s", name, got, x.want)
		}
		if got := ours(t, x.proof, x.key, x.sender, x.audience, at); got != x.want {
			t.Errorf("%s: we say %s, want %s", name, got, x.want)
		}
	}
}

// ours gives our result in the words of the second implementation.
func ours(t *testing.T, proof, key, sender, audience string, now time.Time) string {
	t.Helper()
	public, err := authproof.ParsePublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p, err := authproof.Parse(proof)
	if err == nil {
		err = p.Verify(public, sender, []string{audience}, now, authproof.Window)
	}
	for word, want := range map[string]error{
		"malformed": authproof.ErrMalformed, "key": authproof.ErrKey,
		"signature": authproof.ErrSignature, "stale": authproof.ErrStale,
	} {
		if errors.Is(err, want) {
			return word
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return "ok"
}

func TestBothGiveAKeyTheSameId(t *testing.T) {
	alice := newIdentity(t)
	if got, _ := second(t, "keyid", alice.encoded); got != authproof.KeyID(alice.public) {
		t.Errorf("got %s, want %s", got, authproof.KeyID(alice.public))
	}
}
