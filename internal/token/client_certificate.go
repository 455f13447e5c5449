package token

import (
	"context"
	"crypto/x509"
	"slices"
)

// judgeChain is tls_client_auth (RFC 8705, section 2.1): the certificate is from an
// authority that is configured, for clients, good now, and names the client.
func (s *Clients) judgeChain(c Client, shown *Certificate) error {
	if shown == nil {
		return refused("it showed no certificate")
	}
	want, err := parseSubject(c.TLSSubject)
	if err != nil {
		return refused(err.Error())
	}
	now, leaf := s.options.Now(), shown.Leaf
	switch {
	case !want.names(leaf):
		return refused("its certificate names another")
	case now.Before(leaf.NotBefore) || now.After(leaf.NotAfter):
		return refused("its certificate is not good now")
	// The library takes one that says nothing for good for everything.
	case !slices.ContainsFunc(leaf.ExtKeyUsage, forClients):
		return refused("its certificate is not for clients")
	case shown.Verified:
		return nil
	case shown.ByHeader:
		return refused("its certificate came from a proxy that does not verify chains")
	case s.options.ClientCAs == nil: // the library would take the system's
		return refused("no authorities of clients are configured")
	}
	between := x509.NewCertPool()
	for _, ca := range shown.Chain {
		between.AddCert(ca)
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: s.options.ClientCAs, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return refused("its certificate does not verify: " + err.Error())
	}
	return nil
}

func forClients(u x509.ExtKeyUsage) bool {
	return u == x509.ExtKeyUsageClientAuth || u == x509.ExtKeyUsageAny
}

// judgeOwn is self_signed_tls_client_auth (RFC 8705, section 2.2): the certificate is
// registered, or its key is. Nothing else in it counts, so it does not expire.
func (s *Clients) judgeOwn(ctx context.Context, c Client, shown *Certificate) error {
	if shown == nil {
		return refused("it showed no certificate")
	}
	for _, changed := range rounds(c) {
		keys, err := s.keysOf(ctx, c, changed)
		if err != nil {
			return err
		}
		if registered(keys, shown.Leaf) {
			return nil
		}
	}
	return refused("its certificate is not registered")
}
