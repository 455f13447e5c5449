// Package boundary_test attacks the pages as a program would that is no browser: with
// cookies, headers and bodies of its own making.
package boundary_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	signettest "signet/test/signet"
)

func TestCookiesBelongToThisOriginAlone(t *testing.T) {
	d := signettest.Dev(t)
	a := d.Agent(t)
	a.Get("/login")
	res := a.Post("/login", "email", d.Ready.User.Email, "password", d.Ready.User.Password)
	seen := map[string]bool{}
	for _, c := range (&http.Response{Header: res.Header}).Cookies() {
		seen[c.Name] = true
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %s", c)
		}
		if c.Name == "__Host-signet" && (c.MaxAge != 30*24*3600 || len(c.Value) < 43) {
			t.Errorf("session cookie: %d characters for %d s", len(c.Value), c.MaxAge)
		}
	}
	if !seen["__Host-signet"] || !seen["__Host-signet-device"] {
		t.Errorf("got cookies %v", seen)
	}
}

func TestEveryPageHasItsHeaders(t *testing.T) {
	d := signettest.Dev(t)
	for path, a := range map[string]*signettest.Agent{
		"/login": d.Agent(t), "/login/sign-up": d.Agent(t), "/login/forgot": d.Agent(t), "/logout": d.Agent(t), "/login/link/x": d.Agent(t),
		"/login?next=//evil.example": d.Agent(t), strings.TrimPrefix(d.Ready.AdminLink, d.Origin): d.Agent(t),
		"/account": d.SignedIn(t), "/account/security": d.SignedIn(t), "/account/sessions": d.SignedIn(t),
		"/account/tokens": d.SignedIn(t), "/account/activity": d.SignedIn(t), "/account/security/app": d.SignedIn(t),
		"/account/apps": d.SignedIn(t), "/device": d.SignedIn(t), "/end_session": d.SignedIn(t), "/authorize": d.Agent(t),
		begun(t, d.SignedIn(t), asks(d.Ready.OAuth.PublicClientID)).String(): d.SignedIn(t),
	} {
		h := a.Get(path).Header
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Content-Type": "text/html; charset=utf-8",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s: got %q, want %q", path, name, got, want)
			}
		}
		csp := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "form-action 'self'") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, csp)
		}
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	d := signettest.Dev(t)
	for _, c := range []struct {
		name    string
		headers []string
	}{
		{"cross-site by Fetch Metadata", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}},
		{"same-site is not same-origin", []string{"Sec-Fetch-Site", "same-site", "Origin", "http://other.localhost"}},
		{"by Origin, an old browser", []string{"Sec-Fetch-Site", "", "Origin", "https://evil.example"}},
		{"Origin null, a sandboxed frame", []string{"Sec-Fetch-Site", "", "Origin", "null"}},
		{"another port", []string{"Sec-Fetch-Site", "", "Origin", "http://localhost:1"}},
	} {
		a := d.SignedIn(t)
		for path, form := range map[string]url.Values{
			"/account": {"name": {"Mallory"}}, "/logout": {}, "/account/tokens": {"name": {"x"}}, "/login": {"email": {d.Ready.User.Email}, "password": {d.Ready.User.Password}},
			"/account/sessions": {}, "/login/start/github": {}, "/authorize/decide": {}, "/device": {}, "/device/decide": {}, "/end_session/confirm": {},
			"/account/apps/dev": {},
		} {
			if res := a.Do(http.MethodPost, path, form, c.headers...); res.Status != http.StatusForbidden {
				t.Errorf("%s: POST %s: got %d, want 403", c.name, path, res.Status)
			}
		}
		if a.Get("/account").Status != http.StatusOK {
			t.Errorf("%s: it signed the user out", c.name)
		}
	}
	a := d.SignedIn(t)
	res := a.Do(http.MethodPost, "/account", url.Values{"name": {"x"}}, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example", "Accept", "text/html")
	if !strings.Contains(string(res.Body), "<h1>That did not work</h1>") {
		t.Errorf("a person is shown %.100s", res.Body)
	}
	if res := a.Do(http.MethodPost, "/api/v1/authroute/bypass", url.Values{}, "Content-Type", "application/json", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); res.Status != http.StatusForbidden {
		t.Errorf("API by cookie from another site: got %d, want 403", res.Status)
	}
}

