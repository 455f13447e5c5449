package client

import (
	"bytes"
	"crypto"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	maxOrigins = 1024     // whose nonces are remembered
	maxNonce   = 1 << 10  // bytes
	maxRefusal = 64 << 10 // bytes of an answer that may ask for a nonce
)

// DPoP is an [http.RoundTripper] that proves with each request that the sender holds a key
// (RFC 9449). It is safe for concurrent use.
//
// It signs a fresh proof for every request, to token endpoints and to resources alike. Where
// the Authorization header is DPoP, the proof is for that access token. It keeps the newest
// nonce of each origin, and where a server refuses a request for want of one, sends it a
// second time; so the body of a request must be replayable ([http.Request.GetBody], which
// [http.NewRequest] sets for bodies in memory), else the refusal is the answer.
//
// golang.org/x/oauth2 takes it as the transport of the client in its context: Signet answers
// with the token type DPoP, which that package then sends to resources as it is.
type DPoP struct {
	key  proofKey
	base http.RoundTripper
	now  func() time.Time

	lock   sync.Mutex
	nonces map[string]string // by origin
}

// NewDPoP returns a transport over base, nil for [http.DefaultTransport], that proves key:
// ECDSA on P-256 (ES256), Ed25519 (EdDSA), or RSA of at least 2048 bits (PS256).
func NewDPoP(key crypto.Signer, base http.RoundTripper) (*DPoP, error) {
	k, err := newProofKey(key)
	if err != nil {
		return nil, err
	}
	if base == nil {
		base = http.DefaultTransport
	}
	return &DPoP{key: k, base: base, now: time.Now, nonces: map[string]string{}}, nil
}

// Thumbprint returns the RFC 7638 thumbprint of the key, as dpop_jkt of an authorization
// request has it (RFC 9449, section 10).
func (d *DPoP) Thumbprint() string { return d.key.thumbprint }

// RoundTrip implements [http.RoundTripper].
func (d *DPoP) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := d.nonce(r.URL)
	res, err := d.send(r, r.Body, sent)
	if err != nil {
		return nil, err
	}
	given := d.keep(r.URL, res)
	if given == "" || given == sent || !wantsNonce(res) {
		return res, nil
	}
	body, ok := bodyAgain(r)
	if !ok {
		return res, nil // the refusal is the answer
	}
	_, _ = io.CopyN(io.Discard, res.Body, maxRefusal) // so that the connection can be used again
	_ = res.Body.Close()
	if res, err = d.send(r, body, given); err != nil {
		return nil, err
	}
	d.keep(r.URL, res)
	return res, nil
}

// bodyAgain returns the body of a request a second time, where it can be had.
func bodyAgain(r *http.Request) (io.ReadCloser, bool) {
	if r.GetBody == nil {
		return r.Body, r.Body == nil || r.Body == http.NoBody
	}
	body, err := r.GetBody()
	return body, err == nil
}

// send sends the request with a proof of its own.
func (d *DPoP) send(r *http.Request, body io.ReadCloser, nonce string) (*http.Response, error) {
	proof, err := d.key.proof(r, nonce, d.now())
	if err != nil {
		if body != nil {
			_ = body.Close() // as a RoundTripper must
		}
		return nil, err
	}
	r = r.Clone(r.Context()) // a RoundTripper must not change what it is given
	r.Body = body
	r.Header.Set("DPoP", proof)
	return d.base.RoundTrip(r)
}

// origin is what a nonce is of (RFC 9449, section 8.2).
func origin(u *url.URL) string { return strings.ToLower(u.Scheme + "://" + u.Host) }

func (d *DPoP) nonce(u *url.URL) string {
	d.lock.Lock()
	defer d.lock.Unlock()
	return d.nonces[origin(u)]
}

// keep remembers the nonce of an answer, whatever else it says, and returns it.
func (d *DPoP) keep(u *url.URL, res *http.Response) string {
	given := res.Header.Values("DPoP-Nonce")
	if len(given) != 1 || given[0] == "" || len(given[0]) > maxNonce {
		return ""
	}
	d.lock.Lock()
	defer d.lock.Unlock()
	if len(d.nonces) >= maxOrigins {
		clear(d.nonces) // each server gives a new one when asked
	}
	d.nonces[origin(u)] = given[0]
	return given[0]
}

// wantsNonce reports whether a server refused for want of a nonce: 401 at a resource, in
// WWW-Authenticate, or 400 at a token endpoint, in the body (RFC 9449, sections 8 and 9). It
// leaves the body as it was.
func wantsNonce(res *http.Response) bool {
	const code = "use_dpop_nonce"
	switch res.StatusCode {
	case http.StatusUnauthorized:
		for _, c := range res.Header.Values("WWW-Authenticate") {
			if strings.Contains(c, `error="`+code+`"`) {
				return true
			}
		}
	case http.StatusBadRequest:
		read, err := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
		rest := io.Reader(res.Body)
		if err != nil {
			rest = failed{err}
		}
		res.Body = joined{io.MultiReader(bytes.NewReader(read), rest), res.Body}
		var refusal struct{ Error string }
		return json.Unmarshal(read, &refusal) == nil && refusal.Error == code
	}
	return false
}

// joined reads from one and closes the other.
type joined struct {
	io.Reader
	io.Closer
}

// failed is a reader that has failed already.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

var errKey = errors.New("key is none of ECDSA on P-256, Ed25519, and RSA of at least 2048 bits")
