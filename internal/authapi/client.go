package authapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"signet/internal/fault"
)

const maxAnswer = 1 << 20 // bytes

// errAway says that account cannot be asked. It is what a client may see of it.
var errAway = fault.New(fault.Unavailable, "sign-in is away for a moment: try again")

// Client asks an account service over HTTP. It is safe for concurrent use.
type Client struct {
	base string
	key  string
	http *http.Client
}

var _ Service = (*Client)(nil)

// NewClient returns a client of the internal listener at base, such as
// http://10.0.0.5:8090, that proves itself by a service key (sgs_...) with auth:login
// and auth:oauth. The HTTP client bounds the time of a call.
func NewClient(base, key string, h *http.Client) *Client {
	return &Client{base: strings.TrimSuffix(base, "/"), key: key, http: h}
}

// call posts in, and reads the answer into out unless it is nil.
func (c *Client) call(ctx context.Context, path string, in, out any) error {
	return c.send(ctx, http.MethodPost, path, in, out)
}

func (c *Client) send(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body)) //nolint:gosec // the operator named the address
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Api-Key", c.key)
	if t := accessToken(ctx); t != "" {
		r.Header.Set("Authorization", "Bearer "+t)
	}
	res, err := c.http.Do(r) //nolint:gosec // as above
	if err != nil {
		return fmt.Errorf("ask account: %w", errAway.Because("account is not reached"))
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("ask account: %w", errAway.Because("account ended its answer early"))
	case res.StatusCode >= http.StatusBadRequest:
		return refusalOf(res, text)
	case out == nil:
		return nil
	}
	return json.Unmarshal(text, out)
}

// refusalOf returns the error that an answer stands for, as the service returned it.
func refusalOf(res *http.Response, text []byte) error {
	var mfa MFARequired
	if json.Unmarshal(text, &mfa) == nil && mfa.Word == "mfa_required" {
		return &mfa
	}
	var p struct{ Type, Detail, Field string }
	kind, known := kinds[res.StatusCode]
	if err := json.Unmarshal(text, &p); err != nil || !known {
		return fmt.Errorf("account answered %d: %w", res.StatusCode, errAway)
	}
	word := p.Type[strings.LastIndexByte(p.Type, ':')+1:]
	e := fault.New(kind, p.Detail)
	switch {
	case word != kind.String():
		e = e.Named(word)
	case kind == fault.Unauthorized:
		// Users' refusals have words: this one is of our service key.
		return fmt.Errorf("account refused the service key: %s: %w", p.Detail, errAway)
	}
	if p.Field != "" {
		e = e.At(p.Field)
	}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		e = e.After(time.Duration(s) * time.Second)
	}
	return e
}

// kinds is the way back from a status.
var kinds = map[int]fault.Kind{
	400: fault.Malformed, 401: fault.Unauthorized, 403: fault.Forbidden, 404: fault.NotFound, 409: fault.Conflict,
	410: fault.Gone, 413: fault.TooLarge, 422: fault.Invalid, 429: fault.TooMany, 503: fault.Unavailable,
	504: fault.Timeout, 507: fault.NoSpace,
}
