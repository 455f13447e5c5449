// Package client talks to a Signet server: mail keys ([Client]), objects ([Client.S3]), and
// access tokens that are bound to a key ([DPoP], [Tokens]).
//
// Objects are spoken of by aws-sdk-go-v2; the rest uses the standard library alone.
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

	"github.com/aws/aws-sdk-go-v2/aws"
)

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 16 << 20

// Client calls one server as one caller. It is safe for concurrent use.
type Client struct {
	origin string
	token  string
	region string
	keys   aws.Credentials
	http   *http.Client
}

// Option says as whom a client calls.
type Option func(*Client)

// WithToken authenticates with a personal API token (sgt_...). An empty one makes calls
// that need none.
func WithToken(token string) Option { return func(c *Client) { c.token = token } }

// New returns a client of the server at origin, such as https://auth.example.org; for
// [Client.S3], of its S3 listener, such as https://s3.example.org.
func New(origin string, options ...Option) (*Client, error) {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("%q is not the origin of a server (try https://auth.example.org)", origin)
	}
	c := &Client{
		origin: u.Scheme + "://" + u.Host,
		region: usualRegion,
		http: &http.Client{
			Timeout: 30 * time.Second,
			// A redirect would carry the token to where nobody meant it to go.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	for _, o := range options {
		o(c)
	}
	return c, nil
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
