package authroute_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"signet/internal/authroute"
	"signet/internal/web"
)

func TestReasonOfARevocationMayBeMissing(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		mux := http.NewServeMux()
		authroute.Routes(web.API(mux, "test", "1"), mux, authroute.Services{Registry: f.Registry})
		for _, body := range []string{"", "{}", `{"reason":"superseded"}`} {
			primary, _ := f.register(t, "alice", "alice@example.org")
			r := httptest.NewRequestWithContext(as(t, "alice"), http.MethodPost, "/api/v1/authroute/keys/"+primary.id+"/revoke", strings.NewReader(body))
			if body != "" {
				r.Header.Set("Content-Type", "application/json")
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != `{"status":"revoked"}` {
				t.Errorf("body %q: got %d %s, want 200 and the status", body, w.Code, w.Body)
			}
		}
	})
}