func TestASessionOfTheAttackersChoiceIsNotTakenOver(t *testing.T) {
	d := signettest.Dev(t)
	evil := d.SignedIn(t) // the attacker's own session
	victim := d.Agent(t)
	victim.Cookies["__Host-signet"] = evil.Cookies["__Host-signet"]
	victim.SignIn(d.Ready.User.Email, d.Ready.User.Password)
	if victim.Cookies["__Host-signet"] == evil.Cookies["__Host-signet"] {
		t.Error("sign-in kept the session that was there before")
	}
	victim = d.Agent(t)
	victim.Cookies["__Host-signet"] = "sgr_" + strings.Repeat("A", 43)
	victim.Get("/login")
	if v, ok := victim.Cookies["__Host-signet"]; ok {
		t.Errorf("a made-up session stays in the browser: %s", v)
	}
}

func TestNobodyIsSentElsewhere(t *testing.T) {
	d := signettest.Dev(t)
	in, out := d.SignedIn(t), d.Agent(t)
	for _, next := range []string{
		"//evil.example", "/\\evil.example", "https://evil.example", "https:evil.example", "javascript:alert(1)", "/\t/evil.example", "/%09/evil.example",
		"/%2f%2fevil.example", "/..//evil.example", "\\\\evil.example", "http://localhost@evil.example", d.Origin + ".evil.example", "/a\r\nLocation: https://evil.example", "//localhost:1/",
		"data:text/html,x", "/login/../..//evil.example", " https://evil.example", "https://еxample.org",
	} {
		path := "/login?next=" + url.QueryEscape(next)
		for who, a := range map[string]*signettest.Agent{"signed in": in, "signed out": out} {
			res := a.Get(path)
			if to := res.Header.Get("Location"); to != "" || res.Status < 400 || res.Status >= 500 {
				t.Errorf("%s, %q: got %d to %q", who, next, res.Status, to)
			}
		}
		if res := out.Post(path, "email", d.Ready.User.Email, "password", d.Ready.User.Password); res.Header.Get("Location") != "" {
			t.Errorf("after the password, %q: sent to %q", next, res.Header.Get("Location"))
		}
	}
	if to := in.Get("/login?next=" + url.QueryEscape("/account/tokens?x=1")).Header.Get("Location"); to != "/account/tokens?x=1" {
		t.Errorf("a page of ours: sent to %q", to)
	}
}

func TestAppsMustBeKnownAndBringAChallenge(t *testing.T) {
	d := signettest.Dev(t)
	a := d.SignedIn(t)
	challenge := strings.Repeat("A", 43)
	var app struct {
		ID string `json:"client_id"`
	}
	cmd := exec.CommandContext(t.Context(), signettest.Binary(t), "admin", "client", "create", "--json", "--data", d.Ready.Data,
		"--name", "App", "--redirect-uri", "https://app.example.org/callback")
	if out, err := cmd.Output(); err != nil || json.Unmarshal(out, &app) != nil {
		t.Fatalf("client: %v\n%s", err, out)
	}
	for name, query := range map[string]url.Values{
		"unknown app":             {"client_id": {"cli_nobody"}, "next": {"https://app.example.org/"}, "challenge": {challenge}},
		"app without a next":      {"client_id": {app.ID}, "challenge": {challenge}},
		"app to a page of ours":   {"client_id": {app.ID}, "next": {"/account"}, "challenge": {challenge}},
		"app to somewhere else":   {"client_id": {app.ID}, "next": {"https://evil.example/"}, "challenge": {challenge}},
		"app without a challenge": {"client_id": {app.ID}, "next": {"https://app.example.org/"}},
		"challenge without app":   {"challenge": {challenge}},
		"not a client id":         {"client_id": {"\x00"}, "next": {"https://app.example.org/"}, "challenge": {challenge}},
		"acr that is none":        {"acr_values": {"urn:mace:incommon:iap:silver"}},
		"max_age that is none":    {"max_age": {"-1"}},
		"max_age that is endless": {"max_age": {strings.Repeat("9", 30)}},
	} {
		res := a.Get("/login?" + query.Encode())
		if out := d.Agent(t).Get("/login?" + query.Encode()); out.Status != res.Status {
			t.Errorf("%s: signed out: got %d, signed in %d", name, out.Status, res.Status)
		}
		if res.Status < 400 || res.Status >= 500 || res.Header.Get("Location") != "" {
			t.Errorf("%s: got %d to %q", name, res.Status, res.Header.Get("Location"))
		}
	}
}

// told is what an answer says without what differs by chance.
func told(res signettest.Answer, email string) string {
	text := strings.ReplaceAll(string(res.Body), email, "EMAIL")
	return regexp.MustCompile(`[A-Z2-7]{26}`).ReplaceAllString(text, "ID")
}

