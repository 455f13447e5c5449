package token_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	signettest "signet/test/signet"
)

// person is who is signed in, with a browser that programs may send somewhere.
type person struct {
	sync.Mutex
	*signettest.Agent
}

var errPage = errors.New("the page is not as expected")

// visit goes to the address of an authorization request and returns where it ends.
func (p *person) visit(address *url.URL) (end string, err error) {
	res := p.Get(address.RequestURI())
	for range 5 {
		to := res.Header.Get("Location")
		switch {
		case res.Status != http.StatusSeeOther:
			return "", fmt.Errorf("%w: %d %.500s", errPage, res.Status, res.Body)
		case !strings.HasPrefix(to, "/"):
			return to, nil
		}
		res = p.Get(to)
	}
	return "", fmt.Errorf("%w: it leads on and on", errPage)
}

// letIn lets the device in that shows a code.
func (p *person) letIn(code string) error {
	if res := p.Post("/device", "user_code", code); res.Status != http.StatusOK {
		return fmt.Errorf("%w: %d %.500s", errPage, res.Status, res.Body)
	}
	if res := p.Post("/device/decide", "user_code", code, "decision", "allow"); res.Status != http.StatusOK {
		return fmt.Errorf("%w: %d %.500s", errPage, res.Status, res.Body)
	}
	return nil
}

// ServeHTTP does what a script's body says: an address to go to, or a device's code.
func (p *person) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.Lock()
	defer p.Unlock()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	end := ""
	if address, bad := url.Parse(string(text)); bad == nil && address.Host != "" {
		end, err = p.visit(address) //nolint:contextcheck // the agent has the test's
	} else {
		err = p.letIn(string(text)) //nolint:contextcheck // so
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	_, _ = io.WriteString(w, end) // the script tells
}

func TestStandardLibrariesGoThroughEveryGrantWithProofs(t *testing.T) {
	t.Parallel()
	d := signettest.Dev(t)
	browser := httptest.NewServer(&person{Agent: d.SignedIn(t)})
	t.Cleanup(browser.Close)
	given, err := json.Marshal(map[string]string{
		"issuer": d.Ready.OAuth.Issuer, "id": d.Ready.OAuth.DPoPClientID, "secret": d.Ready.OAuth.DPoPClientSecret,
		"public": d.Ready.OAuth.PublicClientID, "browser": browser.URL, "redirect": "http://127.0.0.1:4711/callback",
		"email": d.Ready.User.Email,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ grant, alg string }{
		{"client_credentials", "ES256"},
		{"client_credentials", "Ed25519"},
		{"client_credentials", "PS256"},
		{"authorization_code", "ES256"},
		{"par", "Ed25519"},
		{"refresh_token", "ES256"},
		{"device_code", "ES256"},
	} {
		for _, script := range []string{"openid-client.mjs", "oauth4webapi.mjs"} {
			t.Run(c.grant+" with "+c.alg+" by "+script, func(t *testing.T) {
				t.Parallel()
				run(t, "node", "", filepath.Join("..", "npm", script), string(given), c.grant, c.alg)
			})
		}
	}
}

func TestPyJWTVerifiesAccessTokens(t *testing.T) {
	t.Parallel()
	d := signettest.Dev(t)
	c := newCaller(t, &http.Transport{})
	a := c.post(d.Origin+"/token", own(), basic(d.Ready.OAuth.ClientID, d.Ready.OAuth.ClientSecret)...)
	if a.Status != http.StatusOK {
		t.Fatalf("got %d %s", a.Status, a.Body)
	}
	verify := func(token, audience string) error {
		_, err := try(t, "/usr/bin/python3", token, "jwks.py", d.Origin+"/jwks", d.Ready.OAuth.Issuer, audience)
		return err
	}
	if err := verify(a.Access, d.Ready.OAuth.Issuer); err != nil {
		t.Errorf("good token: %v", err)
	}
	if err := verify(a.Access, "https://other.example"); err == nil || !strings.Contains(err.Error(), "InvalidAudienceError") {
		t.Errorf("another audience: got %v, want InvalidAudienceError", err)
	}
	if err := verify(forge(a.Access), d.Ready.OAuth.Issuer); err == nil || !strings.Contains(err.Error(), "InvalidSignatureError") {
		t.Errorf("another signature: got %v, want InvalidSignatureError", err)
	}
}

// forge returns a token with another signature.
func forge(token string) string {
	at := strings.LastIndexByte(token, '.') + 1
	return token[:at] + strings.Repeat("A", len(token)-at)
}

// run is try that ends the test.
func run(t *testing.T, program, input string, args ...string) string {
	t.Helper()
	out, err := try(t, program, input, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// try runs a program and returns what it prints. An error has what it complains of.
func try(t *testing.T, program, input string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdin = strings.NewReader(input)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w (scripts/test-deps installs what it needs)\n%s", args[0], err, said.String())
	}
	return string(out), nil
}
