package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const clientID = "cli_hello"

var (
	start = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	b64   = base64.RawURLEncoding.EncodeToString
)

// signer publishes a key and signs with it, whatever it is given.
type signer struct {
	*httptest.Server

	key   *ecdsa.PrivateKey
	asked atomic.Int32
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &signer{key: key}
	point := s.point(t)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.asked.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []map[string]string{
			{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "other", "x": "AA"},
			{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k1", "x": b64(point[1:33]), "y": b64(point[33:])},
		}})
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *signer) point(t *testing.T) []byte {
	t.Helper()
	point, err := s.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return point
}

func (s *signer) verifier() *verifier {
	return newVerifier("https://auth.example.org", s.URL, func() time.Time { return start })
}

// parts are the first two parts of a token.
func parts(header, payload map[string]any) string {
	h, _ := json.Marshal(header)
	p, _ := json.Marshal(payload)
	return b64(h) + "." + b64(p)
}

func (s *signer) sign(t *testing.T, signed string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(signed))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + b64(append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...))
}

func header() map[string]any { return map[string]any{"alg": "ES256", "kid": "k1", "typ": "at+jwt"} }

func payload() map[string]any {
	return map[string]any{
		"iss": "https://auth.example.org", "aud": clientID, "sub": "usr_alice", "client_id": clientID, "sid": "ses_1",
		"iat": start.Unix(), "exp": start.Add(5 * time.Minute).Unix(),
	}
}

// with returns m with one member changed; nil takes it away.
func with(m map[string]any, name string, value any) map[string]any {
	m = maps.Clone(m)
	m[name] = value
	if value == nil {
		delete(m, name)
	}
	return m
}

func TestTokenThatWasTamperedWithIsRefused(t *testing.T) {
	s := newSigner(t)
	v := s.verifier()
	good := s.sign(t, parts(header(), payload()))
	cut := strings.Split(good, ".")
	stranger := newSigner(t)
	hs256 := func() string {
		signed := parts(with(header(), "alg", "HS256"), payload())
		m := hmac.New(sha256.New, s.point(t)) // the public key as the secret
		m.Write([]byte(signed))
		return signed + "." + b64(m.Sum(nil))
	}
	changed := func(h, p map[string]any) string { return s.sign(t, parts(h, p)) }

	for _, aud := range []any{clientID, []string{"https://x.example.org", clientID}} {
		if c, err := v.access(t.Context(), changed(header(), with(payload(), "aud", aud)), clientID); err != nil || c.Subject != "usr_alice" {
			t.Fatalf("good token for %v: got %+v, %v", aud, c, err)
		}
	}
	for name, token := range map[string]string{
		"empty":                    "",
		"alg none":                 parts(with(header(), "alg", "none"), payload()) + ".",
		"alg none with signature":  changed(with(header(), "alg", "none"), payload()),
		"alg None":                 parts(with(header(), "alg", "None"), payload()) + ".",
		"no alg":                   changed(with(header(), "alg", nil), payload()),
		"HS256 by the public key":  hs256(),
		"no signature":             cut[0] + "." + cut[1] + ".",
		"two parts":                cut[0] + "." + cut[1],
		"four parts":               good + ".",
		"dot in front":             "." + good,
		"two dots in between":      cut[0] + ".." + cut[1] + "." + cut[2],
		"line end":                 good + "\n",
		"padding":                  good + "=",
		"another payload":          cut[0] + "." + strings.Split(parts(header(), with(payload(), "sub", "usr_root")), ".")[1] + "." + cut[2],
		"another header":           strings.Split(parts(with(header(), "kid", "other"), nil), ".")[0] + "." + cut[1] + "." + cut[2],
		"signature of zeros":       cut[0] + "." + cut[1] + "." + b64(make([]byte, 64)),
		"short signature":          cut[0] + "." + cut[1] + "." + cut[2][:40],
		"signed by a stranger":     stranger.sign(t, parts(header(), payload())),
		"unknown key":              changed(with(header(), "kid", "k2"), payload()),
		"key of another algorithm": changed(with(header(), "kid", "other"), payload()),
		"no key":                   changed(with(header(), "kid", nil), payload()),
		"key in the header":        changed(with(header(), "jwk", map[string]string{"kty": "EC"}), payload()),
		"crit":                     changed(with(header(), "crit", []string{"exp"}), payload()),
		"another type":             changed(with(header(), "typ", "logout+jwt"), payload()),
		"no type":                  changed(with(header(), "typ", nil), payload()),
		"another issuer":           changed(header(), with(payload(), "iss", "https://evil.example.org")),
		"issuer with a slash":      changed(header(), with(payload(), "iss", "https://auth.example.org/")),
		"no issuer":                changed(header(), with(payload(), "iss", nil)),
		"another audience":         changed(header(), with(payload(), "aud", "cli_other")),
		"other audiences":          changed(header(), with(payload(), "aud", []string{"cli_other", ""})),
		"no audience":              changed(header(), with(payload(), "aud", nil)),
		"expired":                  changed(header(), with(payload(), "exp", start.Add(-leeway).Unix())),
		"no end":                   changed(header(), with(payload(), "exp", nil)),
		"end as a text":            changed(header(), with(payload(), "exp", "9999999999")),
		"from the future":          changed(header(), with(payload(), "iat", start.Add(leeway+time.Second).Unix())),
		"no user":                  changed(header(), with(payload(), "sub", nil)),
		"no session":               changed(header(), with(payload(), "sid", nil)),
		"payload no object":        s.sign(t, cut[0]+"."+b64([]byte(`"x"`))),
		"too long":                 changed(header(), with(payload(), "x", strings.Repeat("x", maxToken))),
	} {
		if c, err := v.access(t.Context(), token, clientID); err == nil {
			t.Errorf("%s: got %+v, want a refusal", name, c)
		}
	}
}

