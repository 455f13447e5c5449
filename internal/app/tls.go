package app

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// certificate is a certificate that is read again when its file changed, so that
// a renewal needs no restart.
type certificate struct {
	certFile, keyFile string
	current           atomic.Pointer[loaded]
}

type loaded struct {
	cert    tls.Certificate
	changed time.Time // of the file
	asked   time.Time
}

// tlsConfig returns the TLS configuration of a listener; key is the setting that names its certificate.
func tlsConfig(key, certFile, keyFile string) (*tls.Config, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile}
	if _, err := c.load(time.Now()); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(time.Now()), nil },
	}, nil
}

// get returns the certificate, and looks for a newer one at most every ten seconds.
func (c *certificate) get(now time.Time) *tls.Certificate {
	have := c.current.Load()
	if now.Sub(have.asked) < 10*time.Second {
		return &have.cert
	}
	fresh, err := c.load(now)
	if err != nil {
		slog.Error("TLS certificate was not reloaded", "file", c.certFile, "error", err)
		c.current.Store(&loaded{have.cert, have.changed, now})
		return &have.cert
	}
	return &fresh.cert
}

func (c *certificate) load(now time.Time) (*loaded, error) {
	info, err := os.Stat(c.certFile)
	if err != nil {
		return nil, err
	}
	if have := c.current.Load(); have != nil && have.changed.Equal(info.ModTime()) {
		same := &loaded{have.cert, have.changed, now}
		c.current.Store(same)
		return same, nil
	}
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return nil, err
	}
	fresh := &loaded{cert, info.ModTime(), now}
	c.current.Store(fresh)
	return fresh, nil
}

// tlsOf returns the TLS configuration of a listener; nil where it has none.
func (a *App) tlsOf(listener string) (*tls.Config, error) {
	s := a.Config.Server
	switch {
	case listener == "public" && s.TLSCertFile != "":
		return tlsConfig("server.tlsCertFile", s.TLSCertFile, s.TLSKeyFile)
	case listener == "objects" && a.Config.Objects.TLSCertFile != "":
		c, err := tlsConfig("objects.tlsCertFile", a.Config.Objects.TLSCertFile, a.Config.Objects.TLSKeyFile)
		if err == nil {
			c.NextProtos = []string{"http/1.1"} // what clients of S3 speak, and bodies stream best over
		}
		return c, err
	case listener != "mtls":
		return nil, nil
	}
	key := "server.tlsCertFile"
	if s.MTLS.TLSCertFile != "" {
		key = "server.mtls.tlsCertFile"
	}
	c, err := tlsConfig(key, cmp.Or(s.MTLS.TLSCertFile, s.TLSCertFile), cmp.Or(s.MTLS.TLSKeyFile, s.TLSKeyFile))
	if err != nil {
		return nil, err
	}
	// Any certificate: whose it is, is for the client that is registered with it, and a
	// self-signed one is as good for binding a token (RFC 8705, section 2.2).
	c.ClientAuth = tls.RequestClientCert
	return c, nil
}

// hosts are the names that requests may carry.
func (a *App) hosts() []string {
	s := a.Config.Server
	all := append([]string{s.Origin}, s.Names...)
	if s.MTLS.Listen != "" {
		all = append(all, s.MTLS.Origin)
	}
	return all
}
