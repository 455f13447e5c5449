package authroute_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	signettest "signet/test/signet"
)

// body is a request to the key API, by member.
type body map[string]string

// with returns the body with members set, given as name and value.
func (b body) with(members ...string) body {
	b = maps.Clone(b)
	for n := 0; n+1 < len(members); n += 2 {
		b[members[n]] = members[n+1]
	}
	return b
}

func (b body) text(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

func publicOf(k signettest.Key) string {
	return base64.StdEncoding.EncodeToString(k.Private.Public().(ed25519.PublicKey)) // crypto/ed25519 promises the type
}

// signed is docs/spec/authenticated-routing.md, section 7: standard base64 of the
// signature over a text.
func signed(k signettest.Key, format string, args ...any) string {
	return base64.StdEncoding.EncodeToString(ed25519.Sign(k.Private, fmt.Appendf(nil, format, args...)))
}

// primaryBody is a good request for a first primary key.
func primaryBody(origin string, primary signettest.Key, at time.Time) body {
	public, timestamp := publicOf(primary), stamp(at)
	return body{
		"public_key": public, "address": primary.Address, "timestamp": timestamp,
		"signature": signed(primary, "authroute-primary:v1\n%s\n%s\n%s\n-\n%s", origin, primary.Address, public, timestamp),
	}
}

// subkeyBody is a good request for a subkey of an address.
func subkeyBody(primary, k signettest.Key, expires time.Time) body {
	const text = "authroute-subkey:v1\n%s\n%s\n%s\n%s"
	public, until := publicOf(k), stamp(expires)
	return body{
		"key_id": k.ID, "public_key": public, "expires_at": until, "address": k.Address,
		"signature":        signed(primary, text, k.Address, k.ID, public, until),
		"subkey_signature": signed(k, text, k.Address, k.ID, public, until),
	}
}
