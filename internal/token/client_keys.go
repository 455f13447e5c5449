package token

import (
	"crypto/rsa"
	"encoding/json"
	"errors"

	"github.com/go-jose/go-jose/v4"

	"signet/internal/jws"
)

const (
	maxKeys     = 20
	maxKeyBytes = 64 << 10
	minRSA      = 2048 // bits (RFC 7518, sections 3.3 and 3.5)
)

// parseKeys reads the public keys of a client (RFC 7517, section 5): at least one, and
// none that is private, symmetric, or of a type that no signature here has.
func parseKeys(text []byte) ([]jose.JSONWebKey, error) {
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
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		k, err := parseClientKey(raw)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func parseClientKey(raw []byte) (jose.JSONWebKey, error) {
	var k jose.JSONWebKey
	if err := k.UnmarshalJSON(raw); err != nil {
		return k, errors.New("a key cannot be read")
	}
	if !k.IsPublic() {
		return k, errors.New("a key is private or symmetric: send the public half only")
	}
	if public, ok := k.Key.(*rsa.PublicKey); ok && public.N.BitLen() < minRSA {
		return k, errors.New("an RSA key has less than 2048 bits")
	}
	return k, nil
}
