package token_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"signet/internal/db/dbtest"
	"signet/internal/token"
)

// leafOf returns the template of a client's certificate.
func leafOf(now time.Time) x509.Certificate {
	return x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		Subject:     pkix.Name{CommonName: "app", Organization: []string{"Example, Inc."}, Country: []string{"DE"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, DNSNames: []string{"app.example.org", "*.wild.example.org"},
		IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}, EmailAddresses: []string{"App@Example.org"},
		URIs: []*url.URL{{Scheme: "spiffe", Host: "example.org", Path: "/app"}},
	}
}

func caOf(now time.Time, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
}

func TestCertificateNamesTheClientExactly(t *testing.T) {
	pool := x509.NewCertPool()
	p := newProving(t, dbtest.SQLite(t), token.ClientOptions{ClientCAs: pool})
	root := certify(t, nil, caOf(p.now, "root"))
	pool.AddCert(root.cert)
	template := leafOf(p.now)
	leaf := certify(t, root, &template)
	for subject, good := range map[string]bool{
		`dn:CN=app,O=Example\, Inc.,C=DE`: true, `dn:cn=app,O=Example\2C Inc.,2.5.4.6=DE`: true, `dn:CN=app, O=Example\, Inc., C=DE`: true,
		`dn:C=DE,O=Example\, Inc.,CN=app`: false, `dn:CN=app`: false, `dn:CN=App,O=Example\, Inc.,C=DE`: false, `dn:CN=app,O=Example\, Inc.,C=DE,DC=x`: false,
		"dns:app.example.org": true, "dns:APP.example.org": true, "dns:*.wild.example.org": true, "dns:a.wild.example.org": false, "dns:example.org": false, "dns:app": false,
		"uri:spiffe://example.org/app": true, "uri:spiffe://example.org/App": false, "uri:spiffe://example.org/app/": false,
		"ip:192.0.2.1": true, "ip:::ffff:192.0.2.1": true, "ip:192.0.2.2": false,
		"email:App@example.ORG": true, "email:app@example.org": false,
	} {
		id, _ := p.create(t, token.NewClient{Auth: token.AuthTLS, TLSSubject: subject})
		want := ""
		if good {
			want = id
		}
		p.holds(t, subject, token.ClientRequest{Form: form("client_id", id), Certificate: &token.Certificate{Leaf: leaf.cert}}, want)
	}
}

func TestAttributesOfOneNamePartHaveNoOrder(t *testing.T) {
	pool := x509.NewCertPool()
	p := newProving(t, dbtest.SQLite(t), token.ClientOptions{ClientCAs: pool})
	root := certify(t, nil, caOf(p.now, "root"))
	pool.AddCert(root.cert)
	der, err := asn1.Marshal(pkix.RDNSequence{
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "Example"}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "app"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 5}, Value: "7"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	template := leafOf(p.now)
	template.RawSubject = der
	shown := &token.Certificate{Leaf: certify(t, root, &template).cert}
	for subject, good := range map[string]bool{
		"dn:CN=app+serialNumber=7,O=Example": true, "dn:SERIALNUMBER=7+CN=app,O=Example": true, "dn:CN=app,SERIALNUMBER=7,O=Example": false, "dn:CN=app,O=Example": false,
	} {
		id, _ := p.create(t, token.NewClient{Auth: token.AuthTLS, TLSSubject: subject})
		want := ""
		if good {
			want = id
		}
		p.holds(t, subject, token.ClientRequest{Form: form("client_id", id), Certificate: shown}, want)
	}
}

