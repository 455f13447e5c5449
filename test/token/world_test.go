// Package token_test drives the token authority as its clients do: by their own
// libraries, over real TLS, through a real proxy, at several instances.
package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/internal/dpop/dpoptest"
)

// answer is what an endpoint says.
type answer struct {
	Status int
	Header http.Header
	Body   string

	Access    string            `json:"access_token"`
	Refresh   string            `json:"refresh_token"`
	TokenType string            `json:"token_type"`
	Error     string            `json:"error"`
	Why       string            `json:"error_description"`
	Active    bool              `json:"active"`
	Confirm   map[string]string `json:"cnf"`
}

// caller sends forms as a program does that has some certificate, or none.
type caller struct {
	t  testing.TB
	by *http.Client
}

func newCaller(t testing.TB, by *http.Transport) caller {
	t.Helper()
	t.Cleanup(by.CloseIdleConnections)
	return caller{t, &http.Client{Transport: by, Timeout: 30 * time.Second}}
}

// post sends a form with headers, which are pairs.
func (c caller) post(address string, form url.Values, headers ...string) answer {
	c.t.Helper()
	a, err := c.try(address, form, headers...)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

// try is post for whoever expects that there may be no answer.
func (c caller) try(address string, form url.Values, headers ...string) (a answer, err error) {
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return a, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for n := 0; n+1 < len(headers); n += 2 {
		req.Header.Add(headers[n], headers[n+1])
	}
	res, err := c.by.Do(req)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return a, err
	}
	a.Status, a.Header, a.Body = res.StatusCode, res.Header, string(text)
	if len(text) > 0 && strings.Contains(res.Header.Get("Content-Type"), "json") {
		err = json.Unmarshal(text, &a)
	}
	return a, err
}

// metadata is what a server says of certificates (RFC 8705, sections 3.3 and 5).
type metadata struct {
	Bound   bool              `json:"tls_client_certificate_bound_access_tokens"`
	Auth    []string          `json:"token_endpoint_auth_methods_supported"`
	Aliases map[string]string `json:"mtls_endpoint_aliases"`
}

// metadataOf reads it as a client does.
func (c caller) metadataOf(origin string) (m metadata) {
	c.t.Helper()
	res, err := c.by.Get(origin + "/.well-known/oauth-authorization-server") //nolint:noctx // bounded by the client's timeout
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&m); err != nil {
		c.t.Fatal(err)
	}
	return m
}

// basic is the header of client_secret_basic.
func basic(id, secret string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))}
}

// own is the form of client_credentials.
func own() url.Values { return url.Values{"grant_type": {"client_credentials"}} }

// prove returns a proof for a request, which knows what pairs of claims say.
func prove(t testing.TB, s dpoptest.Signer, address, token string, claims ...any) string {
	t.Helper()
	return s.Proof(t, s.Header(), dpoptest.With(dpoptest.Payload(http.MethodPost, address, token, time.Now()), claims...))
}

// trusting returns a transport that trusts the authority in a file and shows certificates.
func trusting(t testing.TB, caFile string, shown ...tls.Certificate) *http.Transport {
	t.Helper()
	text, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatalf("%s holds no certificate", caFile)
	}
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: shown, MinVersion: tls.VersionTLS12}}
}

func loadPair(t testing.TB, certFile, keyFile string) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// selfSigned returns a certificate of its own authority for localhost and for clients.
func selfSigned(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	of := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// writePair writes a certificate and its key as PEM.
func writePair(t testing.TB, c tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, keyFile: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
