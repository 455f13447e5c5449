package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/internal/sigv4"
)

// signet runs a command that must do well, and returns what it printed.
func signet(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if status := run(t.Context(), args, console{strings.NewReader(""), &out, &errs, nil}); status != 0 {
		t.Fatalf("signet %s: %d %s", strings.Join(args, " "), status, errs.String())
	}
	return out.String()
}

func TestCapturedRequestIsExplainedWithoutItsSecret(t *testing.T) {
	dir := t.TempDir()
	signet(t, "admin", "bootstrap-admin", "--data", dir, "--email", "root@example.org")
	var key struct {
		ID     string `json:"access_key_id"`
		Secret string `json:"secret_access_key"`
	}
	if err := json.Unmarshal([]byte(signet(t, "admin", "create-key", "--data", dir, "--name", "app", "--json")), &key); err != nil {
		t.Fatal(err)
	}
	check := func(secret string, spoil func(*http.Request)) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://s3.example.org/files/a%20b?list-type=2", nil)
		if err != nil {
			t.Fatal(err)
		}
		o := sigv4.Options{Now: time.Now().Add(-24 * time.Hour), Region: "us-east-1", Service: "s3"}
		sigv4.Sign(r, sigv4.NewCredential(key.ID, secret, "", nil), "UNSIGNED-PAYLOAD", o)
		spoil(r)
		text, err := httputil.DumpRequestOut(r, false)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "captured")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		said := signet(t, "admin", "check-request", "--data", dir, file)
		if strings.Contains(said, key.Secret) {
			t.Error("the secret was printed")
		}
		return said
	}
	asItWas := func(*http.Request) {}
	if said := check(key.Secret, asItWas); !strings.Contains(said, "The signature is right") {
		t.Errorf("a right one of yesterday: got %s", said)
	}
	if said := check("another secret of forty characters 12345", asItWas); !strings.Contains(said, "It is refused") || !strings.Contains(said, "    /files/a%20b") {
		t.Errorf("another secret: got %s", said)
	}
	if said := check(key.Secret, func(r *http.Request) { r.URL.RawQuery = "list-type=1" }); !strings.Contains(said, "It is refused") {
		t.Errorf("changed query: got %s", said)
	}
	signet(t, "admin", "revoke-key", "--data", dir, "--access-key-id", key.ID)
	if said := check(key.Secret, asItWas); !strings.Contains(said, "was revoked on") {
		t.Errorf("revoked: got %s", said)
	}
}
