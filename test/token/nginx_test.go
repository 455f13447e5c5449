package token_test

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	nginxtest "signet/test/nginx"
	signettest "signet/test/signet"
)

// proxied is an installation that is told by an nginx before it which certificates
// clients have.
type proxied struct {
	*signettest.Installation
	signet     *signettest.Instance
	origin, ca string   // of nginx: its address, and the file with its certificate
	app        []string // header by which a client proves itself
}

const proxySecret = "0123456789 of a proxy"

const behindProxy = `
server:
  origin: %[1]s
  trustedProxies: [127.0.0.1/32]
security:
  senderConstraints:
    mtls:
      clientCertificateHeader:
        name: X-Forwarded-Client-Cert
        trustedProxies: [127.0.0.1/32]
        proxySecret: %[2]q
`

// newProxied starts nginx with the file that operators get, which change may spoil.
func newProxied(t *testing.T, change func(conf string) string) *proxied {
	t.Helper()
	cert, key := writePair(t, selfSigned(t, "localhost"))
	port := nginxtest.FreePort(t)
	p := &proxied{ca: cert, origin: "https://localhost:" + port}
	p.Installation = signettest.New(t, signettest.Options{
		Config: fmt.Sprintf(behindProxy, p.origin, proxySecret),
		Env:    []string{"SIGNET_SERVER_ORIGIN=" + p.origin, "SSL_CERT_FILE=" + cert},
	})
	p.signet = p.Start()
	p.app = newApp(t, p.Installation, "app")
	upstream := strings.Replace(p.signet.Origin, "localhost", "127.0.0.1", 1)
	nginxtest.Start(t, port, change(shipped(t, port, cert, key, upstream)))
	return p
}

// newApp registers a client that acts for itself, and returns the header that proves it.
func newApp(t *testing.T, n *signettest.Installation, id string, more ...string) []string {
	t.Helper()
	var out struct {
		Secret string `json:"client_secret"`
	}
	n.JSON(&out, append([]string{"admin", "client", "create", "--id", id, "--name", id, "--grant", "client_credentials"}, more...)...)
	n.Secrets.Add(out.Secret)
	return basic(id, out.Secret)
}

// shipped is deploy/nginx/signet.conf with the places of this test.
func shipped(t *testing.T, port, cert, key, upstream string) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/nginx/signet.conf")
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "secret.conf")
	if err := os.WriteFile(secret, fmt.Appendf(nil, "set $signet_proxy_secret %q;\n", proxySecret), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := string(text)
	for _, change := range [][2]string{
		{"listen 443 ssl;", "listen 127.0.0.1:" + port + " ssl;"},
		{"server_name auth.example.org;", "server_name localhost;"},
		{"/etc/nginx/tls/auth.example.org.pem", cert},
		{"/etc/nginx/tls/auth.example.org.key", key},
		{"http://127.0.0.1:8080", upstream},
		{"/etc/nginx/signet-secret.conf", secret},
	} {
		conf = replaced(t, conf, change[0], change[1])
	}
	return conf
}

// replaced is conf with a text that it has once replaced.
func replaced(t *testing.T, conf, old, new string) string {
	t.Helper()
	if n := strings.Count(conf, old); n != 1 {
		t.Fatalf("deploy/nginx/signet.conf has %q %d times", old, n)
	}
	return strings.Replace(conf, old, new, 1)
}

func asShipped(conf string) string { return conf }

// forged are headers that claim the certificate of somebody else.
func forged(c tls.Certificate) map[string][]string {
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
	return map[string][]string{
		"in the form of RFC 9440": {"Client-Cert", ":" + base64.StdEncoding.EncodeToString(c.Certificate[0]) + ":"},
		"in the form of Envoy":    {"X-Forwarded-Client-Cert", `Cert="` + url.PathEscape(text) + `"`},
	}
}

