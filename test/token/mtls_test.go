package token_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	signettest "signet/test/signet"
)

// thumbprint is x5t#S256 of a certificate (RFC 8705, section 3.1).
func thumbprint(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// mismatches is how often a certificate was not the one that was asked for.
func mismatches(i *signettest.Instance) float64 { return i.Metric("authority_mtls_mismatch_total") }

func TestTokenThatIsBoundToACertificateIsGoodWithItAlone(t *testing.T) {
	t.Parallel()
	d := signettest.Dev(t)
	m := d.Ready.MTLS
	shown := loadPair(t, m.ClientCertFile, m.ClientKeyFile)
	owner := newCaller(t, trusting(t, m.CAFile, shown))
	thief := newCaller(t, trusting(t, m.CAFile, selfSigned(t, "thief")))
	nobody := newCaller(t, trusting(t, m.CAFile))

	says := nobody.metadataOf(d.Origin)
	if says.Aliases["token_endpoint"] != m.URL+"/token" || !says.Bound || !slices.Contains(says.Auth, "tls_client_auth") {
		t.Errorf("metadata: got %+v, want the listener of certificates in it", says)
	}
	a := owner.post(says.Aliases["token_endpoint"], own(), basic(d.Ready.OAuth.ClientID, d.Ready.OAuth.ClientSecret)...)
	if a.Status != http.StatusOK || a.TokenType != "Bearer" {
		t.Fatalf("token by a client with a certificate: got %d %s", a.Status, a.Body)
	}
	seen := owner.post(m.URL+"/introspect", url.Values{"token": {a.Access}}, basic(d.Ready.OAuth.ClientID, d.Ready.OAuth.ClientSecret)...)
	if got, want := seen.Confirm["x5t#S256"], thumbprint(shown); !seen.Active || got != want {
		t.Errorf("the token is bound to %q, want %q", got, want)
	}

	if got := useOf(owner, m.URL, a.Access); got != accepted {
		t.Errorf("with its certificate: got %q", got)
	}
	before := mismatches(d.Instance)
	for name, c := range map[string]caller{"another certificate": thief, "no certificate": nobody} {
		if got := useOf(c, m.URL, a.Access); got != refused {
			t.Errorf("with %s: got %q, want %q", name, got, refused)
		}
	}
	// The listener of people asks for no certificate.
	if got := useOf(nobody, d.Origin, a.Access); got != refused {
		t.Errorf("at the public listener: got %q, want %q", got, refused)
	}
	if got := mismatches(d.Instance) - before; got != 3 {
		t.Errorf("authority_mtls_mismatch_total rose by %v, want 3", got)
	}
}

func TestClientProvesItselfByItsCertificateOverTLS(t *testing.T) {
	t.Parallel()
	d := signettest.Dev(t)
	m := d.Ready.MTLS
	listed, mine := loadPair(t, m.ClientCertFile, m.ClientKeyFile), selfSigned(t, "dev-client")
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: mine.Leaf.PublicKey, Certificates: []*x509.Certificate{mine.Leaf}}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, keys, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--id", "chained", "--auth", "tls_client_auth", "--tls-subject", "dn:CN=dev-client"},
		{"--id", "own", "--auth", "self_signed_tls_client_auth", "--jwks", file},
	} {
		args = append([]string{"admin", "client", "create", "--data", d.Ready.Data, "--name", "App", "--grant", "client_credentials"}, args...)
		if out, err := exec.CommandContext(t.Context(), signettest.Binary(t), args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for _, c := range []struct {
		name, origin, client string
		shown                []tls.Certificate
		want                 string // the certificate that the token is bound to; "" where there is none
	}{
		{"of the authority", m.URL, "chained", []tls.Certificate{listed}, thumbprint(listed)},
		{"of the same name, and nobody's", m.URL, "chained", []tls.Certificate{mine}, ""},
		{"its own", m.URL, "own", []tls.Certificate{mine}, thumbprint(mine)},
		{"of the authority, which is not its own", m.URL, "own", []tls.Certificate{listed}, ""},
		{"none, for the authority's", m.URL, "chained", nil, ""},
		{"none, for its own", m.URL, "own", nil, ""},
		{"where nobody asks for one", d.Origin, "chained", []tls.Certificate{listed}, ""},
	} {
		by := newCaller(t, trusting(t, m.CAFile, c.shown...))
		form := own()
		form.Set("client_id", c.client)
		a := by.post(c.origin+"/token", form)
		if c.want == "" {
			if a.Status != http.StatusUnauthorized || a.Error != "invalid_client" {
				t.Errorf("%s: got %d %s, want 401 invalid_client", c.name, a.Status, a.Body)
			}
			continue
		}
		if got := claimed(t, a.Access); a.Status != http.StatusOK || got != c.want {
			t.Errorf("%s: got %d, bound to %q, want 200, %q", c.name, a.Status, got, c.want)
		}
	}
}

// claimed is the certificate that an access token says it is bound to (RFC 8705, section
// 3.1); "" for none.
func claimed(t testing.TB, access string) string {
	t.Helper()
	parts := strings.Split(access, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var says struct {
		Confirm map[string]string `json:"cnf"`
	}
	if err := json.Unmarshal(payload, &says); err != nil {
		t.Fatal(err)
	}
	return says.Confirm["x5t#S256"]
}

// What /fresh-auth says of a token of client_credentials: its sender is the right one, but
// nobody has signed in; or its sender is not.
const (
	accepted = "401 insufficient_user_authentication"
	refused  = "401 invalid_token"
)

// useOf presents an access token.
func useOf(c caller, origin, token string, headers ...string) string {
	c.t.Helper()
	a := c.post(origin+"/fresh-auth", url.Values{}, append([]string{"Authorization", "Bearer " + token}, headers...)...)
	return strconv.Itoa(a.Status) + " " + a.Error
}
