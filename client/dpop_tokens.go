package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// renewal is how long before its end an access token is not used any more.
const renewal = 10 * time.Second

// Credentials say who asks for access tokens, and for which (RFC 6749, section 4.4).
type Credentials struct {
	TokenURL string // such as https://auth.example.org/token
	ID       string // client_id
	Secret   string // sent as HTTP Basic
	Scopes   []string
	Resource string // whom the token is for (RFC 8707); empty for what is registered
}

// AccessToken is a token that is bound to the key of a [DPoP].
type AccessToken struct {
	Text    string
	Scopes  []string // that were granted
	Expires time.Time
}

// OAuthError is a refusal by a token endpoint (RFC 6749, section 5.2).
type OAuthError struct {
	Status      int    `json:"-"`
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// Error returns what the server says.
func (e *OAuthError) Error() string {
	text := e.Code
	if e.Description != "" {
		text += ": " + e.Description
	}
	return fmt.Sprintf("%s (HTTP %d)", text, e.Status)
}

// Tokens gets access tokens for an app of its own account, by client_credentials, and keeps
// one until 10 s before its end. It is safe for concurrent use.
type Tokens struct {
	dpop        *DPoP
	credentials Credentials
	http        *http.Client

	asking chan struct{} // has room for one: many that need a token ask for one
	have   AccessToken   // held by who is in asking
}

// NewTokens returns tokens that are bound to the key of d.
func NewTokens(d *DPoP, c Credentials) *Tokens {
	return &Tokens{dpop: d, credentials: c, asking: make(chan struct{}, 1), http: &http.Client{
		Transport: d, Timeout: 30 * time.Second,
		// A redirect would carry the secret to where nobody meant it to go.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Token returns an access token that is good for 10 s at least. A refusal is an
// [*OAuthError]; where there is no answer at all, the error is [ErrUnreachable].
func (t *Tokens) Token(ctx context.Context) (AccessToken, error) {
	select {
	case t.asking <- struct{}{}:
		defer func() { <-t.asking }()
	case <-ctx.Done():
		return AccessToken{}, context.Cause(ctx)
	}
	if t.dpop.now().Before(t.have.Expires.Add(-renewal)) {
		return t.have, nil
	}
	got, err := t.ask(ctx)
	if err == nil {
		t.have = got
	}
	return got, err
}

// Client returns an HTTP client whose requests have an access token and a proof. Only
// resources that the token is for may see it: it follows no redirect.
func (t *Tokens) Client() *http.Client {
	return &http.Client{Transport: authorized{t}, Timeout: 30 * time.Second, CheckRedirect: t.http.CheckRedirect}
}

// authorized adds the access token.
type authorized struct{ *Tokens }

// RoundTrip implements [http.RoundTripper].
func (a authorized) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := a.Token(r.Context())
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // as a RoundTripper must
		}
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "DPoP "+token.Text)
	return a.dpop.RoundTrip(r)
}

func (t *Tokens) ask(ctx context.Context) (AccessToken, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(t.credentials.Scopes) > 0 {
		form.Set("scope", strings.Join(t.credentials.Scopes, " "))
	}
	if t.credentials.Resource != "" {
		form.Set("resource", t.credentials.Resource)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.credentials.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return AccessToken{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	// Each form-encoded first (RFC 6749, section 2.3.1).
	r.SetBasicAuth(url.QueryEscape(t.credentials.ID), url.QueryEscape(t.credentials.Secret))
	asked := t.dpop.now()
	res, err := t.http.Do(r)
	if err != nil {
		return AccessToken{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
	if err != nil {
		return AccessToken{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return readToken(res.StatusCode, text, asked, t.credentials.Scopes)
}

// readToken reads what a token endpoint answers (RFC 6749, sections 5.1 and 5.2).
func readToken(status int, text []byte, asked time.Time, scopes []string) (AccessToken, error) {
	if status != http.StatusOK {
		e := &OAuthError{}
		if json.Unmarshal(text, e) != nil || e.Code == "" {
			e.Code = "the answer is not of a token endpoint"
		}
		e.Status = status
		return AccessToken{}, e
	}
	var out struct {
		Text    string `json:"access_token"`
		Type    string `json:"token_type"`
		Seconds int64  `json:"expires_in"`
		Scope   string `json:"scope"`
	}
	switch {
	case json.Unmarshal(text, &out) != nil || out.Text == "" || out.Seconds <= 0:
		return AccessToken{}, errors.New("the token endpoint answered with no access token")
	case !strings.EqualFold(out.Type, "DPoP"): // RFC 9449, section 5: then it is of use to any thief
		return AccessToken{}, errors.New("the access token is not bound to the key")
	}
	if out.Scope != "" {
		scopes = strings.Fields(out.Scope)
	}
	return AccessToken{Text: out.Text, Scopes: scopes, Expires: asked.Add(time.Duration(min(out.Seconds, 1<<31)) * time.Second)}, nil
}
