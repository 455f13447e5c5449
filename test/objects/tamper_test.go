package objects_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// tamperer stands between clients and a server, and changes a byte of what they upload.
type tamperer struct {
	at endpoint

	pool  *http.Transport
	proxy *httputil.ReverseProxy

	mu      sync.Mutex
	far     *url.URL
	changes map[string]change // by path
}

// change is what is changed of an upload, and what came of that.
type change struct {
	part  part
	form  string // x-amz-content-sha256: what protects the body
	found bool   // there was such a part, and it was changed
}

type part string

const (
	theBody    part = "altered body"
	theTrailer part = "altered trailer"
)

// newTamperer starts a tamperer that ends with the test.
func newTamperer(t *testing.T, a authority, overTLS bool) *tamperer {
	t.Helper()
	p := &tamperer{changes: map[string]change{}}
	p.pool = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool}, DisableCompression: true, MaxIdleConnsPerHost: 16}
	p.proxy = &httputil.ReverseProxy{Transport: p.pool, Rewrite: p.rewrite}
	t.Cleanup(p.pool.CloseIdleConnections)
	if overTLS {
		p.at = a.serve(t, p)
		return p
	}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	p.at.url = s.URL
	return p
}

// to says where requests go on to.
func (p *tamperer) to(e endpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.far, _ = url.Parse(e.url)
}

// change has a part of what is put at a path changed.
func (p *tamperer) change(path string, what part) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes[path] = change{part: what}
}

// changed returns what became of it.
func (p *tamperer) changed(path string) change {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changes[path]
}

func (p *tamperer) rewrite(r *httputil.ProxyRequest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.Out.URL.Scheme, r.Out.URL.Host = p.far.Scheme, p.far.Host
	r.Out.Host = r.In.Host // it is signed
}

func (p *tamperer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c := p.changed(r.URL.Path); c.part != "" && r.Method == http.MethodPut {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		c.form = r.Header.Get("X-Amz-Content-Sha256")
		if c.form == "" {
			c.form = r.URL.Query().Get("X-Amz-Content-Sha256")
		}
		c.found = c.alter(body)
		p.mu.Lock()
		p.changes[r.URL.Path] = c
		p.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	p.proxy.ServeHTTP(w, r)
}

// alter changes a byte of the body, which may be in chunks, or of a checksum behind it.
func (c *change) alter(body []byte) bool {
	at := 10
	if c.part == theTrailer {
		at = bytes.LastIndex(body, []byte("x-amz-checksum-"))
		if at < 0 {
			return false
		}
		at += bytes.IndexByte(body[at:], ':') + 1
	} else if strings.HasPrefix(c.form, "STREAMING-") {
		at += bytes.Index(body, []byte("\r\n")) + 2
	}
	if at >= len(body) {
		return false
	}
	if body[at] == 'A' {
		body[at] = 'B'
	} else {
		body[at] = 'A'
	}
	return true
}

// code is the refusal that fits what protected the part.
func (c *change) code() string {
	switch {
	case len(c.form) == 64:
		return "XAmzContentSHA256Mismatch"
	case strings.HasPrefix(c.form, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"):
		return "SignatureDoesNotMatch"
	case c.form == "UNSIGNED-PAYLOAD", c.form == "", c.form == "STREAMING-UNSIGNED-PAYLOAD-TRAILER": // a checksum, or Content-MD5
		return "BadDigest"
	}
	return "no code for " + strconv.Quote(c.form)
}
