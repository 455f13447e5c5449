package resource_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"signet/internal/dpop/dpoptest"
	"signet/resource"
)

const audience = "https://api.example.org"

var (
	start = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	b64   = base64.RawURLEncoding.EncodeToString
)

type object = dpoptest.Object

// clock is one that tests set.
type clock struct{ at atomic.Pointer[time.Time] }

func (c *clock) now() time.Time      { return *c.at.Load() }
func (c *clock) set(t time.Time)     { c.at.Store(&t) }
func (c *clock) add(d time.Duration) { c.set(c.now().Add(d)) }

// issuer is a server that publishes keys and signs tokens.
type issuer struct {
	*httptest.Server
	*clock

	lock  sync.Mutex
	keys  map[string]*ecdsa.PrivateKey
	asked atomic.Int64
	away  atomic.Bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{keys: map[string]*ecdsa.PrivateKey{}, clock: &clock{}}
	i.set(start)
	i.rotate(t, "k1")
	i.Server = httptest.NewServer(http.HandlerFunc(i.jwks))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) rotate(t *testing.T, id string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.lock.Lock()
	defer i.lock.Unlock()
	i.keys[id] = key
}

func (i *issuer) jwks(w http.ResponseWriter, r *http.Request) {
	i.asked.Add(1)
	if r.URL.Path != "/jwks" || i.away.Load() {
		http.Error(w, "away", http.StatusBadGateway)
		return
	}
	i.lock.Lock()
	defer i.lock.Unlock()
	set := jose.JSONWebKeySet{}
	for id, k := range i.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: id, Algorithm: "ES256", Use: "sig"})
	}
	set.Keys = append(set.Keys, jose.JSONWebKey{Key: []byte("secret"), KeyID: "hmac", Algorithm: "HS256"})
	_ = json.NewEncoder(w).Encode(set)
}

// sign returns a token with this header and payload.
func (i *issuer) sign(t *testing.T, header, payload any) string {
	t.Helper()
	i.lock.Lock()
	defer i.lock.Unlock()
	return dpoptest.Signer{Private: i.keys["k1"], Algorithm: "ES256"}.Proof(t, header, payload)
}

func header() object { return object{"alg": "ES256", "kid": "k1", "typ": "at+jwt"} }

// claims are those of a good access token, bound to nothing.
func (i *issuer) claims(pairs ...any) object {
	return dpoptest.With(object{
		"iss": i.URL, "sub": "usr_alice", "aud": audience, "client_id": "cli_app", "jti": rand.Text(),
		"iat": i.now().Unix(), "exp": i.now().Add(5 * time.Minute).Unix(), "scope": "read write",
		"auth_time": i.now().Add(-time.Minute).Unix(), "acr": "phr", "amr": []string{"hwk"}, "sid": "ses_1",
	}, pairs...)
}

func (i *issuer) token(t *testing.T, pairs ...any) string {
	t.Helper()
	return i.sign(t, header(), i.claims(pairs...))
}

// bound is a token for the key alone.
func (i *issuer) bound(t *testing.T, to dpoptest.Signer, pairs ...any) string {
	t.Helper()
	jkt := thumbprint(t, to)
	return i.token(t, append([]any{"cnf", object{"jkt": jkt}}, pairs...)...)
}

func thumbprint(t *testing.T, s dpoptest.Signer) string {
	t.Helper()
	sum, err := (&jose.JSONWebKey{Key: s.Private.Public()}).Thumbprint(5) // SHA-256
	if err != nil {
		t.Fatal(err)
	}
	return b64(sum)
}

func (i *issuer) guard(t *testing.T, options ...resource.Option) *resource.Guard {
	t.Helper()
	g, err := resource.Protect(i.URL, audience, append([]resource.Option{resource.Clock(i.now)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// get asks for /notes with these headers, in pairs.
func get(t *testing.T, g *resource.Guard, requirements []resource.Requirement, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://internal.example/notes?page=2", nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := resource.From(r.Context())
		if !ok || c.Subject == "" {
			t.Error("let in, and nobody knows whom")
		}
		w.WriteHeader(http.StatusNoContent)
	}), requirements...).ServeHTTP(rec, r)
	return rec
}

// code is the error of an answer, in its body and in its challenge alike; "ok" where the
// request was let in.
func code(t *testing.T, res *httptest.ResponseRecorder) string {
	t.Helper()
	if res.Code == http.StatusNoContent {
		return "ok"
	}
	var body map[string]string
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		t.Fatalf("body of %d: %v", res.Code, err)
	}
	challenged := false
	for _, c := range res.Header().Values("WWW-Authenticate") {
		challenged = challenged || body["error"] == "" || containsError(c, body["error"])
	}
	if (res.Code == http.StatusUnauthorized || res.Code == http.StatusForbidden) && !challenged {
		t.Errorf("the challenge of %s is %q", body["error"], res.Header().Values("WWW-Authenticate"))
	}
	return body["error"]
}

// proof is a good one for get.
func (i *issuer) proof(t *testing.T, s dpoptest.Signer, token string, pairs ...any) string {
	t.Helper()
	return s.Proof(t, s.Header(), dpoptest.With(dpoptest.Payload(http.MethodGet, audience+"/notes", token, i.now()), pairs...))
}

func without(o object, name string) object {
	m := maps.Clone(o)
	delete(m, name)
	return m
}
