package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"signet/client"
	"signet/internal/app"
	"signet/internal/audit"
)

type tryTokenCmd struct {
	ReadyFile string `required:"" help:"Ready file of the running signet dev." placeholder:"FILE" type:"path"`
}

// tried is what is asked with the token, of the server's own API.
const tried = "/api/v1/authroute/verifications?limit=1"

// Run shows what a token that is bound to a key is good for, and to whom.
func (cmd tryTokenCmd) Run(ctx context.Context, c *console) error {
	r, err := readReady(cmd.ReadyFile)
	if err != nil {
		return err
	}
	begun := time.Now()
	sent := &lastRequest{}
	own, err := newProver(sent)
	if err != nil {
		return err
	}
	tokens := client.NewTokens(own, client.Credentials{
		TokenURL: r.OAuth.Issuer + "/token", ID: r.OAuth.DPoPClientID, Secret: r.OAuth.DPoPClientSecret,
		Scopes: []string{"authroute:read"}, Resource: r.OAuth.Issuer,
	})
	got, err := tokens.Token(ctx)
	if err != nil {
		return err
	}
	jkt, err := jktOf(got.Text)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s got a token of type DPoP\n  cnf.jkt       %s\n  the app's key %s\n\n", r.OAuth.DPoPClientID, jkt, own.Thumbprint())
	if jkt != own.Thumbprint() {
		return errors.New("the token is bound to another key than the app's")
	}
	thief, err := newProver(http.DefaultTransport)
	if err != nil {
		return err
	}
	for _, try := range []struct {
		what, want string
		send       func() (*http.Response, error)
	}{
		{"the token with a proof", "200", func() (*http.Response, error) { return get(ctx, tokens.Client(), r.Public, "", "") }},
		{"the same proof again", "401 invalid_dpop_proof", func() (*http.Response, error) {
			return get(ctx, http.DefaultClient, r.Public, "DPoP "+got.Text, sent.proof)
		}},
		{"the token as Bearer", "401 invalid_token", func() (*http.Response, error) {
			return get(ctx, http.DefaultClient, r.Public, "Bearer "+got.Text, "")
		}},
		{"the token and another key", "401 invalid_token", func() (*http.Response, error) {
			return get(ctx, &http.Client{Transport: thief}, r.Public, "DPoP "+got.Text, "")
		}},
	} {
		answer, err := shortly(try.send())
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%-28s %s\n", try.what, answer)
		if answer != try.want {
			return fmt.Errorf("%s: got %s, want %s", try.what, answer, try.want)
		}
	}
	return showReplay(ctx, c, r, begun)
}

// newProver returns a transport over base that proves a key of its own.
func newProver(base http.RoundTripper) (*client.DPoP, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return client.NewDPoP(key, base)
}

// lastRequest is a transport that keeps the proof of the last request.
type lastRequest struct{ proof string }

// RoundTrip implements [http.RoundTripper].
func (l *lastRequest) RoundTrip(r *http.Request) (*http.Response, error) {
	l.proof = r.Header.Get("DPoP")
	return http.DefaultTransport.RoundTrip(r)
}

// jktOf returns the thumbprint that an access token is bound to (RFC 9449, section 6.1).
// Only its resource has to verify it.
func jktOf(accessToken string) (string, error) {
	parts := strings.Split(accessToken, ".")
	if len(parts) != 3 {
		return "", errors.New("the access token is no JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	var claims struct {
		Confirm struct {
			JKT string `json:"jkt"`
		} `json:"cnf"`
	}
	return claims.Confirm.JKT, json.Unmarshal(payload, &claims)
}

// get asks the server's API. Headers that are empty are not sent.
func get(ctx context.Context, c *http.Client, origin, authorization, proof string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, origin+tried, nil)
	if err != nil {
		return nil, err
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if proof != "" {
		r.Header.Set("DPoP", proof)
	}
	return c.Do(r)
}

// shortly is an answer in short: its status, and the error of its challenge.
func shortly(res *http.Response, err error) (string, error) {
	if err != nil {
		return "", fmt.Errorf("%w: %w", client.ErrUnreachable, err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body) // so that the connection can be used again
	text := fmt.Sprint(res.StatusCode)
	if _, after, ok := strings.Cut(res.Header.Get("WWW-Authenticate"), `error="`); ok {
		code, _, _ := strings.Cut(after, `"`)
		text += " " + code
	}
	return text, nil
}

// showReplay shows what the audit log has of the proof that came again.
func showReplay(ctx context.Context, c *console, r app.Ready, since time.Time) error {
	return store{Data: r.Data}.with(ctx, c, func(ctx context.Context, a *app.App) error {
		rows, _, err := a.Audit.List(ctx, audit.Filter{Action: "authority.dpop.replay", Since: since.Add(-time.Second), Limit: 1}, "")
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return errors.New("the replay is not in the audit log")
		}
		e := rows[0]
		return said(c, nil, "\nThe audit log has the proof that came again:\n%s  %s  %s  %s", e.Time.UTC().Format(time.RFC3339), e.Action, e.Target, e.Outcome)
	})
}
