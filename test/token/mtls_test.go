package token_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"

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
