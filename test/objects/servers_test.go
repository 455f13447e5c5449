package objects_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	signettest "signet/test/signet"
)

// key is what a client signs with.
type key struct{ id, secret string }

// endpoint is where a client sends its requests.
type endpoint struct {
	url    string
	caFile string // of TLS
}

func (e endpoint) tls() bool { return strings.HasPrefix(e.url, "https://") }

// server is an installation whose S3 API clients use. Its tamperer stands on the way
// where a test wants it there.
type server struct {
	*signettest.Installation

	name     string
	at       endpoint
	tampered *tamperer
	process  *signettest.Instance
	store    *db.DB
	keys     keys
}

// keys are those of a server that clients use.
type keys struct {
	owner    key // owns every bucket of the tests
	limited  key // may read and write another bucket alone
	revoked  key
	expired  key
	wrong    key // the owner's, with another secret
	unknown  key
	upstream key // with which another server keeps its objects here
}

// bucket returns the name of a bucket. A server that keeps its objects in another has no
// name twice that the other one has.
func (s *server) bucket(name string) string {
	return strings.ToLower(strings.ReplaceAll(name+" "+s.name, " ", "-"))
}

// authority issues the certificate of loopback.
type authority struct {
	caFile, certFile, keyFile string
	pool                      *x509.CertPool
	pair                      tls.Certificate
}

// newAuthority makes a certificate that is its own authority.
func newAuthority(t *testing.T) authority {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issued := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "signet test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, IsCA: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, issued, issued, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	a := authority{caFile: filepath.Join(dir, "ca.pem"), certFile: filepath.Join(dir, "ca.pem"), keyFile: filepath.Join(dir, "key.pem"), pool: x509.NewCertPool()}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private8 := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	a.pool.AppendCertsFromPEM(cert)
	if a.pair, err = tls.X509KeyPair(cert, private8); err != nil {
		t.Fatal(err)
	}
	writeFile(t, a.certFile, cert)
	writeFile(t, a.keyFile, private8)
	return a
}

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// client returns a client that trusts the authority.
func (a authority) client(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool}, MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// serve serves over TLS until the test ends.
func (a authority) serve(t *testing.T, h http.Handler) endpoint {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{a.pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return endpoint{url: s.URL, caFile: a.caFile}
}

// The four servers: each store over HTTP and TLS; SQLite and PostgreSQL.
func startServers(t *testing.T, a authority) []*server {
	t.Helper()
	disk := startServer(t, a, "disk over HTTP", "", "")
	diskTLS := startServer(t, a, "disk over TLS", dbtest.EmptyPostgresURL(t), tlsConfig(a))
	all := []*server{
		disk, diskTLS,
		startServer(t, a, "upstream over HTTP", "", upstreamConfig(diskTLS.at.url, diskTLS.keys.upstream)),
		startServer(t, a, "upstream over TLS", "", tlsConfig(a)+upstreamConfig(disk.at.url, disk.keys.upstream)),
	}
	if path := os.Getenv("VERSITYGW"); path != "" { // another product's server, where it is at hand
		foreign := upstreamConfig(startForeign(t, path), foreignKey)
		all = append(all, startServer(t, a, "foreign upstream over HTTP", "", foreign), startServer(t, a, "foreign upstream over TLS", "", tlsConfig(a)+foreign))
	}
	return all
}

// foreignKey is the key of another product's server.
var foreignKey = key{"AKIAFOREIGNFOREIGN22", strings.Repeat("f", 40)}

// startForeign starts versitygw over a directory, and returns its address.
func startForeign(t *testing.T, path string) string {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", signettest.FreePorts(t))
	cmd := exec.CommandContext(t.Context(), path, "--access", foreignKey.id, "--secret", foreignKey.secret, "--port", address, "--quiet",
		"posix", "--versioning-dir", t.TempDir(), t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	signettest.Await(t, "the foreign server answers", 10*time.Second, func() error {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return "http://" + address
}

func tlsConfig(a authority) string {
	return fmt.Sprintf("  tlsCertFile: %s\n  tlsKeyFile: %s\n", a.certFile, a.keyFile)
}

// upstreamConfig has objects kept in another server.
func upstreamConfig(far string, k key) string {
	return fmt.Sprintf("  store: upstream\n  upstream: {endpoint: %q, accessKeyId: %s, secretAccessKey: %q}\n", far, k.id, k.secret)
}

// startServer starts an installation; config goes on under objects.
func startServer(t *testing.T, a authority, name, store, config string) *server {
	t.Helper()
	s := &server{name: name}
	overTLS := strings.Contains(config, "tlsCertFile")
	s.tampered = newTamperer(t, a, overTLS)
	s.Installation = signettest.New(t, signettest.Options{
		StoreURL: store,
		Config:   "telemetry: {logLevel: debug}\nobjects:\n  origin: " + s.tampered.at.url + "\n" + config,
		Env:      []string{"SSL_CERT_FILE=" + a.caFile}, // of the far server
	})
	s.keys = makeKeys(t, s.Installation)
	s.process = s.Start()
	s.store = s.Store(t)
	s.at = endpoint{url: s.process.Objects}
	if overTLS {
		s.at = endpoint{url: strings.Replace(s.process.Objects, "http:", "https:", 1), caFile: a.caFile}
	}
	s.tampered.to(s.at)
	return s
}

// makeKeys makes the keys of a server that does not run yet.
func makeKeys(t *testing.T, n *signettest.Installation) keys {
	t.Helper()
	n.BootstrapAdmin("root@signet.test")
	all := keys{
		owner: makeKey(t, n, "owner"), upstream: makeKey(t, n, "upstream"), revoked: makeKey(t, n, "revoked"), expired: makeKey(t, n, "expired"),
		limited: makeKey(t, n, "limited", "--grant", "another-bucket:write"),
		unknown: key{"AKIAUNKNOWNUNKNOWN22", strings.Repeat("x", 40)},
	}
	all.wrong = key{all.owner.id, all.unknown.secret}
	revokeKey(n, all.revoked)
	expireKey(t, n, all.expired)
	return all
}
