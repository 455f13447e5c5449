package client_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"signet/client"
	"signet/internal/dpop"
	"signet/internal/dpop/dpoptest"
	"signet/resource"
)

var policy = dpop.Policy{Algorithms: []string{"ES256", "EdDSA", "PS256"}, Lifetime: time.Minute, Skew: 10 * time.Second}

// server has a token endpoint and a resource, and demands a nonce at both.
type server struct {
	*httptest.Server

	signer    dpoptest.Signer
	nonces    *dpop.Nonces
	tokenType string // of its tokens
	now       func() time.Time
	tokens    atomic.Int64 // requests at /token
	notes     atomic.Int64 // requests at /notes
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{signer: dpoptest.NewSigner(t, "ES256"), nonces: dpop.NewNonces([32]byte{1}, 5*time.Minute), tokenType: "DPoP", now: time.Now}
	mux := http.NewServeMux()
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{dpoptest.With(s.signer.JWK, "kid", "k1")}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) { s.token(t, w, r) })
	guard, err := resource.Protect(s.URL, s.URL, resource.Nonces([32]byte{2}, 5*time.Minute), resource.Clock(func() time.Time { return s.now() }))
	if err != nil {
		t.Fatal(err)
	}
	notes := guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}), resource.RequireScope("notes"))
	mux.Handle("/notes", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.notes.Add(1)
		notes.ServeHTTP(w, r)
	}))
	return s
}

// token answers as RFC 6749, section 5, and RFC 9449, section 8, say.
func (s *server) token(t *testing.T, w http.ResponseWriter, r *http.Request) {
	t.Helper()
	s.tokens.Add(1)
	refuse := func(code string) {
		w.Header().Set("DPoP-Nonce", s.nonces.Issue("", 0, s.now()))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": "no"})
	}
	p, err := dpop.Verify(policy, dpop.Request{Headers: r.Header.Values("DPoP"), Method: r.Method, URL: s.URL + "/token"}, s.now())
	if err != nil {
		t.Errorf("proof: %v", err)
		refuse("invalid_dpop_proof")
		return
	}
	if _, why := s.nonces.Check("", p.Nonce, s.now()); why != dpop.Good {
		refuse("use_dpop_nonce")
		return
	}
	if id, secret, _ := r.BasicAuth(); id != "cli%3Aapp" || secret != "s%26" || r.PostFormValue("grant_type") != "client_credentials" {
		refuse("invalid_client")
		return
	}
	at := s.signer.Proof(t, dpoptest.Object{"alg": "ES256", "kid": "k1", "typ": "at+jwt"}, dpoptest.Object{
		"iss": s.URL, "sub": "cli_app", "aud": s.URL, "client_id": "cli_app", "jti": rand.Text(), "iat": s.now().Unix(), "exp": s.now().Add(5 * time.Minute).Unix(),
		"scope": r.PostFormValue("scope"), "cnf": dpoptest.Object{"jkt": p.JKT},
	})
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": at, "token_type": s.tokenType, "expires_in": 300, "scope": r.PostFormValue("scope")})
}

func newDPoP(t *testing.T, key crypto.Signer) *client.DPoP {
	t.Helper()
	d, err := client.NewDPoP(key, http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func p256(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func credentials(s *server) client.Credentials {
	return client.Credentials{TokenURL: s.URL + "/token", ID: "cli:app", Secret: "s&", Scopes: []string{"notes"}}
}

// ask sends a request and reads the answer.
func ask(t *testing.T, c *http.Client, method, address string, body io.Reader) (status int, text string, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	return res.StatusCode, string(all), err
}

// elsewhere is a key that another process signs with.
type elsewhere struct{ crypto.Signer }

func TestEveryKeyGetsTokensAndUsesThem(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"ECDSA": p256(t), "Ed25519": ed, "RSA": rs, "ECDSA in another process": elsewhere{p256(t)}} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			c := client.NewTokens(newDPoP(t, key), credentials(s)).Client()
			for n := range 3 {
				status, text, err := ask(t, c, http.MethodPost, s.URL+"/notes?page=2", strings.NewReader("hello"))
				if err != nil || status != http.StatusOK || text != "hello" {
					t.Errorf("request %d: got %d %s (%v)", n, status, text, err)
				}
			}
			// Each place refuses once, for the first nonce.
			if s.tokens.Load() != 2 || s.notes.Load() != 4 {
				t.Errorf("%d requests at /token, want 2; %d at /notes, want 4", s.tokens.Load(), s.notes.Load())
			}
		})
	}
}

