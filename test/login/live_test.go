//go:build live

// These tests ask GitHub and Google themselves, as far as that goes without a person.
// "make test-live" runs them with the credentials of an OAuth app in the environment.
package login_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"signet/internal/egress"
	"signet/internal/login"
	"signet/internal/login/github"
	googleadapter "signet/internal/login/google"
	oauthtest "signet/test/oauth"
)

// oauthApp is an OAuth app at a real provider.
type oauthApp struct{ id, secret, redirect string }

// liveApp reads an app from the environment. Without it the test is skipped and says
// what is missing.
func liveApp(t *testing.T, provider string) oauthApp {
	t.Helper()
	prefix := "SIGNET_LIVE_" + strings.ToUpper(provider) + "_"
	var missing []string
	read := func(name string) string {
		value := os.Getenv(name)
		if value == "" {
			missing = append(missing, name)
		}
		return value
	}
	a := oauthApp{id: read(prefix + "CLIENT_ID"), secret: read(prefix + "CLIENT_SECRET")}
	// Google answers an address that is not registered with an error instead of a page.
	a.redirect = read("SIGNET_LIVE_ORIGIN") + "/login/callback/" + provider
	if len(missing) > 0 {
		t.Skipf("%s was not asked: the environment has no %s", provider, strings.Join(missing, ", no "))
	}
	return a
}

func (a oauthApp) ceremony() login.Ceremony {
	c := oauthtest.Ceremony("live")
	c.RedirectURI = a.redirect
	return c
}

// outside returns the guarded client as an installation has it.
func outside(t *testing.T) *egress.Client {
	t.Helper()
	c, err := egress.New(egress.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

// showsLogin goes to where a sign-in begins, as a browser that nobody is signed in with.
func showsLogin(t *testing.T, p login.Provider, a oauthApp, path *regexp.Regexp) {
	t.Helper()
	address, err := p.Begin(t.Context(), a.ceremony()) // discovers
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Jar: jar, Timeout: 30 * time.Second}).Do(get(t, address))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	at := res.Request.URL
	issuer, err := url.Parse(p.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	kind := res.Header.Get("Content-Type")
	if res.StatusCode != http.StatusOK || at.Host != issuer.Host || !path.MatchString(at.Path) ||
		strings.Contains(at.Path, "error") || !strings.HasPrefix(kind, "text/html") {
		t.Errorf("got %d, %s at %s%s, want a login page at %s", res.StatusCode, kind, at.Host, at.Path, path)
	}
}

// refusesCode exchanges a code that was never given.
func refusesCode(t *testing.T, p login.Provider, a oauthApp, reason string) {
	t.Helper()
	_, err := p.Finish(t.Context(), "0123456789abcdef0123", a.ceremony())
	e, ok := login.AsCallbackError(err)
	if !ok || e.Kind != login.TokenExchangeFailed || !strings.HasSuffix(e.Error(), `"`+reason+`"`) {
		t.Errorf("got %v, want %s because of %s", err, login.TokenExchangeFailed, reason)
	}
}

func TestLiveGitHubAnswersAsItsAdapterExpects(t *testing.T) {
	a := liveApp(t, "github")
	p := github.New(github.Config{ClientID: a.id, ClientSecret: a.secret, Client: outside(t)})
	showsLogin(t, p, a, regexp.MustCompile(`^/login$`))
	refusesCode(t, p, a, "bad_verification_code")

	// What makes GitHub an adapter of its own: it refuses with status 200.
	form := url.Values{"client_id": {a.id}, "client_secret": {a.secret}, "code": {"0123456789abcdef0123"}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, github.Public+"/login/oauth/access_token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	res, err := outside(t).HTTP().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(body, &said); err != nil || res.StatusCode != http.StatusOK || said.Error != "bad_verification_code" {
		t.Errorf("got %d, error %q (%v), want 200 and bad_verification_code", res.StatusCode, said.Error, err)
	}
}

func TestLiveGoogleAnswersAsItsAdapterExpects(t *testing.T) {
	a := liveApp(t, "google")
	p := googleadapter.New(googleadapter.Config{ClientID: a.id, ClientSecret: a.secret, Client: outside(t)})
	showsLogin(t, p, a, regexp.MustCompile(`/signin/`)) // its errors are at /signin/oauth/error
	refusesCode(t, p, a, "invalid_grant")
}
