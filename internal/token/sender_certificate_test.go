package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/token"
)

func newCertificate(t *testing.T) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "somebody"}, NotAfter: start.AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

func x5t(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return b64(sum[:])
}

// shown sends a form over a connection on which a certificate was shown; nil for none.
func (n *node) shown(t *testing.T, c *x509.Certificate, path, id, secret string, f url.Values, headers ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://mtls.example.org"+path, strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		r.SetBasicAuth(id, secret)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	r.TLS = &tls.ConnectionState{}
	if c != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{c}
	}
	return n.send(t, r)
}

func TestCertificateBoundTokenNeedsItsCertificate(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := newHouse(t, d, houseOptions{})
		id, secret := h.client(func(n *token.NewClient) { n.Policy.MTLS = token.Required })
		n, mine, other := h.nodes[0], newCertificate(t), newCertificate(t)
		n.shown(t, nil, "/token", id, secret, exchange(h.authorize(id))).wants(t, "no certificate", 401, "invalid_client")
		n.shown(t, nil, "/token", id, secret, exchange(h.authorize(id)), "DPoP", h.holder().proof("/token", nil)).
			wants(t, "no certificate, whatever proof", 401, "invalid_client")
		a := n.shown(t, mine, "/token", id, secret, exchange(h.authorize(id)))
		a.wants(t, "with one", 200, "")
		if a.text("token_type") != "Bearer" {
			t.Errorf("token_type: got %q", a.text("token_type"))
		}
		i := n.call(t, "/introspect", id, secret, form("token", a.text("access_token")))
		if cnf, _ := i.body["cnf"].(map[string]any); cnf["x5t#S256"] != x5t(mine) {
			t.Errorf("cnf: got %v", i.body["cnf"])
		}
		for _, path := range []string{"/userinfo", "/fresh-auth"} {
			auth := []string{"Authorization", "Bearer " + a.text("access_token")}
			n.shown(t, mine, path, "", "", form(), auth...).wants(t, path, 200, "")
			n.shown(t, other, path, "", "", form(), auth...).wants(t, path+", another certificate", 401, "invalid_token")
			n.call(t, path, "", "", form(), auth...).wants(t, path+", none", 401, "invalid_token")
		}
		again := form("grant_type", "refresh_token", "refresh_token", a.text("refresh_token"))
		n.shown(t, other, "/token", id, secret, again).wants(t, "refresh, another certificate", 400, "invalid_grant")
		n.shown(t, mine, "/token", id, secret, again).wants(t, "refresh", 200, "")
		if got := n.count(t, "authority_mtls_mismatch_total", "thumbprint-mismatch"); got != 3 {
			t.Errorf("thumbprint-mismatch: got %v, want 3", got)
		}
		if got := n.count(t, "authority_mtls_mismatch_total", "missing-certificate"); got != 4 {
			t.Errorf("missing-certificate: got %v, want 4", got)
		}
	})
}

func TestKeyAndCertificateAreBothChecked(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	id, secret := h.client(nil)
	n, k, mine := h.nodes[0], h.holder(), newCertificate(t)
	a := n.shown(t, mine, "/token", id, secret, exchange(h.authorize(id)), "DPoP", k.proof("/token", nil))
	a.wants(t, "both", 200, "")
	at := a.text("access_token")
	proof := func() string { return k.proof("/userinfo", map[string]any{"ath": ath(at)}) }
	n.shown(t, mine, "/userinfo", "", "", form(), "Authorization", "DPoP "+at, "DPoP", proof()).wants(t, "both shown", 200, "")
	n.shown(t, nil, "/userinfo", "", "", form(), "Authorization", "DPoP "+at, "DPoP", proof()).wants(t, "key alone", 401, "invalid_token")
	n.shown(t, mine, "/userinfo", "", "", form(), "Authorization", "Bearer "+at).wants(t, "certificate alone", 401, "invalid_token")
}