func TestCertificateComesThroughNginx(t *testing.T) {
	t.Parallel()
	p := newProxied(t, asShipped)
	shown := selfSigned(t, "worker")
	owner := newCaller(t, trusting(t, p.ca, shown))
	thief := newCaller(t, trusting(t, p.ca, selfSigned(t, "thief")))
	nobody := newCaller(t, trusting(t, p.ca))

	// nginx brings no chain, and is not said to verify it.
	if m := nobody.metadataOf(p.origin); !m.Bound || !slices.Contains(m.Auth, "self_signed_tls_client_auth") || slices.Contains(m.Auth, "tls_client_auth") {
		t.Errorf("metadata: got %+v, want bound tokens and self_signed_tls_client_auth", m)
	}
	a := owner.post(p.origin+"/token", own(), p.app...)
	if a.Status != http.StatusOK {
		t.Fatalf("token: got %d %s", a.Status, a.Body)
	}
	seen := owner.post(p.origin+"/introspect", url.Values{"token": {a.Access}}, p.app...)
	if got, want := seen.Confirm["x5t#S256"], thumbprint(shown); got != want {
		t.Fatalf("the token is bound to %q, want %q", got, want)
	}
	for name, c := range map[string]struct {
		by   caller
		want string
	}{"its certificate": {owner, accepted}, "another certificate": {thief, refused}, "no certificate": {nobody, refused}} {
		if got := useOf(c.by, p.origin, a.Access); got != c.want {
			t.Errorf("with %s: got %q, want %q", name, got, c.want)
		}
	}
	for name, header := range forged(shown) {
		for who, c := range map[string]caller{"without one": nobody, "with another": thief} {
			if got := useOf(c, p.origin, a.Access, header...); got != refused {
				t.Errorf("forged %s by a client %s: got %q, want %q", name, who, got, refused)
			}
		}
	}
	if out, status := p.Try("doctor"); status != 0 || !strings.Contains(out, "ok    proxy drops Client-Cert") || !strings.Contains(out, "ok    proxy drops X-Forwarded-Client-Cert") {
		t.Errorf("doctor: status %d\n%s", status, out)
	}
	t.Run("and a header of anybody else counts for nothing", func(t *testing.T) { ignoresOthers(t, p, shown, a.Access) })
}

// ignoresOthers goes to Signet itself, past nginx.
func ignoresOthers(t *testing.T, p *proxied, shown tls.Certificate, token string) {
	t.Helper()
	proxy := newCaller(t, from(t, "127.0.0.1"))    // has the address of one
	stranger := newCaller(t, from(t, "127.0.0.2")) // has not
	header := forged(shown)["in the form of Envoy"]
	if got := useOf(stranger, p.signet.Origin, token, header...); got != refused {
		t.Errorf("from another address: got %q, want %q", got, refused)
	}
	if got := useOf(stranger, p.signet.Origin, token, append(header, "Signet-Proxy-Secret", proxySecret)...); got != refused {
		t.Errorf("from another address, with the secret: got %q, want %q", got, refused)
	}
	const unproven = "400 invalid_request"
	if got := useOf(proxy, p.signet.Origin, token, header...); got != unproven {
		t.Errorf("from the proxy's address, without the secret: got %q, want %q", got, unproven)
	}
	if got := useOf(proxy, p.signet.Origin, token, append(header, "Signet-Proxy-Secret", proxySecret+"x")...); got != unproven {
		t.Errorf("from the proxy's address, with another secret: got %q, want %q", got, unproven)
	}
	// What was forged is such as would count, had the proxy said it.
	if got := useOf(proxy, p.signet.Origin, token, append(header, "Signet-Proxy-Secret", proxySecret)...); got != accepted {
		t.Errorf("as the proxy: got %q, want %q", got, accepted)
	}
}

// from returns a transport whose connections have a source address.
func from(t *testing.T, address string) *http.Transport {
	t.Helper()
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Transport{DialContext: d.DialContext}
}

func TestDoctorFindsAProxyThatPassesForgedCertificatesOn(t *testing.T) {
	t.Parallel()
	const (
		ours   = "        proxy_set_header X-Forwarded-Client-Cert $signet_client_cert;\n"
		others = "        proxy_set_header Client-Cert \"\";\n"
		secret = "        proxy_set_header Signet-Proxy-Secret $signet_proxy_secret;\n"
	)
	for name, c := range map[string]struct {
		without []string
		want    string
	}{
		"the header that counts": {[]string{ours}, "fail  proxy drops X-Forwarded-Client-Cert: what a client says"},
		"the other header":       {[]string{others}, "fail  proxy drops Client-Cert: what a client says"},
		"without its secret":     {[]string{ours, secret}, "fail  proxy drops X-Forwarded-Client-Cert: it does not, nor does it send"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProxied(t, func(conf string) string {
				for _, line := range c.without {
					conf = replaced(t, conf, line, "")
				}
				return conf
			})
			if out, status := p.Try("doctor"); !strings.Contains(out, c.want) || status != 1 {
				t.Errorf("doctor: status %d\n%s\nwant 1 and %s", status, out, c.want)
			}
		})
	}
}
