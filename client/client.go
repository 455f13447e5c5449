// Package client talks to a Signet server: mail keys, and access tokens that are bound to a
// key ([DPoP], [Tokens]).
//
// It uses the standard library and this module's public packages alone.
package client

import (
	"bytes"
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

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 16 << 20

// Client calls one server as one caller. It is safe for concurrent use.
type Client struct {
	origin string
	token  string
	http   *http.Client
}

// New returns a client of the server at origin, such as https://auth.example.org,
// that authenticates with a personal API token (sgt_...). An empty token makes
// calls that need none.
func New(origin, token string) (*Client, error) {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("%q is not the origin of a server (try https://auth.example.org)", origin)
	}
	return &Client{
		origin: u.Scheme + "://" + u.Host,
		token:  token,
		http: &http.Client{
			Timeout: 30 * time.Second,
			// A redirect would carry the token to where nobody meant it to go.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Error is a refusal by the server (RFC 9457).
type Error struct {
	Type      string `json:"type"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Field     string `json:"field"`
	RequestID string `json:"request_id"`
}

// Error returns what the server says.
func (e *Error) Error() string {
	text := e.Detail
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	return fmt.Sprintf("%s (HTTP %d)", text, e.Status)
}

// ErrUnreachable wraps every failure to get an answer at all.
var ErrUnreachable = errors.New("server cannot be reached")

// do sends body as JSON, where there is one, and reads the answer into out, where
// there is one.
func (c *Client) do(ctx context.Context, method, path string, body, out any) error {
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.origin+path, reader)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return refusal(res, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

func refusal(res *http.Response, answer []byte) error {
	e := &Error{Status: res.StatusCode}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json") || json.Unmarshal(answer, e) != nil {
		e.Detail = "the answer is not of a Signet server: " + res.Status
	}
	return e
}