func TestAudienceMayDemandACertificate(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{sender: func(o *token.SenderOptions) { o.MTLSAt = []string{api} }})
	id, secret := h.client(nil)
	n := h.nodes[0]
	n.call(t, "/token", id, secret, form("grant_type", "client_credentials", "resource", api)).wants(t, "there", 401, "invalid_client")
	n.call(t, "/token", id, secret, form("grant_type", "client_credentials", "resource", issuer)).wants(t, "elsewhere", 200, "")
	n.call(t, "/token", id, secret, form("grant_type", "client_credentials", "resource", issuer, "resource", api)).wants(t, "both", 401, "invalid_client")
}

func TestTokenOfBeforeItsAudienceDemandedACertificateIsRefusedThere(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{sender: func(o *token.SenderOptions) { o.MTLSAt = []string{issuer} }})
	id, secret := h.client(nil)
	n := h.nodes[0]
	a := n.shown(t, newCertificate(t), "/token", id, secret, form("grant_type", "client_credentials", "resource", issuer))
	a.wants(t, "token", 200, "")
	h.exec(`UPDATE authority_tokens SET sender_certificate = '' WHERE created_at <= $1`) // as it was before
	h.advance(2 * time.Second)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/api/v1/things", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+a.text("access_token"))
	_, err := token.NewAuthenticator(n.OAuth, func(string) bool { return false }).Authenticate(r)
	if err == nil || !strings.Contains(err.Error(), "bound to no certificate, and must be") {
		t.Errorf("at the audience: got %v", err)
	}
	n.call(t, "/userinfo", "", "", form(), "Authorization", "Bearer "+a.text("access_token")).wants(t, "elsewhere", 403, "insufficient_scope")
}

func TestCertificateByHeaderIsBelievedOfAProxyAlone(t *testing.T) {
	c := newCertificate(t)
	sequence := ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":"
	envoy := `Hash=00;Cert="` + url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))) + `";Subject="CN=x"`
	for name, row := range map[string]struct {
		header  string // configured
		secret  string
		from    string
		headers []string
		status  int
		bound   bool
	}{
		"a proxy":                        {"Client-Cert", "", "192.0.2.7:1", []string{"Client-Cert", sequence}, 200, true},
		"a proxy, the other form":        {"X-Forwarded-Client-Cert", "", "192.0.2.7:1", []string{"X-Forwarded-Client-Cert", envoy}, 200, true},
		"somebody else":                  {"Client-Cert", "", "198.51.100.1:1", []string{"Client-Cert", sequence}, 200, false},
		"somebody who names a proxy":     {"Client-Cert", "", "198.51.100.1:1", []string{"Client-Cert", sequence, "X-Forwarded-For", "192.0.2.7"}, 200, false},
		"a proxy, twice":                 {"Client-Cert", "", "192.0.2.7:1", []string{"Client-Cert", sequence, "Client-Cert", sequence}, 400, false},
		"a proxy, both forms":            {"Client-Cert", "", "192.0.2.7:1", []string{"Client-Cert", sequence, "X-Forwarded-Client-Cert", envoy}, 400, false},
		"a proxy, the form not meant":    {"Client-Cert", "", "192.0.2.7:1", []string{"X-Forwarded-Client-Cert", envoy}, 400, false},
		"a proxy, two elements":          {"X-Forwarded-Client-Cert", "", "192.0.2.7:1", []string{"X-Forwarded-Client-Cert", envoy + "," + envoy}, 400, false},
		"a proxy, two certificates":      {"X-Forwarded-Client-Cert", "", "192.0.2.7:1", []string{"X-Forwarded-Client-Cert", envoy + ";" + envoy}, 400, false},
		"a proxy, no sequence":           {"Client-Cert", "", "192.0.2.7:1", []string{"Client-Cert", strings.Trim(sequence, ":")}, 400, false},
		"a proxy, no certificate":        {"Client-Cert", "", "192.0.2.7:1", []string{"Client-Cert", ":AAAA:"}, 400, false},
		"a proxy with its secret":        {"Client-Cert", "s3cret", "192.0.2.7:1", []string{"Client-Cert", sequence, "Signet-Proxy-Secret", "s3cret"}, 200, true},
		"a proxy with another secret":    {"Client-Cert", "s3cret", "192.0.2.7:1", []string{"Client-Cert", sequence, "Signet-Proxy-Secret", "guess"}, 400, false},
		"a proxy without the secret":     {"Client-Cert", "s3cret", "192.0.2.7:1", []string{"Client-Cert", sequence}, 400, false},
		"a proxy, nothing to pass on":    {"Client-Cert", "s3cret", "192.0.2.7:1", nil, 200, false},
		"a proxy in IPv6 notation, good": {"Client-Cert", "", "[::ffff:192.0.2.7]:1", []string{"Client-Cert", sequence}, 200, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, dbtest.SQLite(t), houseOptions{sender: func(o *token.SenderOptions) {
				o.Certificates = token.CertificateHeader{Name: row.header, Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Secret: row.secret}
			}})
			id, secret := h.client(nil)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, issuer+"/token", strings.NewReader("grant_type=client_credentials"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.SetBasicAuth(id, secret)
			r.RemoteAddr, r.TLS = row.from, nil
			for i := 0; i < len(row.headers); i += 2 {
				r.Header.Add(row.headers[i], row.headers[i+1])
			}
			a := h.nodes[0].send(t, r)
			if a.status != row.status {
				t.Fatalf("got %d %v, want %d", a.status, a.body, row.status)
			}
			if row.status != 200 {
				return
			}
			i := h.nodes[0].call(t, "/introspect", id, secret, form("token", a.text("access_token")))
			cnf, _ := i.body["cnf"].(map[string]any)
			if got := cnf["x5t#S256"] == x5t(c); got != row.bound {
				t.Errorf("bound: got %v, want %t", cnf, row.bound)
			}
		})
	}
}

