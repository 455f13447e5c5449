// Package egress is the one HTTP client for URLs that somebody else chose: peers,
// key lists, JWKS, providers. It cannot be used to reach the inside.
//
// It speaks https to port 443 or a listed port, takes no proxy from the
// environment, follows no redirect, and ends after a time and a size. An address
// is checked when it is dialled, after DNS, so a name that changes its mind gains
// nothing. Every failure has the same text: whoever chose the URL learns nothing
// of the network. Details are logged at debug.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"signet/internal/fault"
)

// ErrUnreachable is the answer to every failure.
var ErrUnreachable = fault.New(fault.Unavailable, "the URL cannot be reached, or may not be")

// Limits where Config has none.
const (
	DefaultTimeout = 10 * time.Second
	DefaultMaxBody = 1 << 20
)

// maxHeader bounds the head of an answer.
const maxHeader = 64 << 10

// Config is what a client may do beyond its defaults.
type Config struct {
	Ports    []int          // besides 443
	Allow    []string       // networks (CIDR) that may be reached though they are inside; host:port, where the port is free, too
	Loopback bool           // for development: loopback addresses on every port, by http, too
	Timeout  time.Duration  // from the dial to the end of the body; zero is DefaultTimeout
	MaxBody  int64          // bytes, after decompression; zero is DefaultMaxBody
	Roots    *x509.CertPool // nil is the system's
	Log      *slog.Logger   // nil is the default logger
}

// Client is safe for concurrent use.
type Client struct {
	ports    []int
	allow    allowList
	loopback bool
	maxBody  int64
	log      *slog.Logger
	https    *http.Transport
	plain    *http.Transport // to loopback only
	http     *http.Client
}

// New returns a client. It refuses an allow-list that it cannot read with ErrAllow.
func New(c Config) (*Client, error) {
	allow, err := parseAllow(c.Allow)
	if err != nil {
		return nil, err
	}
	e := &Client{ports: append([]int{443}, c.Ports...), allow: allow, loopback: c.Loopback, maxBody: c.MaxBody, log: c.Log}
	if e.maxBody == 0 {
		e.maxBody = DefaultMaxBody
	}
	if e.log == nil {
		e.log = slog.Default()
	}
	timeout := c.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	e.https = transport(timeout, c.Roots, e.dial)
	e.plain = transport(timeout, nil, e.dialLoopback)
	e.http = &http.Client{Transport: (*guard)(e), Timeout: timeout}
	return e, nil
}

func transport(timeout time.Duration, roots *x509.CertPool, dial dialFunc) *http.Transport {
	return &http.Transport{
		Proxy:                  nil, // never the environment's: it would dial for us, unchecked
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    timeout,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    4,
		MaxConnsPerHost:        16,
		IdleConnTimeout:        time.Minute,
	}
}

// Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends a request and reads the answer. Every error is ErrUnreachable: a URL
// that may not be reached, a redirect, a body over MaxBody, a timeout. A status
// of 4xx or 5xx is an answer, not an error.
func (c *Client) Do(r *http.Request) (*Response, error) {
	res, err := c.http.Do(r)
	if err != nil {
		return nil, ErrUnreachable
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, ErrUnreachable
	}
	return &Response{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// Get is Do for a URL.
func (c *Client) Get(ctx context.Context, url string) (*Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		c.refused(ctx, "", errors.New("the URL cannot be parsed")) // err quotes the URL, which may hold a password
		return nil, ErrUnreachable
	}
	return c.Do(r)
}

// HTTP returns the same client for libraries that want one. Its errors are
// wrapped by net/http, which adds method and URL to their text: show a client
// what [fault.As] finds in them, which is ErrUnreachable.
func (c *Client) HTTP() *http.Client { return c.http }

// CloseIdle closes the connections that nobody uses.
func (c *Client) CloseIdle() {
	c.https.CloseIdleConnections()
	c.plain.CloseIdleConnections()
}

// guard is the client as the transport of [http.Client].
type guard Client

// RoundTrip implements [http.RoundTripper].
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	c := (*Client)(g)
	fail := func(err error) error {
		c.refused(r.Context(), r.URL.Host, err)
		return ErrUnreachable
	}
	res, err := c.roundTrip(r)
	if err != nil {
		return nil, fail(err)
	}
	res.Body = &capped{body: res.Body, left: c.maxBody, fail: fail}
	return res, nil
}

func (c *Client) roundTrip(r *http.Request) (*http.Response, error) {
	t, err := c.route(r.URL)
	if err != nil {
		return nil, errors.Join(err, closeBody(r))
	}
	res, err := t.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if isRedirect(res.StatusCode) {
		return nil, errors.Join(fmt.Errorf("redirect %d is not followed", res.StatusCode), res.Body.Close())
	}
	if res.ContentLength > c.maxBody {
		return nil, errors.Join(fmt.Errorf("body of %d bytes is over %d", res.ContentLength, c.maxBody), res.Body.Close())
	}
	return res, nil
}

// route chooses the transport for a URL, or refuses it.
func (c *Client) route(u *url.URL) (*http.Transport, error) {
	if u.User != nil {
		return nil, errors.New("the URL holds a user")
	}
	if u.Hostname() == "" {
		return nil, errors.New("the URL has no host")
	}
	switch {
	case u.Scheme == "https":
		return c.https, nil
	case u.Scheme == "http" && c.loopback:
		return c.plain, nil
	}
	return nil, fmt.Errorf("scheme %q is not https", u.Scheme)
}

func (c *Client) refused(ctx context.Context, host string, err error) {
	c.log.DebugContext(ctx, "outbound request failed", "host", host, "error", err)
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

func closeBody(r *http.Request) error {
	if r.Body == nil {
		return nil
	}
	return r.Body.Close() // RoundTrip must, also where it fails
}

// capped fails where the body is longer than left, and never hands on more.
type capped struct {
	body io.ReadCloser
	left int64
	fail func(error) error
}

// Read implements [io.Reader].
func (b *capped) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	// One byte more than is left shows that there is more.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	if int64(n) > b.left {
		return int(b.left), b.fail(errors.New("body is too long"))
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.fail(err)
	}
	return n, err
}

// Close implements [io.Closer].
func (b *capped) Close() error { return b.body.Close() }
