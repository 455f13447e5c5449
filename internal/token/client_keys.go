package token

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"

	"signet/internal/jws"
)

const (
	maxKeys     = 20
	maxKeyBytes = 64 << 10
)

// clientKey is a public key of a client, and the certificate that came with it.
type clientKey struct {
	jws.Key

	certificate []byte // DER; nil where there is none
}

// parseKeys reads the public keys of a client (RFC 7517, section 5): at least one, and
// none that is private, symmetric, or of a type that no signature here has.
func parseKeys(text []byte) ([]clientKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(text) > maxKeyBytes {
		return nil, errors.New("it has more than 64 KiB")
	}
	if _, ok := jws.ParseObject(string(text)); !ok || json.Unmarshal(text, &set) != nil {
		return nil, errors.New("it is no JSON object that everybody reads alike")
	}
	if len(set.Keys) == 0 || len(set.Keys) > maxKeys {
		return nil, errors.New("it must have 1 to 20 keys")
	}
	var keys []clientKey
	for _, raw := range set.Keys {
		k, err := parseClientKey(string(raw))
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func parseClientKey(raw string) (clientKey, error) {
	o, ok := jws.ParseObject(raw)
	if !ok {
		return clientKey{}, errors.New("a key is no object")
	}
	public, err := jws.ParseKey(o)
	if err != nil {
		return clientKey{}, err
	}
	k := clientKey{Key: public}
	r := o.Read()
	chain := r.OptionalList("x5c")
	if r.Err() != nil || len(chain) == 0 {
		return k, r.Err()
	}
	// Base64, not base64url (RFC 7517, section 4.7); the first one has the key.
	if k.certificate, err = base64.StdEncoding.DecodeString(chain[0]); err != nil {
		return k, errors.New("an x5c is not base64")
	}
	leaf, err := x509.ParseCertificate(k.certificate)
	if err != nil || !k.isOf(leaf) {
		return k, errors.New("an x5c is no certificate of its key")
	}
	return k, nil
}

// isOf reports whether the certificate has the key.
func (k clientKey) isOf(c *x509.Certificate) bool {
	have, err := jws.NewKey(c.PublicKey)
	return err == nil && have.Thumbprint() == k.Thumbprint()
}

// registered reports whether the keys have this very certificate, or its key where a
// key came without one (RFC 8705, section 2.2).
func registered(keys []clientKey, c *x509.Certificate) bool {
	return slices.ContainsFunc(keys, func(k clientKey) bool {
		return k.isOf(c) && (k.certificate == nil || bytes.Equal(k.certificate, c.Raw))
	})
}
