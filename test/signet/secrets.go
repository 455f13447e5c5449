package signettest

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"sync"
	"testing"
)

// Secrets are what must stand in no log.
type Secrets struct {
	t testing.TB

	mu  sync.Mutex
	all []string
}

func newSecrets(t testing.TB) *Secrets { return &Secrets{t: t} }

// Add records secrets.
func (s *Secrets) Add(secrets ...string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range secrets {
		if len(one) < 16 {
			s.t.Fatalf("%q is too short to be searched for", one)
		}
		s.all = append(s.all, one)
	}
}

// AddKey records a private key in each form that it may be written in.
func (s *Secrets) AddKey(priv ed25519.PrivateKey) {
	s.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		s.t.Fatal(err)
	}
	seed := priv.Seed()
	s.Add(base64.StdEncoding.EncodeToString(der)[24:], base64.StdEncoding.EncodeToString(seed),
		base64.RawURLEncoding.EncodeToString(seed), hex.EncodeToString(seed))
}

// NotIn fails the test where text holds a secret, and does not repeat it.
func (s *Secrets) NotIn(what, text string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.all {
		if at := strings.Index(text, one); at >= 0 {
			line := text[strings.LastIndexByte(text[:at], '\n')+1 : at]
			s.t.Errorf("%s holds a secret (%.6s...) after %q", what, one, line)
		}
	}
}
