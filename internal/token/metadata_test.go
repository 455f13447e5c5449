package token_test

import (
	"net/http"
	"net/http/httptest"
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
