package token_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"signet/internal/db/dbtest"
)

func TestScriptsOfOtherOriginsReadWhatDPoPNeeds(t *testing.T) {
	h := newHouse(t, dbtest.SQLite(t), houseOptions{})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, issuer+"/token", http.NoBody)
	r.Header.Set("Origin", "https://app.example.org")
	r.Header.Set("Access-Control-Request-Method", "POST")
	r.Header.Set("Access-Control-Request-Headers", "dpop")
	ask := h.nodes[0].send(t, r)
	if ask.status != http.StatusNoContent || ask.header.Get("Access-Control-Allow-Headers") != "Authorization, Content-Type, DPoP" {
		t.Errorf("preflight: got %d %v", ask.status, ask.header)
	}
	a := h.nodes[0].call(t, "/token", "x", "y", form("grant_type", "client_credentials"), "Origin", "https://app.example.org")
	if a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Access-Control-Expose-Headers") != "DPoP-Nonce, WWW-Authenticate" {
		t.Errorf("refusal: got %v", a.header)
	}
	if a.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Error("cookies count")
	}
	if a := h.nodes[0].call(t, "/token", "x", "y", form("grant_type", "client_credentials")); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a program, which has no origin: got %v", a.header)
	}
	metadata := httptest.NewRequestWithContext(t.Context(), http.MethodGet, issuer+"/.well-known/oauth-authorization-server", http.NoBody) // kept, for whoever asks next
	if a := h.nodes[0].send(t, metadata); a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("metadata without an origin: got %v", a.header)
	}
}
