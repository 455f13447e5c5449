package app

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"signet/internal/durable"
	"signet/internal/token"
)

// DevOAuth is what is seeded for OAuth clients.
type DevOAuth struct {
	Issuer           string `json:"issuer"`
	ClientID         string `json:"client_id"`
	ClientSecret     string `json:"client_secret"`
	PublicClientID   string `json:"public_client_id"`
	DPoPClientID     string `json:"dpop_client_id"`
	DPoPClientSecret string `json:"dpop_client_secret"`
}

// DevMTLS is the listener that asks for certificates, and one to show. Files are PEM.
type DevMTLS struct {
	URL            string `json:"url"`
	CAFile         string `json:"ca_file"`
	ClientCertFile string `json:"client_cert_file"`
	ClientKeyFile  string `json:"client_key_file"`
}

// seedOAuth registers the clients of a dev server: one that takes bearer tokens, one
// that must prove a key, and a public one.
func (a *App) seedOAuth(ctx context.Context) (o DevOAuth, err error) {
	o = DevOAuth{Issuer: a.Config.Server.Origin, ClientID: "dev", PublicClientID: "dev-public", DPoPClientID: "dev-dpop"}
	for _, c := range []struct {
		n      token.NewClient
		secret *string
	}{
		{token.NewClient{ID: o.ClientID, Name: "Dev app", Consent: token.ConsentNever}, &o.ClientSecret},
		{token.NewClient{ID: o.DPoPClientID, Name: "Dev app with a key", Consent: token.ConsentNever, Policy: token.Policy{DPoP: token.Required}}, &o.DPoPClientSecret},
		{token.NewClient{ID: o.PublicClientID, Name: "Dev app without a secret", Auth: token.AuthNone}, new(string)},
	} {
		n := c.n
		n.Redirects = []string{"http://127.0.0.1/callback", "http://localhost/callback"}
		n.Scopes = []string{"openid", "profile", "email", "offline_access", "authroute:keys", "objects", "mail:send"}
		if n.ID == o.DPoPClientID {
			n.Scopes = append(n.Scopes, "authroute:read") // something to read by itself
		}
		n.Audiences = []string{o.Issuer, a.Config.ObjectsOrigin()}
		n.Grants = []string{token.GrantCredentials, token.GrantRefresh, token.GrantCode}
		if n.Auth == token.AuthNone {
			n.Grants = []string{token.GrantCode, token.GrantRefresh, token.GrantDevice}
		}
		if _, *c.secret, err = a.Clients.Create(a.AsOperator(ctx), n); err != nil {
			return o, fmt.Errorf("client %s: %w", n.ID, err)
		}
	}
	return o, nil
}

// moveOAuth has the clients of an earlier start follow the origin, which has the port.
// The file of the first start does not say where the last one was, so it always sets it.
func (a *App) moveOAuth(ctx context.Context, o *DevOAuth) error {
	o.Issuer = a.Config.Server.Origin
	for _, id := range []string{o.ClientID, o.DPoPClientID, o.PublicClientID} {
		_, _, err := a.Clients.Update(a.AsOperator(ctx), id, func(c *token.Client) { c.Audiences = []string{o.Issuer, a.Config.ObjectsOrigin()} })
		if err != nil && !errors.Is(err, token.ErrNoClient) { // one that somebody deleted stays so
			return err
		}
	}
	return nil
}

// devTLS are the files of the listener that asks for certificates.
type devTLS struct{ ca, cert, key, clientCert, clientKey string }

func devTLSFiles(dir string) devTLS {
	at := func(name string) string { return filepath.Join(dir, name) }
	return devTLS{at("dev-ca.pem"), at("dev-tls.pem"), at("dev-tls-key.pem"), at("dev-client.pem"), at("dev-client-key.pem")}
}

func devMTLSOrigin(port int) string { return "https://localhost:" + strconv.Itoa(port) }

// make writes an authority, whose key nobody keeps, and what it signs: the listener's
// certificate, and a client's. Those of an earlier start stay.
func (f devTLS) make(now time.Time) error {
	if _, err := os.Stat(f.clientKey); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := certificateOf("Signet dev authority", now)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	if err := writeCertificate(f.ca, ca, ca, caKey.Public(), caKey); err != nil {
		return err
	}
	server := certificateOf("localhost", now)
	server.DNSNames, server.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	client := certificateOf("dev-client", now)
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, c := range []struct {
		of        *x509.Certificate
		cert, key string
	}{{server, f.cert, f.key}, {client, f.clientCert, f.clientKey}} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		if err := writeCertificate(c.cert, c.of, ca, key.Public(), caKey); err != nil {
			return err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		if err := writePEM(c.key, "PRIVATE KEY", der); err != nil {
			return err
		}
	}
	return nil
}

func certificateOf(name string, now time.Time) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // never fails
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

func writeCertificate(path string, c, by *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) error {
	der, err := x509.CreateCertificate(rand.Reader, c, by, public, signer)
	if err != nil {
		return err
	}
	return writePEM(path, "CERTIFICATE", der)
}

func writePEM(path, kind string, der []byte) error {
	return durable.Replace(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