func TestAnswersDoNotTellWhoHasAnAccount(t *testing.T) {
	d := signettest.Dev(t)
	known, unknown := d.Ready.User.Email, "nobody@signet.test"
	for _, c := range []struct {
		path   string
		fields []string
	}{
		{"/login", []string{"password", "a wrong password 77"}}, {"/login/forgot", nil}, {"/login/sign-up", nil},
	} {
		answers := map[string]signettest.Answer{}
		for _, email := range []string{known, unknown} {
			answers[email] = d.Agent(t).Post(c.path, append([]string{"email", email}, c.fields...)...)
		}
		if answers[known].Status != answers[unknown].Status {
			t.Errorf("%s: status %d and %d", c.path, answers[known].Status, answers[unknown].Status)
		}
		if a, b := told(answers[known], known), told(answers[unknown], unknown); a != b {
			t.Errorf("%s: the pages differ:\n%s\n%s", c.path, a, b)
		}
	}
}

func TestAStrangerCannotKeepTheOwnerOut(t *testing.T) {
	d := signettest.Dev(t)
	owner := d.SignedIn(t) // this browser is known from now on
	device := owner.Cookies["__Host-signet-device"]
	refused := 0
	for range 20 {
		res := d.Agent(t).Post("/login", "email", d.Ready.User.Email, "password", "a wrong password 77")
		if res.Status == http.StatusTooManyRequests {
			refused++
			if res.Header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
		}
	}
	if refused == 0 {
		t.Fatal("a stranger guesses without bound")
	}
	if res := d.Agent(t).Post("/login", "email", d.Ready.User.Email, "password", d.Ready.User.Password); res.Status != http.StatusTooManyRequests {
		t.Errorf("right password from an unknown browser meanwhile: got %d, want 429", res.Status)
	}
	again := d.Agent(t)
	again.Cookies["__Host-signet-device"] = device
	again.SignIn(d.Ready.User.Email, d.Ready.User.Password)
	forged := d.Agent(t)
	forged.Cookies["__Host-signet-device"] = device[:len(device)-4] + "AAAA"
	if res := forged.Post("/login", "email", d.Ready.User.Email, "password", d.Ready.User.Password); res.Status != http.StatusTooManyRequests {
		t.Errorf("forged device cookie: got %d, want 429", res.Status)
	}
	other := d.Agent(t)
	other.Cookies["__Host-signet-device"] = strings.Repeat(device+".", 50)
	if res := other.Post("/login", "email", d.Ready.User.Email, "password", "a wrong password 77"); res.Status >= 500 {
		t.Errorf("many devices: got %d", res.Status)
	}
}

func TestAnUnknownPathIsAPageForPeople(t *testing.T) {
	d := signettest.Dev(t)
	for accept, want := range map[string]string{"text/html,*/*": "text/html; charset=utf-8", "*/*": "application/problem+json"} {
		res := d.Call(http.MethodGet, "/no/such/path", "", "", "Accept", accept)
		if res.Status != http.StatusNotFound || res.Header.Get("Content-Type") != want {
			t.Errorf("%s: got %d %s, want 404 %s", accept, res.Status, res.Header.Get("Content-Type"), want)
		}
	}
}

func TestGETChangesNothing(t *testing.T) {
	d := signettest.Dev(t)
	a := d.SignedIn(t)
	for _, path := range []string{"/logout", "/account/remove/password/-", "/account/security/codes", "/login/confirm", "/end_session", "/device?user_code=BCDF-GHJK", strings.TrimPrefix(d.Ready.AdminLink, d.Origin)} {
		if res := a.Get(path); res.Status != http.StatusOK {
			t.Errorf("GET %s: got %d", path, res.Status)
		}
	}
	if a.Get("/account").Status != http.StatusOK {
		t.Error("a GET signed out")
	}
	d.SignedIn(t) // the password is there still
	if res := d.Agent(t).Do(http.MethodPost, strings.TrimPrefix(d.Ready.AdminLink, d.Origin), url.Values{}); res.Status != http.StatusSeeOther {
		t.Errorf("the link after it was looked at: got %d, want 303", res.Status)
	}
}

