package token

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Headers that carry a certificate (RFC 9440), and the secret of the proxy that says so.
const (
	headerRFC   = "Client-Cert"
	headerEnvoy = "X-Forwarded-Client-Cert"
	headerProxy = "Signet-Proxy-Secret"
)

// Certificate is what a client has shown of itself in TLS: on a listener of this
// server, or at a proxy that passes it on. Whose it is, is still to be checked.
type Certificate struct {
	Leaf     *x509.Certificate
	Chain    []*x509.Certificate // that came with it, without the leaf
	Verified bool                // a trusted proxy has verified its chain
	ByHeader bool
}

// Thumbprint returns the SHA-256 of the certificate in base64url, as x5t#S256 has it
// (RFC 8705, section 3.1), and "" where there is no certificate.
func (c *Certificate) Thumbprint() string {
	if c == nil {
		return ""
	}
	sum := sha256.Sum256(c.Leaf.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// CertificateHeader is how proxies pass certificates on.
type CertificateHeader struct {
	Name     string         // Client-Cert or X-Forwarded-Client-Cert
	Proxies  []netip.Prefix // that are believed
	Secret   string         // that they prove themselves with; "": their address is enough
	Verifies bool           // they let only certificates of the right authority through
}

// read returns the certificate of a request: of the connection, or of the header of a
// proxy that is believed. What others say in a header counts for nothing.
func (h CertificateHeader) read(r *http.Request) (*Certificate, error) {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		all := r.TLS.PeerCertificates
		return &Certificate{Leaf: all[0], Chain: all[1:]}, nil
	}
	ours, others := r.Header.Values(headerRFC), r.Header.Values(headerEnvoy)
	if len(ours)+len(others) == 0 || !h.believes(r) {
		return nil, nil
	}
	if h.Secret != "" && subtle.ConstantTimeCompare([]byte(r.Header.Get(headerProxy)), []byte(h.Secret)) != 1 {
		return nil, ErrRequest.At(headerProxy).Because("the proxy did not prove itself")
	}
	switch {
	case len(ours) > 0 && len(others) > 0:
		return nil, ErrRequest.At(headerRFC).Because("both %s and %s came", headerRFC, headerEnvoy)
	case len(ours)+len(others) > 1:
		return nil, ErrRequest.At(h.Name).Because("it came twice")
	case len(ours) > 0 && h.Name != headerRFC, len(others) > 0 && h.Name != headerEnvoy:
		return nil, ErrRequest.At(h.Name).Because("the proxy sent another header than the configured one")
	}
	text, err := h.element(slices.Concat(ours, others)[0])
	if err != nil {
		return nil, ErrRequest.At(h.Name).Because("%s", err)
	}
	c, err := parseCertificate(text)
	if err != nil {
		return nil, ErrRequest.At(h.Name).Because("it is not one certificate")
	}
	c.Verified, c.ByHeader = h.Verifies, true
	return c, nil
}

// believes reports whether a request comes from a proxy that is believed: by the
// address of the connection, not of any header.
func (h CertificateHeader) believes(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return err == nil && slices.ContainsFunc(h.Proxies, func(p netip.Prefix) bool { return p.Contains(a.Unmap().WithZone("")) })
}

// element returns the one certificate of a header: a byte sequence (RFC 9440, section
// 2.1; RFC 8941, section 3.3.5), or the Cert of one element in the form of Envoy.
func (h CertificateHeader) element(value string) (string, error) {
	if h.Name == headerRFC {
		inner, begins := strings.CutPrefix(value, ":")
		inner, ends := strings.CutSuffix(inner, ":")
		if !begins || !ends {
			return "", errors.New("want a byte sequence between colons")
		}
		return inner, nil
	}
	if strings.Contains(value, ",") {
		return "", errors.New("want one element: the proxy must set the header, not append to it")
	}
	found := ""
	for pair := range strings.SplitSeq(value, ";") {
		name, v, _ := strings.Cut(pair, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "Cert") {
			continue
		}
		if found != "" {
			return "", errors.New("it has Cert twice")
		}
		text, err := url.PathUnescape(strings.Trim(v, `"`))
		if err != nil {
			return "", errors.New("its Cert is not percent-encoded")
		}
		found = text
	}
	if found == "" {
		return "", errors.New("it has no Cert")
	}
	return found, nil
}

// parseCertificate reads one certificate, in PEM or as the base64 of its DER.
func parseCertificate(text string) (*Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(text)
	if block, rest := pem.Decode([]byte(text)); block != nil {
		if block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
			return nil, errors.New("it is not one certificate")
		}
		der, err = block.Bytes, nil
	}
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Certificate{Leaf: leaf}, nil
}

type mtlsKey struct{}

// AtMTLS marks requests of the listener that asks for client certificates: its
// addresses are the aliases of the metadata.
func AtMTLS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), mtlsKey{}, true)))
	})
}

func onMTLS(ctx context.Context) bool {
	on, _ := ctx.Value(mtlsKey{}).(bool)
	return on
}
