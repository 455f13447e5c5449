package boundary_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	signettest "signet/test/signet"
)

const callback = "http://127.0.0.1:49152/callback"

// asks is a request at /authorize as a client makes it, with what is said instead:
// pairs, where an empty value leaves a parameter out.
func asks(client string, instead ...string) url.Values {
	q := url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {callback}, "scope": {"openid profile"}, "state": {"st&te=1"},
		"code_challenge": {strings.Repeat("A", 43)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(instead); i += 2 {
		q.Set(instead[i], instead[i+1])
		if instead[i+1] == "" {
			q.Del(instead[i])
		}
	}
	return q
}

// at returns what a redirect brings to the client; the test ends where it leads elsewhere.
func at(t *testing.T, res signettest.Answer) url.Values {
	t.Helper()
	to := res.Header.Get("Location")
	if to == "" {
		_, to, _ = strings.Cut(res.Header.Get("Refresh"), "url=")
	}
	query, ok := strings.CutPrefix(to, callback+"?")
	if !ok {
		t.Fatalf("got %d to %q, want the client\n%.500s", res.Status, to, res.Body)
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// begun returns the address of a request of dev-public, which asks for consent.
func begun(t *testing.T, a *signettest.Agent, q url.Values) *url.URL {
	t.Helper()
	res := a.Get("/authorize?" + q.Encode())
	u, err := url.Parse(res.Header.Get("Location"))
	if err != nil || u.Path != "/authorize" {
		t.Fatalf("got %d to %q, want the page of the request", res.Status, u)
	}
	return u
}

func TestRequestsThatNameNoPlaceOfTheClientsEndAtAPage(t *testing.T) {
	d := signettest.Dev(t)
	public := d.Ready.OAuth.PublicClientID
	foreign := begun(t, d.SignedIn(t), asks(public)).Query().Get("request_uri")
	for name, query := range map[string]string{
		"unknown client":                asks("cli_nobody").Encode(),
		"no client":                     asks("").Encode(),
		"redirect not registered":       asks(public, "redirect_uri", "https://evil.example/callback").Encode(),
		"redirect of another path":      asks(public, "redirect_uri", callback+"/x").Encode(),
		"redirect with a user":          asks(public, "redirect_uri", "http://127.0.0.1:80@evil.example/callback").Encode(),
		"no redirect":                   asks(public, "redirect_uri", "").Encode(),
		"duplicated parameter":          asks(public).Encode() + "&state=other",
		"duplicated redirect":           asks(public).Encode() + "&redirect_uri=" + url.QueryEscape("https://evil.example/"),
		"query that cannot be read":     asks(public).Encode() + "&x=%zz",
		"request_uri of another client": url.Values{"client_id": {d.Ready.OAuth.ClientID}, "request_uri": {foreign}}.Encode(),
		"request_uri made up":           url.Values{"client_id": {public}, "request_uri": {"urn:ietf:params:oauth:request_uri:" + strings.Repeat("A", 43)}}.Encode(),
		"request_uri of the web":        url.Values{"client_id": {public}, "request_uri": {"https://evil.example/request"}}.Encode(),
	} {
		for who, a := range map[string]*signettest.Agent{"signed in": d.SignedIn(t), "signed out": d.Agent(t)} {
			res := a.Get("/authorize?" + query)
			if res.Status < 400 || res.Status >= 500 || res.Header.Get("Location") != "" || res.Header.Get("Refresh") != "" || !strings.Contains(string(res.Body), "<h1>") {
				t.Errorf("%s, %s: got %d to %q, want a page\n%.300s", name, who, res.Status, res.Header.Get("Location"), res.Body)
			}
			if h := res.Header.Get("Cache-Control"); h != "no-store" {
				t.Errorf("%s: Cache-Control %q", name, h)
			}
		}
	}
}

func TestRefusedRequestsGoBackToTheClient(t *testing.T) {
	d := signettest.Dev(t)
	a := d.SignedIn(t)
	for _, c := range []struct {
		name    string
		instead []string
		want    string
	}{
		{"no PKCE", []string{"code_challenge", "", "code_challenge_method", ""}, "invalid_request"},
		{"plain PKCE", []string{"code_challenge_method", "plain"}, "invalid_request"},
		{"PKCE that is plain by default", []string{"code_challenge_method", ""}, "invalid_request"},
		{"challenge that is none", []string{"code_challenge", "short"}, "invalid_request"},
		{"dpop_jkt malformed", []string{"dpop_jkt", "nonsense"}, "invalid_request"},
		{"implicit", []string{"response_type", "token"}, "unsupported_response_type"},
		{"no response_type", []string{"response_type", ""}, "invalid_request"},
		{"form_post", []string{"response_mode", "form_post"}, "invalid_request"},
		{"scope that is not the client's", []string{"scope", "openid oauth:keys"}, "invalid_scope"},
		{"resource that is not the client's", []string{"resource", "https://other.example"}, "invalid_target"},
		{"request object", []string{"request", "e30.e30."}, "invalid_request"},
		{"none beside another prompt", []string{"prompt", "none login"}, "invalid_request"},
		{"max_age that is none", []string{"max_age", "-1"}, "invalid_request"},
		{"nobody agreed, and none may be asked", []string{"prompt", "none"}, "consent_required"},
		{"too old, and nobody may be asked", []string{"prompt", "none", "max_age", "0"}, "login_required"},
		{"too weak, and nobody may be asked", []string{"prompt", "none", "acr_values", "urn:signet:2"}, "login_required"},
	} {
		res := a.Get("/authorize?" + asks(d.Ready.OAuth.PublicClientID, c.instead...).Encode())
		q := at(t, res)
		if q.Get("error") != c.want || q.Get("state") != "st&te=1" || q.Get("iss") != d.Origin || q.Has("code") || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %v, want %s with state and iss", c.name, q, c.want)
		}
	}
	q := at(t, d.Agent(t).Get("/authorize?"+asks(d.Ready.OAuth.ClientID, "prompt", "none").Encode()))
	if q.Get("error") != "login_required" {
		t.Errorf("nobody signed in, and nobody may be asked: got %v", q)
	}
}

func TestARequestIsGrantedOnce(t *testing.T) {
	d := signettest.Dev(t)
	a := d.SignedIn(t)
	page := begun(t, a, asks(d.Ready.OAuth.PublicClientID))
	fields := []string{"client_id", page.Query().Get("client_id"), "request_uri", page.Query().Get("request_uri"), "decision", "allow"}

	if q := at(t, a.Post("/authorize/decide", append(fields, "state", "tampered", "scope", "mail:send", "redirect_uri", "https://evil.example/")...)); q.Get("state") != "st&te=1" || q.Get("code") == "" || q.Get("iss") != d.Origin {
		t.Errorf("a form with more than it had: got %v, want what the client asked", q)
	}
	for name, res := range map[string]signettest.Answer{
		"used request_uri": a.Get(page.String()), "form that is sent again": a.Post("/authorize/decide", fields...),
	} {
		if res.Status != http.StatusBadRequest || res.Header.Get("Refresh") != "" {
			t.Errorf("%s: got %d, want 400", name, res.Status)
		}
	}
	if res := a.Get(begun(t, a, asks(d.Ready.OAuth.PublicClientID, "prompt", "consent")).String() + "&state=tampered"); strings.Contains(string(res.Body), "tampered") || res.Status != http.StatusBadRequest && res.Status != http.StatusOK {
		t.Errorf("an address with another state: got %d", res.Status)
	}
	begun(t, a, asks(d.Ready.OAuth.PublicClientID, "scope", "openid")) // on a loopback address anybody can be a public app
}

func TestAnAppMayAskByAFormOfItsOwn(t *testing.T) {
	d := signettest.Dev(t)
	a := d.SignedIn(t)
	foreign := []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example.org"}
	res := a.Do(http.MethodPost, "/authorize", asks(d.Ready.OAuth.ClientID), foreign...)
	to := res.Header.Get("Location")
	if res.Status != http.StatusSeeOther || !strings.HasPrefix(to, "/authorize?client_id=") || strings.Contains(to, "code=") {
		t.Fatalf("POST: got %d to %q, want the page of the request", res.Status, to)
	}
	if q := at(t, a.Get(to)); q.Get("code") == "" {
		t.Errorf("then: got %v, want a code", q)
	}
	for _, path := range []string{"/authorize/decide", "/device", "/device/decide", "/end_session/confirm", "/account/apps/dev"} {
		if res := a.Do(http.MethodPost, path, url.Values{"decision": {"allow"}}, foreign...); res.Status != http.StatusForbidden {
			t.Errorf("POST %s: got %d, want 403", path, res.Status)
		}
	}
	if res := a.Do(http.MethodPost, "/end_session", url.Values{"x": {"1"}}, foreign...); res.Status != http.StatusSeeOther || a.Get("/account").Status != http.StatusOK {
		t.Errorf("POST /end_session: got %d, want the page that asks, and nobody signed out", res.Status)
	}
}

func TestDeviceCodesCannotBeGuessed(t *testing.T) {
	d := signettest.Dev(t)
	form := url.Values{"client_id": {d.Ready.OAuth.PublicClientID}, "scope": {"openid"}}
	var device struct {
		UserCode string `json:"user_code"`
		URI      string `json:"verification_uri"`
	}
	d.Call(http.MethodPost, "/device_authorization", "", form.Encode(), "Content-Type", "application/x-www-form-urlencoded").JSON(t, &device)
	if device.URI != d.Origin+"/device" {
		t.Errorf("verification_uri: got %q: no link has the code", device.URI)
	}
	a := d.SignedIn(t)
	if res := a.Get("/device?user_code=" + device.UserCode); strings.Contains(string(res.Body), "decision") {
		t.Error("a link leads past the typing of the code")
	}
	refused := 0
	for i := range 11 {
		path := []string{"/device", "/device/decide"}[i%2] // they share what may go wrong
		switch res := a.Post(path, "user_code", "BBBB-BBBB", "decision", "allow"); res.Status {
		case http.StatusNotFound:
		case http.StatusTooManyRequests:
			refused++
		default:
			t.Errorf("wrong code: got %d", res.Status)
		}
	}
	if refused != 1 {
		t.Errorf("%d of 11 wrong codes were refused unread, want 1", refused)
	}
	if res := a.Post("/device", "user_code", device.UserCode); res.Status != http.StatusTooManyRequests {
		t.Errorf("the right one meanwhile: got %d, want 429", res.Status)
	}
	if res := d.Agent(t).Post("/device/decide", "user_code", device.UserCode, "decision", "allow"); res.Header.Get("Location") != "/login?next=%2Fdevice" {
		t.Errorf("nobody signed in: got %d to %q", res.Status, res.Header.Get("Location"))
	}
}

func TestNobodyIsSignedOutToAStrangePlace(t *testing.T) {
	d := signettest.Dev(t)
	a := d.SignedIn(t)
	for name, q := range map[string]url.Values{
		"address of nobody":             {"post_logout_redirect_uri": {"https://evil.example/"}},
		"address that is not the app's": {"client_id": {d.Ready.OAuth.ClientID}, "post_logout_redirect_uri": {"https://evil.example/"}},
		"sign-in address of the app":    {"client_id": {d.Ready.OAuth.ClientID}, "post_logout_redirect_uri": {callback}},
		"unknown app":                   {"client_id": {"cli_nobody"}},
		"hint that is none":             {"id_token_hint": {"nonsense"}},
		"hint without a signature":      {"id_token_hint": {"eyJhbGciOiJub25lIiwidHlwIjoiSldUIiwia2lkIjoiIn0.e30."}},
		"duplicated":                    {"client_id": {d.Ready.OAuth.ClientID, d.Ready.OAuth.ClientID}},
	} {
		for path, res := range map[string]signettest.Answer{
			"GET": a.Get("/end_session?" + q.Encode()), "POST": a.Do(http.MethodPost, "/end_session", q), "confirmed": a.Do(http.MethodPost, "/end_session/confirm", q),
		} {
			if res.Status < 400 || res.Status >= 500 || res.Header.Get("Location")+res.Header.Get("Refresh") != "" {
				t.Errorf("%s, %s: got %d to %q", name, path, res.Status, res.Header.Get("Location"))
			}
		}
	}
	res := a.Get("/end_session")
	if res.Status != http.StatusOK || !regexp.MustCompile(`action="/end_session/confirm"`).Match(res.Body) || a.Get("/account").Status != http.StatusOK {
		t.Errorf("without a hint: got %d, want a page that asks", res.Status)
	}
}
