package app

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"signet/internal/db"
	"signet/internal/once"
	"signet/internal/token"
)

const stsVerifier = "a-verifier-of-the-app-that-is-long-enough-to-be-one"

// tokens gives access tokens of the signed-in user, for a resource.
type tokens struct {
	t          *testing.T
	oauth      *token.OAuth
	mux        *http.ServeMux
	client     token.Client
	secret     string
	user, from string // id of the session
}

func newTokens(t *testing.T, a *App, user, session string) *tokens {
	t.Helper()
	guard := once.New(a.DB, once.NewMemory(), nil, a.spaces()...)
	oauth, err := a.oauth(t.Context(), guard)
	if err != nil {
		t.Fatal(err)
	}
	c, secret, err := a.Clients.Create(a.AsOperator(t.Context()), token.NewClient{
		Name: "App", Redirects: []string{"https://app.example.org/cb"}, Scopes: []string{"openid", "objects"}, Consent: token.ConsentNever,
		Grants: []string{token.GrantCode}, Audiences: []string{a.Config.ObjectsOrigin(), "https://other.example.org"},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	token.OAuthRoutes(mux, oauth)
	return &tokens{t, oauth, mux, c, secret, user, session}
}

// get signs the app in for a resource and returns its access token.
func (k *tokens) get(resource, scope string) string {
	k.t.Helper()
	sum := sha256.Sum256([]byte(stsVerifier))
	asked, err := k.oauth.Begin(k.t.Context(), url.Values{
		"client_id": {k.client.ID}, "response_type": {"code"}, "redirect_uri": {"https://app.example.org/cb"}, "scope": {scope}, "resource": {resource},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	})
	if err != nil {
		k.t.Fatal(err)
	}
	to, err := k.oauth.Grant(k.t.Context(), asked, k.user, k.from, false)
	if err != nil {
		k.t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil {
		k.t.Fatal(err)
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {u.Query().Get("code")}, "redirect_uri": {"https://app.example.org/cb"}, "code_verifier": {stsVerifier}}
	r := httptest.NewRequestWithContext(k.t.Context(), http.MethodPost, "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(k.client.ID, k.secret)
	w := httptest.NewRecorder()
	k.mux.ServeHTTP(w, r)
	var out struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out.Access == "" {
		k.t.Fatalf("no token: %d %s", w.Code, w.Body)
	}
	return out.Access
}

// temporary is what STS answered.
type temporary struct {
	Code string `xml:"Error>Code"`
	ID   string `xml:"AssumeRoleWithWebIdentityResult>Credentials>AccessKeyId"`
	// Token is what goes along with each request.
	Token string `xml:"AssumeRoleWithWebIdentityResult>Credentials>SessionToken"`
}

func TestAccessTokenOpensTheS3APIUntilItsSessionEnds(t *testing.T) {
	a, check, r, seen := signedIn(t)
	check.ServeHTTP(httptest.NewRecorder(), r)
	person := seen()
	k := newTokens(t, a, person.Subject, person.Session)
	sts, err := a.newSTS(k.oauth)
	if err != nil {
		t.Fatal(err)
	}
	assume := func(value string) (out temporary) {
		t.Helper()
		form := url.Values{
			"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {"arn:aws:iam::" + person.Account + ":role/self"},
			"RoleSessionName": {"laptop"}, "WebIdentityToken": {value},
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		sts.ServeHTTP(w, r)
		if err := xml.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	signs := func(made temporary) bool {
		t.Helper()
		cred, err := a.ObjectKeys.Lookup(t.Context(), made.ID, made.Token)
		if err != nil {
			t.Fatal(err)
		}
		return cred != nil
	}
	here := a.Config.ObjectsOrigin()
	if got := assume(k.get("https://other.example.org", "openid objects")); got.Code != "InvalidIdentityToken" {
		t.Errorf("a token for others: got %+v", got)
	}
	if got := assume(k.get(here, "openid")); got.Code != "AccessDenied" {
		t.Errorf("a token without the scope: got %+v", got)
	}
	made := assume(k.get(here, "openid objects"))
	if made.Code != "" || !signs(made) {
		t.Fatalf("a token for the S3 API: got %+v, or its keys do not sign", made)
	}
	if err := a.DB.Update(t.Context(), func(tx *db.Tx) error { return a.Sessions.CloseUser(t.Context(), tx, person.Subject) }); err != nil {
		t.Fatal(err)
	}
	if signs(made) {
		t.Error("the keys sign after the session has ended")
	}
}

func TestRolesOfTheConfigurationAreCheckedAtTheStart(t *testing.T) {
	a, _, _ := seeded(t)
	role := a.Config.Objects.Roles["ci"]
	role.Account, role.Issuer, role.Audience, role.Subject, role.Grants = "system", "https://ci.example.org", "x", "*", []string{"files:own"}
	a.Config.Objects.Roles["ci"] = role
	if _, err := a.newSTS(nil); err == nil || !strings.Contains(err.Error(), "objects.roles.ci.grants") {
		t.Errorf("got %v, want it to name the key", err)
	}
}
