package sigv4

import (
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sign signs a request with the header Authorization. It sets X-Amz-Date,
// X-Amz-Content-Sha256 and, for a session credential, X-Amz-Security-Token. The payload
// hash is the SHA-256 of the body in hex, or UNSIGNED-PAYLOAD.
//
// Signed are the host, all x-amz-* headers, Content-Type and Content-MD5; they must not
// change afterwards, nor path and query.
func Sign(r *http.Request, c *Credential, payloadHash string, o Options) {
	stamp := o.Now.UTC().Format(longDate)
	r.Header.Set("X-Amz-Date", stamp)
	r.Header.Set("X-Amz-Content-Sha256", payloadHash)
	if c.token != "" {
		r.Header.Set("X-Amz-Security-Token", c.token)
	}
	scope := o.scope()
	m := message{host: o.hostOf(r), signed: toSign(r.Header), hash: payloadHash}
	r.Header.Set("Authorization", algorithm+" Credential="+c.accessKeyID+"/"+scope+
		", SignedHeaders="+m.signed+", Signature="+m.sign(r, c, stamp, scope))
}

// Presign returns the URL of a request with its signature in the query, good for
// expires: a second to MaxExpires. The request itself stays as it is; its x-amz-*
// headers, Content-Type and Content-MD5 are signed, and who uses the URL must send them.
func Presign(r *http.Request, c *Credential, expires time.Duration, o Options) (*url.URL, error) {
	if expires < time.Second || expires > MaxExpires {
		return nil, errors.New("presign: a URL lives from one second to seven days")
	}
	signed := r.Clone(r.Context())
	stamp, scope := o.Now.UTC().Format(longDate), o.scope()
	m := message{host: o.hostOf(r), signed: toSign(r.Header), hash: unsignedPayload}
	if hash := r.Header.Get("X-Amz-Content-Sha256"); hash != "" {
		m.hash = hash
	}
	query := make([]byte, 0, 512)
	query = append(query, r.URL.RawQuery...)
	for _, p := range [...][2]string{
		{queryAlgorithm, algorithm},
		{queryScope, c.accessKeyID + "/" + scope},
		{queryDate, stamp},
		{queryExpires, strconv.FormatInt(int64(expires/time.Second), 10)},
		{querySession, c.token},
		{querySigned, m.signed},
	} {
		if p[1] != "" {
			query = appendParam(query, p[0], p[1])
		}
	}
	signed.URL.RawQuery = string(query)
	signature := m.sign(signed, c, stamp, scope)
	signed.URL.RawQuery = string(appendParam(query, querySignature, signature))
	return signed.URL, nil
}

func appendParam(b []byte, name, value string) []byte {
	if len(b) > 0 {
		b = append(b, '&')
	}
	b = append(append(b, name...), '=')
	return appendEncoded(b, value, false)
}

// sign returns the signature of a message in hex.
func (m *message) sign(r *http.Request, c *Credential, stamp, scope string) string {
	text := appendStringToSign(nil, stamp, scope, m.appendCanonical(nil, r))
	sum := c.keyFor(scope).mac(text)
	return hex.EncodeToString(sum[:])
}

func (o Options) scope() string {
	return o.Now.UTC().Format("20060102") + "/" + o.Region + "/" + o.Service + "/" + terminal
}

// hostOf returns the host that r names, or will name when a client sends it.
func (o Options) hostOf(r *http.Request) string {
	switch {
	case o.Host != "":
		return o.Host
	case r.Host != "":
		return r.Host
	}
	return r.URL.Host
}

// toSign lists the headers that a request is signed with.
func toSign(h http.Header) string {
	names := []string{"host"}
	for name := range h {
		if isAmz(name) || name == "Content-Type" || name == "Content-Md5" {
			names = append(names, strings.ToLower(name))
		}
	}
	slices.Sort(names)
	return strings.Join(names, ";")
}