func TestLogoutTokenIsRefusedWhereItIsNone(t *testing.T) {
	s := newSigner(t)
	v := s.verifier()
	h, p := with(header(), "typ", "logout+jwt"), with(payload(), "events", map[string]any{logoutEvent: map[string]any{}})
	if sid, err := v.logout(t.Context(), s.sign(t, parts(h, p)), clientID); err != nil || sid != "ses_1" {
		t.Fatalf("good token: got %q, %v", sid, err)
	}
	for name, token := range map[string]string{
		"access token":     s.sign(t, parts(header(), p)),
		"no event":         s.sign(t, parts(h, payload())),
		"another event":    s.sign(t, parts(h, with(p, "events", map[string]any{"http://x.example.org": map[string]any{}}))),
		"nonce":            s.sign(t, parts(h, with(p, "nonce", "x"))),
		"no session":       s.sign(t, parts(h, with(p, "sid", nil))),
		"another audience": s.sign(t, parts(h, with(p, "aud", "cli_other"))),
		"expired":          s.sign(t, parts(h, with(p, "exp", start.Add(-time.Minute).Unix()))),
	} {
		if sid, err := v.logout(t.Context(), token, clientID); err == nil {
			t.Errorf("%s: ends %q, want a refusal", name, sid)
		}
	}
}

func TestKeysAreNotAskedForWithEveryToken(t *testing.T) {
	s := newSigner(t)
	v := s.verifier()
	for range 5 {
		if _, err := v.access(t.Context(), s.sign(t, parts(header(), payload())), clientID); err != nil {
			t.Fatal(err)
		}
		if _, err := v.access(t.Context(), s.sign(t, parts(with(header(), "kid", "made up"), payload())), clientID); err == nil {
			t.Fatal("a made-up key was taken")
		}
	}
	if got := s.asked.Load(); got != 1 {
		t.Errorf("asked %d times, want 1", got)
	}
	// Signet may be away: what is known still verifies.
	s.Close()
	v.now = func() time.Time { return start.Add(keysLife) }
	if _, err := v.access(t.Context(), s.sign(t, parts(header(), with(payload(), "exp", start.Add(time.Hour).Unix()))), clientID); err != nil {
		t.Errorf("while Signet is away: %v", err)
	}
}
