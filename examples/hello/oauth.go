package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	signet "signet/client"
	"signet/resource"
)

// errDenied means that the user did not let the app in.
var errDenied = errors.New("access was denied")

// oauth signs in by OAuth 2.0 and OpenID Connect. Its access tokens are bound to a key
// that never leaves this process (DPoP, RFC 9449): who reads one in a log cannot use it.
type oauth struct {
	config

	guard *resource.Guard
	dpop  *signet.DPoP
	http  *http.Client // proves the key with each request, and follows no redirect
}

func newOAuth(c config, guard *resource.Guard) (*oauth, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	dpop, err := signet.NewDPoP(key, nil)
	if err != nil {
		return nil, err
	}
	return &oauth{c, guard, dpop, &http.Client{Transport: dpop, Timeout: client.Timeout, CheckRedirect: client.CheckRedirect}}, nil
}

// begin implements door. The code will be of use with this process's key only
// (RFC 9449, section 10).
func (o *oauth) begin(verifier, locale string) string {
	to := url.Values{
		"response_type": {"code"}, "client_id": {o.clientID}, "redirect_uri": {o.callback()}, "scope": {"openid profile"},
		"code_challenge": {challenge(verifier)}, "code_challenge_method": {"S256"}, "state": {stateOf(verifier)}, "dpop_jkt": {o.dpop.Thumbprint()},
	}
	if locale != "" {
		to.Set("ui_locales", locale)
	}
	return o.signet + "/authorize?" + to.Encode()
}

func (o *oauth) callback() string { return o.origin + "/callback" }

// stateOf ties the answer to the browser that has the verifier.
func stateOf(verifier string) string { return challenge("state of " + verifier) }

// finish implements door.
func (o *oauth) finish(r *http.Request, verifier string) (session, error) {
	q := r.URL.Query()
	switch {
	case q.Get("iss") != o.issuer: // of an app with several: the answer of another one (RFC 9207)
		return session{}, errCode
	case subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(stateOf(verifier))) != 1:
		return session{}, errCode
	case q.Get("error") == "access_denied":
		return session{}, errDenied
	case q.Has("error"):
		return session{}, fmt.Errorf("authorize: Signet answered %q", q.Get("error"))
	}
	token, err := o.exchange(r.Context(), q.Get("code"), verifier)
	if err != nil {
		return session{}, err
	}
	c, err := o.guard.Access(r.Context(), token)
	if err != nil {
		return session{}, err
	}
	if c.Client != o.clientID || c.JKT != o.dpop.Thumbprint() {
		return session{}, errors.New("the access token is another client's, or bound to another key")
	}
	name, err := o.name(r.Context(), token)
	return session{
		User: c.Subject, Name: name, Account: c.Account, Permissions: c.Permissions,
		AMR: c.AMR, ACR: c.ACR, AuthTime: c.AuthTime, sid: c.Session,
	}, err
}

// exchange gives Signet the code for an access token. It is good for five minutes: what
// this app needs of it, it keeps in its own session.
func (o *oauth) exchange(ctx context.Context, code, verifier string) (token string, err error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {o.callback()}, "code_verifier": {verifier}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.signet+"/token", strings.NewReader(form.Encode())) //nolint:gosec // the operator named the address
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(o.clientID), url.QueryEscape(o.secret))
	var out struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
	}
	if err := o.ask(req, &out); err != nil {
		return "", err
	}
	if out.TokenType != "DPoP" {
		return "", errors.New("the access token is not bound to this app's key")
	}
	return out.AccessToken, nil
}

// name asks Signet what the user is called, with the token and a proof for it.
func (o *oauth) name(ctx context.Context, token string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.signet+"/userinfo", http.NoBody) //nolint:gosec // the operator named the address
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "DPoP "+token)
	var out struct {
		Name string `json:"name"`
	}
	return out.Name, o.ask(req, &out)
}

// ask sends a request and reads its answer. A code or verifier that Signet does not
// take is errCode.
func (o *oauth) ask(req *http.Request, out any) error {
	res, err := o.http.Do(req) //nolint:gosec // the operator named the address
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return err
	}
	if res.StatusCode == http.StatusOK {
		return json.Unmarshal(body, out)
	}
	var refusal struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &refusal) // what it was is said below either way
	if refusal.Error == "invalid_grant" {
		return errCode
	}
	return fmt.Errorf("%s: Signet answered %s %q", req.URL.Path, res.Status, refusal.Error)
}