func TestOAuth2PackageWorksOverTheTransport(t *testing.T) {
	s := newServer(t)
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, &http.Client{Transport: newDPoP(t, p256(t))})
	config := clientcredentials.Config{ClientID: "cli:app", ClientSecret: "s&", TokenURL: s.URL + "/token", Scopes: []string{"notes"}, AuthStyle: oauth2.AuthStyleInHeader}
	c := config.Client(ctx)
	for range 2 {
		if status, text, err := ask(t, c, http.MethodGet, s.URL+"/notes", nil); err != nil || status != http.StatusOK {
			t.Errorf("got %d %s (%v)", status, text, err)
		}
	}
}

func TestBodyThatCannotBeSentTwiceIsNot(t *testing.T) {
	s := newServer(t)
	c := client.NewTokens(newDPoP(t, p256(t)), credentials(s)).Client()
	for _, want := range []int{http.StatusUnauthorized, http.StatusOK} { // then the nonce is known
		got, _, err := ask(t, c, http.MethodPost, s.URL+"/notes", io.MultiReader(strings.NewReader("hello")))
		if err != nil || got != want {
			t.Errorf("got %d (%v), want %d", got, err, want)
		}
	}
	if s.notes.Load() != 2 {
		t.Errorf("%d requests, want 2", s.notes.Load())
	}
}

func TestBodyThatCannotBeHadAgainLeavesTheRefusal(t *testing.T) {
	s := newServer(t)
	c := client.NewTokens(newDPoP(t, p256(t)), credentials(s)).Client()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/notes", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	r.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("the file is gone") }
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusUnauthorized || s.notes.Load() != 1 {
		t.Errorf("got %d after %d requests, want the refusal of the first", res.StatusCode, s.notes.Load())
	}
}