func TestStrictIntrospectionComparesCertificates(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{sender: func(o *token.SenderOptions) { o.Strict = true }})
	id, secret := h.client(nil)
	rs, rsSecret := h.client(func(n *token.NewClient) { n.Audiences = []string{api} })
	n, mine, other := h.nodes[0], newCertificate(t), newCertificate(t)
	value := n.shown(t, mine, "/token", id, secret, exchange(h.authorize(id))).text("access_token")
	asPEM := func(c *x509.Certificate) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	n.shown(t, mine, "/introspect", id, secret, form("token", value)).wants(t, "its client, its certificate", 200, "")
	n.shown(t, other, "/introspect", id, secret, form("token", value)).wants(t, "its client, another", 401, "invalid_token")
	n.call(t, "/introspect", id, secret, form("token", value)).wants(t, "its client, none", 401, "invalid_token")
	n.call(t, "/introspect", rs, rsSecret, form("token", value)).wants(t, "a resource that passes none on", 401, "invalid_token")
	n.call(t, "/introspect", rs, rsSecret, form("token", value, "client_certificate", asPEM(mine))).wants(t, "a resource that passes it on", 200, "")
	n.call(t, "/introspect", rs, rsSecret, form("token", value, "client_certificate", base64.StdEncoding.EncodeToString(mine.Raw))).wants(t, "as DER", 200, "")
	n.call(t, "/introspect", rs, rsSecret, form("token", value, "client_certificate", asPEM(other))).wants(t, "a resource that passes another on", 401, "invalid_token")
	n.call(t, "/introspect", rs, rsSecret, form("token", value, "client_certificate", "x")).wants(t, "no certificate", 400, "invalid_request")
	if got := n.count(t, "authority_mtls_mismatch_total", "context-missing"); got != 2 {
		t.Errorf("context-missing: got %v, want 2", got)
	}
	free := n.call(t, "/token", id, secret, exchange(h.authorize(id))).text("access_token")
	n.call(t, "/introspect", rs, rsSecret, form("token", free)).wants(t, "a token that is not bound", 200, "")
}
