package oidctest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Reference is oidc-provider, a certified implementation, in a process of its own on
// a free port of loopback. It demands PKCE. Somebody who types ada is ada@gmail.com,
// verified. It takes the client's secret in either way, whatever its documents say.
type Reference struct {
	Issuer, ClientID, ClientSecret string
}

// ReferenceOptions say how the provider is.
type ReferenceOptions struct {
	Redirect      string // of its client
	ClaimsInToken bool   // else UserInfo alone tells the address and the name
}

// StartReference starts the provider and ends it with the test.
func StartReference(t testing.TB, o ReferenceOptions) *Reference {
	t.Helper()
	// The secret has what client_secret_basic must escape (RFC 6749, section 2.3.1).
	s := &Reference{ClientID: "signet", ClientSecret: "of: 100 % + / & ~ kept"} //nolint:gosec // of a provider that lives as long as a test
	client, err := json.Marshal(map[string]any{
		"id": s.ClientID, "secret": s.ClientSecret, "redirect": o.Redirect, "claimsInToken": o.ClaimsInToken,
	})
	if err != nil {
		t.Fatal(err)
	}
	bin, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("%v (scripts/test-deps installs it)", err)
	}
	cmd := exec.Command(bin, filepath.Join("..", "npm", "provider.mjs"), string(client)) //nolint:gosec,noctx // own arguments; stop ends it
	var said bytes.Buffer
	cmd.Stderr = &said
	s.Issuer = run(t, cmd, &said)
	return s
}

// run starts the provider and returns the line that it prints when it is ready.
func run(t testing.TB, cmd *exec.Cmd, said *bytes.Buffer) string {
	t.Helper()
	// It ends with its standard input, so it does not outlive a test that was killed.
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatalf("start oidc-provider: %v", err)
	}
	_ = w.Close() // its own end is the process's now
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill() // it may have ended already
		_ = cmd.Wait()         // killed, mostly
		_ = out.Close()
	})
	if err := out.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // said is whole only then
		t.Fatalf("oidc-provider does not start (scripts/test-deps installs it): %v\n%s", err, said)
	}
	return strings.TrimSpace(line)
}

// Person is somebody with a browser, which keeps cookies.
type Person struct {
	Name   string
	Denies bool // says no at the form for consent

	Seen []string // the pages that they were shown, in order

	http *http.Client
}

// NewPerson returns somebody with a new browser.
func NewPerson(t testing.TB, name string) *Person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Person{Name: name, http: &http.Client{
		Jar: jar, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// hidden and action find what a form of the provider sends, and where to.
var (
	hidden = regexp.MustCompile(`name="prompt" value="(\w+)"`)
	action = regexp.MustCompile(`action="([^"]+)"`)
)

var errForm = errors.New("the provider shows no form for login or consent")

// Visit goes to address and fills in what is shown there, until the provider sends
// the browser elsewhere: it returns the parameters of that address.
func (p *Person) Visit(t testing.TB, address string) url.Values {
	t.Helper()
	p.Seen = nil
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	provider := at.Host
	method, form := http.MethodGet, url.Values(nil)
	for range 20 {
		if at.Host != provider {
			return at.Query()
		}
		next, page := p.step(t, method, at, form)
		method, form = http.MethodGet, nil
		if next == nil {
			if next, form, err = p.fill(at, page); err != nil {
				t.Fatalf("%s: %v:\n%s", at, err, page)
			}
			if form != nil {
				method = http.MethodPost
			}
		}
		at = next
	}
	t.Fatal("the provider never sends the browser back")
	return nil
}

// step makes one request, and returns where it leads or what it shows.
func (p *Person) step(t testing.TB, method string, at *url.URL, form url.Values) (*url.URL, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, at.String(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := p.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if next, err := res.Location(); err == nil {
		return next, ""
	}
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return nil, string(page)
}

// fill answers a form of oidc-provider's devInteractions; no form is a link.
func (p *Person) fill(at *url.URL, page string) (*url.URL, url.Values, error) {
	prompt, to := hidden.FindStringSubmatch(page), action.FindStringSubmatch(page)
	if prompt == nil || to == nil {
		return nil, nil, errForm
	}
	p.Seen = append(p.Seen, page)
	next, err := at.Parse(to[1])
	if err != nil {
		return nil, nil, err
	}
	if prompt[1] == "consent" && p.Denies {
		return next.JoinPath("abort"), nil, nil
	}
	return next, url.Values{"prompt": {prompt[1]}, "login": {p.Name}, "password": {"any"}}, nil
}
