// Package oidctest is an OpenID Connect provider for tests, whose ID tokens can be
// spoilt in every way before they are signed.
package oidctest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/oauth2-proxy/mockoidc"
)

// Server is a provider on loopback.
type Server struct {
	Issuer, ClientID, ClientSecret string

	oidc   *mockoidc.MockOIDC
	mu     sync.Mutex
	edit   func(claims map[string]any)
	resign func(claims []byte) (string, error)
	info   map[string]any
}

// Start starts a provider and ends it with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	m, err := mockoidc.NewServer(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{oidc: m, ClientID: m.ClientID, ClientSecret: m.ClientSecret, edit: func(map[string]any) {}}
	s.resign = s.sign
	if err := m.AddMiddleware(s.spoil); err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(l, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Shutdown() }) // the test is over
	s.Issuer = m.Issuer()
	return s
}

// Claims has edit change the claims of ID tokens.
func (s *Server) Claims(edit func(claims map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.edit = edit
}

// Info is what UserInfo answers to whoever has a token; nil is a refusal.
func (s *Server) Info(claims map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.info = claims
}

// Forge has ID tokens signed with a key that is not the provider's, under its key id.
func (s *Server) Forge(t testing.TB) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s.signedBy(func(claims []byte) (string, error) { return s.signWith(jose.RS256, key, claims) })
}

// ForgeHMAC has ID tokens signed with the client's secret, by HS256.
func (s *Server) ForgeHMAC() {
	s.signedBy(func(claims []byte) (string, error) {
		return s.signWith(jose.HS256, []byte(strings.Repeat(s.ClientSecret, 2)), claims)
	})
}

// ForgeNone has ID tokens not signed at all.
func (s *Server) ForgeNone() {
	s.signedBy(func(claims []byte) (string, error) {
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims) + ".", nil
	})
}

func (s *Server) signedBy(f func([]byte) (string, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resign = f
}

// Refuse has the next request answered with an error of OAuth.
func (s *Server) Refuse(status int, code, description string) {
	s.oidc.QueueError(&mockoidc.ServerError{Code: status, Error: code, Description: description})
}

func (s *Server) sign(claims []byte) (string, error) {
	return s.signWith(jose.RS256, s.oidc.Keypair.PrivateKey, claims)
}

func (s *Server) signWith(alg jose.SignatureAlgorithm, key any, claims []byte) (string, error) {
	id, err := s.oidc.Keypair.KeyID()
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// spoil edits the token endpoint's answer.
func (s *Server) spoil(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == mockoidc.UserinfoEndpoint {
			s.userInfo(w, r)
			return
		}
		if r.URL.Path != mockoidc.TokenEndpoint {
			next.ServeHTTP(w, r)
			return
		}
		if err := readBasic(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		body := rec.Body.Bytes()
		if rec.Code == http.StatusOK {
			var err error
			if body, err = s.spoilt(body); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(rec.Code)
		_, _ = w.Write(body) // the client may be gone
	})
}

// readBasic puts the client's credentials into the form: mockoidc says that it takes
// client_secret_basic, and reads the body alone (RFC 6749, section 2.3.1).
func readBasic(r *http.Request) error {
	user, password, ok := r.BasicAuth()
	if !ok {
		return nil
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	id, err := url.QueryUnescape(user)
	if err != nil {
		return err
	}
	secret, err := url.QueryUnescape(password)
	if err != nil {
		return err
	}
	r.Form.Set("client_id", id)
	r.Form.Set("client_secret", secret)
	return nil
}

func (s *Server) userInfo(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") || s.info == nil {
		http.Error(w, "call 555-1234", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.info) // the client may be gone
}

func (s *Server) spoilt(body []byte) ([]byte, error) {
	answer, claims := map[string]any{}, map[string]any{}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	token, _ := answer["id_token"].(string)
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("there is no ID token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.edit(claims)
	if payload, err = json.Marshal(claims); err != nil {
		return nil, err
	}
	delete(answer, "id_token")
	if !isDropped(claims) {
		if answer["id_token"], err = s.resign(payload); err != nil {
			return nil, err
		}
	}
	return json.Marshal(answer)
}

// isDropped reports whether an edit left nothing: then there is no ID token.
func isDropped(claims map[string]any) bool { return len(claims) == 0 }
