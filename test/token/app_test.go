package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"signet/client"
	"signet/resource"
	signettest "signet/test/signet"
)

// newResource starts a small app of somebody else, which has its users and programs
// proven by Signet: notes are for all of them, payments need who signed in just now.
func newResource(t *testing.T, issuer string) (origin string) {
	t.Helper()
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	guard, err := resource.Protect(issuer, issuer, resource.Origin(s.URL), resource.Nonces([32]byte{1}, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := resource.From(r.Context())
		_, _ = io.WriteString(w, c.Client) // the test sees what came
	})
	mux.Handle("POST /notes", guard.Handler(who))
	mux.Handle("POST /mails", guard.Handler(who, resource.RequireScope("mail:send")))
	mux.Handle("POST /payments", guard.Handler(who, resource.RequireFresh(5*time.Minute)))
	mux.Handle("POST /keys", guard.Handler(who, resource.RequireFresh(5*time.Minute, "phr")))
	return s.URL
}

func TestAppOfSomebodyElseIsProtected(t *testing.T) {
	t.Parallel()
	d := signettest.Dev(t)
	app := newResource(t, d.Ready.OAuth.Issuer)
	c := newCaller(t, &http.Transport{})
	bearer := c.post(d.Origin+"/token", own(), basic(d.Ready.OAuth.ClientID, d.Ready.OAuth.ClientSecret)...).Access
	bound, proving := byGo(t, d)
	person := signedIn(t, d, c)
	for name, test := range map[string]struct {
		send func(path string) answer
		path string
		want int
		how  string // in WWW-Authenticate
	}{
		"nothing":                               {with(c, app), "/notes", http.StatusUnauthorized, "DPoP algs="},
		"a bearer token":                        {with(c, app, "Authorization", "Bearer "+bearer), "/notes", http.StatusOK, ""},
		"a bearer token without the scope":      {with(c, app, "Authorization", "Bearer "+person), "/mails", http.StatusForbidden, "insufficient_scope"},
		"a forged token":                        {with(c, app, "Authorization", "Bearer "+forge(bearer)), "/notes", http.StatusUnauthorized, "invalid_token"},
		"a bound token with proofs":             {with(proving, app), "/notes", http.StatusOK, ""},
		"a bound token as Bearer":               {with(c, app, "Authorization", "Bearer "+bound), "/notes", http.StatusUnauthorized, "invalid_token"},
		"a bound token without proof":           {with(c, app, "Authorization", "DPoP "+bound), "/notes", http.StatusUnauthorized, "invalid_dpop_proof"},
		"nobody's token where one must be here": {with(c, app, "Authorization", "Bearer "+bearer), "/payments", http.StatusUnauthorized, `insufficient_user_authentication`},
		"who has just signed in":                {with(c, app, "Authorization", "Bearer "+person), "/payments", http.StatusOK, ""},
		"who signed in without a passkey":       {with(c, app, "Authorization", "Bearer "+person), "/keys", http.StatusUnauthorized, `acr_values="phr"`},
	} {
		t.Run(name, func(t *testing.T) {
			a := test.send(test.path)
			if a.Status != test.want || !strings.Contains(strings.Join(a.Header.Values("WWW-Authenticate"), "\n"), test.how) {
				t.Errorf("got %d %v %s, want %d %s", a.Status, a.Header.Values("WWW-Authenticate"), a.Body, test.want, test.how)
			}
		})
	}
}

// with returns how a caller sends an empty form to an app.
func with(c caller, origin string, headers ...string) func(path string) answer {
	return func(path string) answer { return c.post(origin+path, url.Values{}, headers...) }
}

// byGo returns a bound token, and a caller that is the Go package client: it proves its
// key at each request and heeds the nonces of both servers.
func byGo(t *testing.T, d *signettest.DevInstance) (bound string, proving caller) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := client.NewDPoP(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	tokens := client.NewTokens(transport, client.Credentials{
		TokenURL: d.Origin + "/token", ID: d.Ready.OAuth.DPoPClientID, Secret: d.Ready.OAuth.DPoPClientSecret,
	})
	token, err := tokens.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token.Text, caller{t, tokens.Client()}
}

// signedIn returns an access token of the seeded user, who has signed in by password.
func signedIn(t *testing.T, d *signettest.DevInstance, c caller) string {
	t.Helper()
	const verifier, redirect = "a-verifier-that-is-long-enough-for-rfc-7636", "http://127.0.0.1:4711/callback"
	sum := sha256.Sum256([]byte(verifier))
	at := &url.URL{Path: "/authorize", RawQuery: url.Values{
		"response_type": {"code"}, "client_id": {d.Ready.OAuth.ClientID}, "redirect_uri": {redirect}, "scope": {"openid"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}.Encode()}
	end, err := (&person{Agent: d.SignedIn(t)}).visit(at)
	if err != nil {
		t.Fatal(err)
	}
	back, err := url.Parse(end)
	if err != nil {
		t.Fatal(err)
	}
	a := c.post(d.Origin+"/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier},
	}, basic(d.Ready.OAuth.ClientID, d.Ready.OAuth.ClientSecret)...)
	if a.Status != http.StatusOK {
		t.Fatalf("code: got %d %s", a.Status, a.Body)
	}
	return a.Access
}
