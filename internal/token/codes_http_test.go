package token_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/internal/db/dbtest"
	"signet/internal/token"
)

func (k *desk) redeem(t *testing.T, user, password, body string) *httptest.ResponseRecorder {
	t.Helper()
	mux := http.NewServeMux()
	token.HandoffRoutes(mux, k.codes, k.clients)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/handoff/redeem", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: got %q, want no-store", got)
	}
	return w
}

func TestAppRedeemsACodeOverHTTP(t *testing.T) {
	k := newDesk(t, dbtest.SQLite(t), token.NewClient{})
	body := `{"nonce":"` + k.issue(t) + `","verifier":"` + verifier + `"}`
	// Form-encoded as RFC 6749, section 2.3.1, wants it, down to what needs no escape.
	w := k.redeem(t, strings.ReplaceAll(k.app.ID, "_", "%5F"), url.QueryEscape(k.secret), body)
	if w.Code != http.StatusOK {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if s, _ := got["access_token"].(string); strings.Count(s, ".") != 2 {
		t.Errorf("access_token: got %q", s)
	}
	delete(got, "access_token")
	want := map[string]any{
		"token_type": "Bearer", "expires_in": 300., "userId": "usr_alice", "accountId": "acme",
		"roles": []any{"auditor"}, "permissions": []any{"audit:read"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("answer (-want +got):\n%s", d)
	}
}

func TestAppThatDoesNotProveItselfRedeemsNothing(t *testing.T) {
	k := newDesk(t, dbtest.SQLite(t), token.NewClient{})
	other, otherSecret := k.newApp(t, token.NewClient{})
	body := `{"nonce":"` + k.issue(t) + `","verifier":"` + verifier + `"}`
	for name, c := range map[string][2]string{
		"nobody": {}, "no secret": {k.app.ID, ""}, "another's secret": {k.app.ID, otherSecret}, "unknown": {"cli_x", k.secret},
		"bad escape": {k.app.ID, "%zz"}, "NUL": {"%00", k.secret}, "bad escape in the id": {"%zz", k.secret},
	} {
		w := k.redeem(t, c[0], c[1], body)
		if w.Code != http.StatusUnauthorized || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: got %d %q, want 401 Basic", name, w.Code, w.Header().Get("WWW-Authenticate"))
		}
	}
	if w := k.redeem(t, k.app.ID, k.secret, body); w.Code != http.StatusOK {
		t.Errorf("refusals used the code up: got %d %s", w.Code, w.Body)
	}
	// All bad codes answer alike.
	var first string
	for name, w := range map[string]*httptest.ResponseRecorder{
		"used":           k.redeem(t, k.app.ID, k.secret, body),
		"another's":      k.redeem(t, other.ID, otherSecret, `{"nonce":"`+k.issue(t)+`","verifier":"`+verifier+`"}`),
		"wrong verifier": k.redeem(t, k.app.ID, k.secret, `{"nonce":"`+k.issue(t)+`","verifier":"`+verifier+`x"}`),
		"no verifier":    k.redeem(t, k.app.ID, k.secret, `{"nonce":"`+k.issue(t)+`"}`),
		"nothing":        k.redeem(t, k.app.ID, k.secret, `{}`),
	} {
		if first == "" {
			first = w.Body.String()
		}
		if w.Code != http.StatusBadRequest || w.Body.String() != first || !strings.Contains(first, `"urn:signet:problem:invalid-grant"`) {
			t.Errorf("%s: got %d %s, want 400 %s", name, w.Code, w.Body, first)
		}
	}
	if w := k.redeem(t, k.app.ID, k.secret, `{"nonce":"x","nonce":"y"}`); w.Code != http.StatusBadRequest {
		t.Errorf("body with a member twice: got %d, want 400", w.Code)
	}
}
