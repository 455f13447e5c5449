package token_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"

	"signet/internal/db/dbtest"
	"signet/internal/token"
)

func TestMetadataNamesWhatWorksAndNothingElse(t *testing.T) {
	read := func(change func(o *token.SenderOptions)) answer {
		h := newHouse(t, dbtest.SQLite(t), houseOptions{sender: change})
		a := h.nodes[0].send(t, httptest.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/.well-known/oauth-authorization-server", http.NoBody))
		if a.status != http.StatusOK || a.text("issuer") != issuer {
			t.Fatalf("got %d %v", a.status, a.body)
		}
		return a
	}
	list := func(a answer, name string) (all []string) {
		values, _ := a.body[name].([]any)
		for _, v := range values {
			s, _ := v.(string)
			all = append(all, s)
		}
		return all
	}
	full := read(nil)
	for name, want := range map[string][]string{
		"response_types_supported": {"code"}, "code_challenge_methods_supported": {"S256"}, "response_modes_supported": {"query"},
		"dpop_signing_alg_values_supported": {"ES256", "EdDSA", "Ed25519", "PS256"},
		"grant_types_supported":             {token.GrantCode, token.GrantRefresh, token.GrantCredentials, token.GrantDevice},
	} {
		if got := list(full, name); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if full.body["authorization_response_iss_parameter_supported"] != true || full.body["tls_client_certificate_bound_access_tokens"] != true {
		t.Errorf("iss and certificates: got %v", full.body)
	}
	bare := read(func(o *token.SenderOptions) { o.DPoP, o.MTLSOrigin = false, "" })
	if bare.body["dpop_signing_alg_values_supported"] != nil || bare.body["mtls_endpoint_aliases"] != nil || bare.body["tls_client_certificate_bound_access_tokens"] == true ||
		slices.Contains(list(bare, "token_endpoint_auth_methods_supported"), string(token.AuthTLS)) {
		t.Errorf("without proofs and certificates: got %v", bare.body)
	}
}

func TestMetadataNamesTheCertificatesThatClientsCanProveThemselvesBy(t *testing.T) {
	both, own := []string{string(token.AuthTLS), string(token.AuthSelfSigned)}, []string{string(token.AuthSelfSigned)}
	proxy := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
	for name, c := range map[string]struct {
		cas    *x509.CertPool
		change func(o *token.SenderOptions)
		want   []string
	}{
		"a listener and authorities": {x509.NewCertPool(), func(*token.SenderOptions) {}, both},
		"a listener alone":           {nil, func(*token.SenderOptions) {}, own},
		"a proxy that verifies": {nil, func(o *token.SenderOptions) {
			o.MTLSOrigin, o.Certificates.Proxies, o.Certificates.Verifies = "", proxy, true
		}, both},
		"a proxy that does not":          {x509.NewCertPool(), func(o *token.SenderOptions) { o.MTLSOrigin, o.Certificates.Proxies = "", proxy }, own},
		"neither":                        {x509.NewCertPool(), func(o *token.SenderOptions) { o.MTLSOrigin = "" }, nil},
		"a listener, and none are taken": {x509.NewCertPool(), func(o *token.SenderOptions) { o.MTLS = false }, nil},
		"a proxy, and none are taken here": {nil, func(o *token.SenderOptions) {
			o.MTLS, o.Certificates.Proxies, o.Certificates.Verifies = false, proxy, true
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, dbtest.SQLite(t), houseOptions{sender: c.change, clientCAs: c.cas})
			a := h.nodes[0].send(t, httptest.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/.well-known/oauth-authorization-server", http.NoBody))
			var got []string
			all, _ := a.body["token_endpoint_auth_methods_supported"].([]any)
			for _, m := range []token.AuthMethod{token.AuthTLS, token.AuthSelfSigned} {
				if slices.Contains(all, any(string(m))) {
					got = append(got, string(m))
				}
			}
			if !slices.Equal(got, c.want) || a.body["tls_client_certificate_bound_access_tokens"] != (len(c.want) > 0) {
				t.Errorf("got %v, bound %v, want %v", got, a.body["tls_client_certificate_bound_access_tokens"], c.want)
			}
		})
	}
}