func TestCertificateIsFromAConfiguredAuthorityForClientsAndNow(t *testing.T) {
	pool := x509.NewCertPool()
	p := newProving(t, dbtest.SQLite(t), token.ClientOptions{ClientCAs: pool})
	root, stranger := certify(t, nil, caOf(p.now, "root")), certify(t, nil, caOf(p.now, "root"))
	between := certify(t, root, caOf(p.now, "between"))
	pool.AddCert(root.cert)
	id, secret := p.create(t, token.NewClient{Auth: token.AuthTLS, TLSSubject: "dns:app.example.org"})
	leaf := func(by *issued, change func(*x509.Certificate)) *x509.Certificate {
		template := leafOf(p.now)
		if change != nil {
			change(&template)
		}
		return certify(t, by, &template).cert
	}
	server := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }
	anything := func(c *x509.Certificate) { c.ExtKeyUsage = nil }
	past := func(c *x509.Certificate) { c.NotAfter = p.now.Add(-time.Second) }
	future := func(c *x509.Certificate) { c.NotBefore = p.now.Add(time.Minute) }
	for name, c := range map[string]struct {
		shown *token.Certificate
		want  string
	}{
		"of the root":                {&token.Certificate{Leaf: leaf(root, nil)}, id},
		"through one between":        {&token.Certificate{Leaf: leaf(between, nil), Chain: []*x509.Certificate{between.cert}}, id},
		"verified by the proxy":      {&token.Certificate{Leaf: leaf(between, nil), Verified: true}, id},
		"chain unknown":              {&token.Certificate{Leaf: leaf(between, nil)}, ""},
		"by header, verified":        {&token.Certificate{Leaf: leaf(between, nil), Verified: true, ByHeader: true}, id},
		"by header, not verified":    {&token.Certificate{Leaf: leaf(root, nil), ByHeader: true}, ""},
		"none":                       {nil, ""},
		"of a stranger":              {&token.Certificate{Leaf: leaf(stranger, nil)}, ""},
		"of a stranger that is sent": {&token.Certificate{Leaf: leaf(stranger, nil), Chain: []*x509.Certificate{stranger.cert}}, ""},
		"self-signed":                {&token.Certificate{Leaf: leaf(nil, nil)}, ""},
		"for servers":                {&token.Certificate{Leaf: leaf(root, server)}, ""},
		"for nothing in particular":  {&token.Certificate{Leaf: leaf(root, anything)}, ""},
		"expired":                    {&token.Certificate{Leaf: leaf(root, past)}, ""},
		"not good yet":               {&token.Certificate{Leaf: leaf(root, future)}, ""},
		"expired, proxy or not":      {&token.Certificate{Leaf: leaf(root, past), Verified: true}, ""},
		"for servers, proxy or not":  {&token.Certificate{Leaf: leaf(root, server), Verified: true}, ""},
	} {
		p.holds(t, name, token.ClientRequest{Form: form("client_id", id), Certificate: c.shown}, c.want)
	}
	good := &token.Certificate{Leaf: leaf(root, nil)}
	p.holds(t, "with a secret beside", token.ClientRequest{Form: form("client_id", id, "client_secret", "x"), Certificate: good}, "")
	p.holds(t, "with Basic beside", token.ClientRequest{Authorization: basic(id, secret), Certificate: good}, "")
	if err := p.Disable(p.ctx, id); err != nil {
		t.Fatal(err)
	}
	p.holds(t, "disabled", token.ClientRequest{Form: form("client_id", id), Certificate: good}, "")

	bare := newProving(t, dbtest.SQLite(t), token.ClientOptions{})
	id, _ = bare.create(t, token.NewClient{Auth: token.AuthTLS, TLSSubject: "dns:app.example.org"})
	bare.holds(t, "no authorities", token.ClientRequest{Form: form("client_id", id), Certificate: good}, "")
}

func TestOwnCertificateIsARegisteredOne(t *testing.T) {
	p := newProving(t, dbtest.SQLite(t), token.ClientOptions{})
	template := leafOf(p.now.Add(-24 * time.Hour)) // expired, which nobody asks
	own, other := certify(t, nil, &template), certify(t, nil, &template)
	twin, err := x509.CreateCertificate(nil, &template, &template, own.key.Public(), own.key)
	if err != nil {
		t.Fatal(err)
	}
	again, err := x509.ParseCertificate(twin)
	if err != nil {
		t.Fatal(err)
	}
	whole, _ := p.create(t, token.NewClient{ID: "whole", Auth: token.AuthSelfSigned, JWKS: keysOf(t,
		jose.JSONWebKey{Key: own.cert.PublicKey, Certificates: []*x509.Certificate{own.cert}})})
	bare, _ := p.create(t, token.NewClient{ID: "bare", Auth: token.AuthSelfSigned, JWKS: keysOf(t, jose.JSONWebKey{Key: own.cert.PublicKey})})
	for _, c := range []struct {
		name, id string
		shown    *token.Certificate
		want     string
	}{
		{"its certificate", whole, &token.Certificate{Leaf: own.cert}, whole},
		{"its key", bare, &token.Certificate{Leaf: own.cert}, bare},
		{"another certificate of its key", bare, &token.Certificate{Leaf: again}, bare},
		{"another certificate than the registered", whole, &token.Certificate{Leaf: again}, ""},
		{"of another", whole, &token.Certificate{Leaf: other.cert}, ""},
		{"of another, verified", bare, &token.Certificate{Leaf: other.cert, Verified: true}, ""},
		{"none", bare, nil, ""},
	} {
		p.holds(t, c.name, token.ClientRequest{Form: form("client_id", c.id), Certificate: c.shown}, c.want)
	}
}