func TestBadInputIsRefusedByAPage(t *testing.T) {
	d := signettest.Dev(t)
	in := d.SignedIn(t)
	long := strings.Repeat("x", 100_000)
	for _, c := range []struct {
		name, path string
		fields     []string
	}{
		{"no fields", "/login", nil},
		{"NUL in the address", "/login", []string{"email", "a\x00@b.c", "password", "x"}},
		{"not UTF-8", "/login", []string{"email", "\xff\xfe@b.c", "password", "\xff"}},
		{"huge password", "/login", []string{"email", d.Ready.User.Email, "password", long}},
		{"huge address", "/login/forgot", []string{"email", long + "@example.org"}},
		{"factor out of nowhere", "/login/factor", []string{"method", "totp", "code", "000000"}},
		{"factor of an odd method", "/login/factor", []string{"method", "../x", "code", long}},
		{"passkey that is no JSON", "/login/passkey", []string{"handle", "x", "response", "<xml>"}},
		{"passkey of depth", "/login/passkey", []string{"handle", "x", "response", strings.Repeat(`{"a":`, 10_000)}},
		{"unknown link", "/login/link/" + strings.Repeat("z", 43), []string{"password", "x"}},
		{"link of odd bytes", "/login/link/%ff%fe", nil},
		{"recover out of nowhere", "/login/recover", nil},
	} {
		if res := d.Agent(t).Post(c.path, c.fields...); res.Status >= 500 {
			t.Errorf("%s: got %d", c.name, res.Status)
		}
		if res := in.Post(c.path, c.fields...); res.Status >= 500 {
			t.Errorf("%s, signed in: got %d", c.name, res.Status)
		}
	}
	for _, c := range []struct {
		name, path string
		fields     []string
		want       int
	}{
		{"name of a megabyte", "/account", []string{"name", long}, 422},
		{"name that is empty", "/account", []string{"name", ""}, 422},
		{"name that turns text around", "/account", []string{"name", "x\u202ednuora"}, 422},
		{"locale that is none", "/account", []string{"name", "x", "locale", "../../x"}, 422},
		{"address that is none", "/account/addresses", []string{"email", "nonsense"}, 422},
		{"short password", "/account/security/password", []string{"password", "short"}, 422},
		{"wrong first code", "/account/security/app", []string{"code", "000000"}, 410},
		{"unknown passkey", "/account/security/passkeys/psk_x", []string{"name", "x"}, 404},
		{"unknown kind", "/account/remove/planet/earth", nil, 404},
		{"unknown token", "/account/remove/token/tok_x", nil, 404},
		{"unknown session", "/account/sessions/ses_x", nil, 404},
		{"unknown app", "/account/apps/cli_x", nil, 404},
		{"unknown device", "/device", []string{"user_code", "BBBB-BBBB"}, 404},
		{"device code that is none", "/device/decide", []string{"user_code", long, "decision", "allow"}, 404},
		{"request of nobody", "/authorize/decide", []string{"client_id", "dev", "request_uri", long, "decision", "allow"}, 400},
		{"token without a name", "/account/tokens", []string{"name", ""}, 422},
		{"token for a permission that is none", "/account/tokens", []string{"name", "x", "scope", "a:b"}, 422},
		{"passkey not begun here", "/account/security/passkeys", []string{"handle", "x", "response", "{}"}, 409},
	} {
		res := in.Post(c.path, c.fields...)
		if res.Status != c.want || !strings.Contains(string(res.Body), "<h1>") {
			t.Errorf("%s: got %d, want %d\n%.300s", c.name, res.Status, c.want, res.Body)
		}
		if c.name == "token without a name" && !strings.Contains(string(res.Body), `role="alert"`) {
			t.Error("the page does not say what was wrong")
		}
	}
}

func TestTheAccountHomeIsForItsUser(t *testing.T) {
	d := signettest.Dev(t)
	for _, path := range []string{"/account", "/account/security", "/account/sessions", "/account/tokens", "/account/activity", "/account/security/app", "/login/confirm", "/account/apps", "/device"} {
		res := d.Agent(t).Get(path)
		if want := "/login?next=" + url.QueryEscape(path); res.Status != http.StatusSeeOther || res.Header.Get("Location") != want {
			t.Errorf("%s: got %d to %q, want 303 to %q", path, res.Status, res.Header.Get("Location"), want)
		}
	}
	token := d.Ready.APIToken
	if res := d.Call(http.MethodGet, "/account", token, ""); res.Status != http.StatusSeeOther {
		t.Errorf("by API token: got %d, want 303: pages are for sessions", res.Status)
	}
}

func TestSignOutEndsTheSessionAtTheServer(t *testing.T) {
	d := signettest.Dev(t)
	a := d.SignedIn(t)
	secret := a.Cookies["__Host-signet"]
	if res := a.Post("/logout"); res.Status != http.StatusOK {
		t.Fatalf("got %d", res.Status)
	}
	copied := d.Agent(t)
	copied.Cookies["__Host-signet"] = secret
	if res := copied.Get("/account"); res.Status != http.StatusSeeOther {
		t.Errorf("a copy of the cookie: got %d, want 303 to sign in", res.Status)
	}
}