func TestServerThatIsNeverContentIsAskedTwice(t *testing.T) {
	var asked atomic.Int64
	const text = `{"error":"use_dpop_nonce","error_description":"again"}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("DPoP-Nonce", rand.Text())
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, text)
	}))
	defer s.Close()
	_, got, err := ask(t, &http.Client{Transport: newDPoP(t, p256(t))}, http.MethodPost, s.URL, strings.NewReader("x"))
	if err != nil || got != text || asked.Load() != 2 {
		t.Errorf("got %q (%v) after %d requests, want the refusal after 2", got, err, asked.Load())
	}
}

func TestOtherRefusalsAreGivenAsTheyAre(t *testing.T) {
	text := strings.Repeat("x", 100<<10) // longer than what is looked at
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("DPoP-Nonce", rand.Text())
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, text)
	}))
	defer s.Close()
	_, got, err := ask(t, &http.Client{Transport: newDPoP(t, p256(t))}, http.MethodGet, s.URL, nil)
	if err != nil || got != text || asked.Load() != 1 {
		t.Errorf("got %d bytes (%v) after %d requests", len(got), err, asked.Load())
	}
}

func TestNonceGoesBackToItsOriginOnly(t *testing.T) {
	seen := map[string][]string{}
	serve := func(name string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, err := dpop.Verify(policy, dpop.Request{Headers: r.Header.Values("DPoP"), Method: r.Method, URL: "http://" + r.Host + r.URL.Path}, time.Now())
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			seen[name] = append(seen[name], p.Nonce)
			w.Header().Set("DPoP-Nonce", "nonce-of-"+name)
		}))
		t.Cleanup(s.Close)
		return s
	}
	c := &http.Client{Transport: newDPoP(t, p256(t))}
	one, two := serve("one"), serve("two")
	for _, address := range []string{strings.Replace(one.URL, "://", "://u:p@", 1) + "/a?b=c#d", two.URL, one.URL + "/x/%7e", two.URL + "/"} {
		r, err := http.NewRequestWithContext(t.Context(), "", address, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if r.Header.Get("DPoP") != "" {
			t.Error("the request that was given is changed")
		}
	}
	for name, got := range seen {
		if len(got) != 2 || got[0] != "" || got[1] != "nonce-of-"+name {
			t.Errorf("%s got the nonces %q", name, got)
		}
	}
}

func TestThumbprintIsThatOfTheProofs(t *testing.T) {
	d := newDPoP(t, p256(t))
	var got string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p, err := dpop.Verify(policy, dpop.Request{Headers: r.Header.Values("DPoP"), Method: r.Method, URL: "http://" + r.Host + "/"}, time.Now())
		if err != nil {
			t.Error(err)
		}
		got = p.JKT
	}))
	defer s.Close()
	if _, _, err := ask(t, &http.Client{Transport: d}, http.MethodHead, s.URL, nil); err != nil {
		t.Fatal(err)
	}
	if got != d.Thumbprint() || len(got) != 43 {
		t.Errorf("got %q, want %q", got, d.Thumbprint())
	}
}

func TestManyNeedOneToken(t *testing.T) {
	s := newServer(t)
	d := newDPoP(t, p256(t))
	begun := time.Now()
	var passed atomic.Int64
	now := func() time.Time { return begun.Add(time.Duration(passed.Load())) }
	s.now = now
	d.SetClock(now)
	tokens := client.NewTokens(d, credentials(s))
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			if got, err := tokens.Token(t.Context()); err != nil || got.Text == "" || got.Scopes[0] != "notes" {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	all.Wait()
	if s.tokens.Load() != 2 {
		t.Errorf("%d requests, want 2: one without the nonce, one with", s.tokens.Load())
	}
	for _, c := range []struct {
		after time.Duration
		want  int64
	}{{289 * time.Second, 2}, {290 * time.Second, 3}} {
		passed.Store(int64(c.after))
		before := s.tokens.Load()
		if _, err := tokens.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if asked := s.tokens.Load() > before; asked != (c.want == 3) {
			t.Errorf("after %s: asked %t", c.after, asked)
		}
	}
}

func TestTokenThatIsNotBoundIsRefused(t *testing.T) {
	s := newServer(t)
	s.tokenType = "Bearer"
	if got, err := client.NewTokens(newDPoP(t, p256(t)), credentials(s)).Token(t.Context()); err == nil {
		t.Errorf("got %+v, want an error", got)
	}
}

func TestRefusalsSayWhatTheServerSays(t *testing.T) {
	s := newServer(t)
	bad := credentials(s)
	bad.Secret = "wrong"
	_, err := client.NewTokens(newDPoP(t, p256(t)), bad).Token(t.Context())
	if e, ok := errors.AsType[*client.OAuthError](err); !ok || e.Code != "invalid_client" || e.Status != http.StatusBadRequest || e.Description != "no" {
		t.Errorf("wrong secret: got %v", err)
	}
	_, _, err = ask(t, client.NewTokens(newDPoP(t, p256(t)), bad).Client(), http.MethodPost, s.URL+"/notes", strings.NewReader("x"))
	if e, ok := errors.AsType[*client.OAuthError](err); !ok || e.Code != "invalid_client" {
		t.Errorf("a request with it: got %v", err)
	}
	s.Close()
	if _, err := client.NewTokens(newDPoP(t, p256(t)), credentials(s)).Token(t.Context()); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("no server: got %v", err)
	}
}

// broken signs nothing of use.
type broken struct {
	crypto.Signer
	gives []byte
	err   error
}

func (b broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return b.gives, b.err }

func TestKeysThatCannotProveAreRefused(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"none": nil, "P-384": p384} {
		if _, err := client.NewDPoP(key, nil); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for _, b := range []broken{{p256(t), nil, errors.New("the chip is gone")}, {p256(t), bytes.Repeat([]byte{1}, 64), nil}, {p256(t), nil, nil}} {
		_, _, err := ask(t, &http.Client{Transport: newDPoP(t, b)}, http.MethodGet, "http://localhost:1/", nil)
		if err == nil || !strings.Contains(err.Error(), "sign") {
			t.Errorf("got %v, want an error of signing", err)
		}
	}
}

// trips is a base that keeps what it is given.
type trips struct{ got []*http.Request }

func (t *trips) RoundTrip(r *http.Request) (*http.Response, error) {
	t.got = append(t.got, r)
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Header: http.Header{"Dpop-Nonce": {"same"}}}, nil
}

// One in 256 numbers of a signature is shorter than 32 bytes.
func TestProofsAreWrittenAsTheStandardSays(t *testing.T) {
	base := &trips{}
	d, err := client.NewDPoP(p256(t), base)
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse("https://u:p@api.example.org/a%2Fb?c=d#e")
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		res, err := d.RoundTrip((&http.Request{URL: address, Header: http.Header{}}).WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	seen := map[string]bool{}
	for _, r := range base.got {
		proof := r.Header.Get("DPoP")
		p, err := dpop.Verify(policy, dpop.Request{Headers: []string{proof}, Method: http.MethodGet, URL: "https://api.example.org/a%2Fb"}, time.Now())
		if err != nil || seen[p.ID] {
			t.Fatalf("got %+v, %v", p, err)
		}
		seen[p.ID] = true
		text, err := base64.RawURLEncoding.DecodeString(strings.Split(proof, ".")[1])
		if err != nil || !strings.Contains(string(text), `"htu":"https://api.example.org/a%2Fb"`) {
			t.Fatalf("got %s, %v", text, err)
		}
	}
}

func TestNonceThatWasRefusedIsNotSentAgain(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("DPoP-Nonce", "same")
		w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer s.Close()
	c := &http.Client{Transport: newDPoP(t, p256(t))}
	for _, want := range []int64{2, 3} {
		if status, _, err := ask(t, c, http.MethodGet, s.URL, nil); err != nil || status != http.StatusUnauthorized || asked.Load() != want {
			t.Errorf("got %d (%v) after %d requests, want 401 after %d", status, err, asked.Load(), want)
		}
	}
}
