package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"signet/resource"
)

// errCode means that the code was used, is too old, or is not this browser's.
var errCode = errors.New("the code gives nothing")

// client talks to Signet. It follows no redirect: the secret must go nowhere else.
var client = &http.Client{
	Timeout:       10 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// handoff signs in by Signet's own short way: a one-time code, redeemed by one request.
type handoff struct {
	config

	guard *resource.Guard
}

// begin implements door.
func (a handoff) begin(verifier, locale string) string {
	to := url.Values{"client_id": {a.clientID}, "next": {a.origin + "/callback"}, "challenge": {challenge(verifier)}}
	if locale != "" {
		to.Set("locale", locale)
	}
	return a.signet + "/login?" + to.Encode()
}

// finish implements door: it redeems the code.
func (a handoff) finish(r *http.Request, verifier string) (session, error) {
	token, roles, err := a.redeem(r.Context(), r.FormValue("nonce"), verifier)
	if err != nil {
		return session{}, err
	}
	c, err := a.guard.Access(r.Context(), token)
	if err != nil {
		return session{}, err
	}
	if c.Session == "" {
		return session{}, errors.New("the access token is of no session")
	}
	if c.Client != a.clientID {
		return session{}, errors.New("the access token is another client's")
	}
	return session{
		User: c.Subject, Account: c.Account, Roles: roles, Permissions: c.Permissions,
		AMR: c.AMR, ACR: c.ACR, AuthTime: c.AuthTime, sid: c.Session,
	}, nil
}

// redeem gives Signet the code, the verifier and this app's secret for an access token.
// It is good for five minutes: what this app needs of it, it keeps in its own session.
func (a handoff) redeem(ctx context.Context, code, verifier string) (token string, roles []string, err error) {
	body, err := json.Marshal(map[string]string{"nonce": code, "verifier": verifier})
	if err != nil {
		return "", nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.signet+"/handoff/redeem", bytes.NewReader(body))
	if err != nil {
		return "", nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	// Each form-encoded first (RFC 6749, section 2.3.1).
	req.SetBasicAuth(url.QueryEscape(a.clientID), url.QueryEscape(a.secret))
	res, err := client.Do(req)
	if err != nil {
		return "", nil, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusBadRequest:
		return "", nil, errCode
	default: // 401 is a wrong secret: the operator's to repair, not the user's
		return "", nil, fmt.Errorf("redeem: Signet answered %s", res.Status)
	}
	var out struct {
		AccessToken string   `json:"access_token"`
		Roles       []string `json:"roles"`
	}
	err = json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&out)
	return out.AccessToken, out.Roles, err
}
