package client

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"signet/authproof"
)

// Key is a mail key as its owner sees it.
type Key struct {
	KeyID       string    `json:"key_id"` // lower-case hex SHA-256 of the public key
	KeyType     string    `json:"key_type"`
	Address     string    `json:"address"`
	PublicKey   string    `json:"public_key"`            // standard base64
	Certificate string    `json:"certificate,omitempty"` // by the primary, standard base64
	CreatedAt   time.Time `json:"created_at"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	RevokedAt   time.Time `json:"revoked_at,omitzero"`
	Reason      string    `json:"revoked_reason,omitempty"`
}

// Keys lists the caller's mail keys.
func (c *Client) Keys(ctx context.Context, revoked bool) ([]Key, error) {
	path := "/api/v1/authroute/keys"
	if revoked {
		path += "?include=revoked"
	}
	var keys []Key
	err := c.do(ctx, http.MethodGet, path, nil, &keys)
	return keys, err
}

// SetPrimary registers the caller's primary key for an address. Where there is one
// already, previous must be its private half; else previous is nil.
func (c *Client) SetPrimary(ctx context.Context, address string, primary, previous ed25519.PrivateKey) (Key, error) {
	address = strings.ToLower(address) // as the registry keeps it, and so signs it
	b64, _ := public(primary)
	oldID := "-"
	if previous != nil {
		_, oldID = public(previous)
	}
	timestamp := time.Now().UTC().Format(time.RFC3339)
	text := fmt.Appendf(nil, "authroute-primary:v1\n%s\n%s\n%s\n%s\n%s", c.origin, address, b64, oldID, timestamp)
	body := map[string]string{
		"public_key": b64, "address": address, "timestamp": timestamp, "signature": sign(primary, text),
	}
	if previous != nil {
		body["previous_signature"] = sign(previous, text)
	}
	var k Key
	err := c.do(ctx, http.MethodPost, "/api/v1/authroute/keys/primary", body, &k)
	return k, err
}

// RegisterSubkey registers a subkey for an address, certified by the primary key,
// that may sign until expires (whole seconds).
func (c *Client) RegisterSubkey(ctx context.Context, address string, primary, subkey ed25519.PrivateKey, expires time.Time) (Key, error) {
	address = strings.ToLower(address)
	b64, id := public(subkey)
	until := expires.UTC().Format(time.RFC3339)
	text := fmt.Appendf(nil, "authroute-subkey:v1\n%s\n%s\n%s\n%s", address, id, b64, until)
	var k Key
	err := c.do(ctx, http.MethodPost, "/api/v1/authroute/keys/generate", map[string]string{
		"key_id": id, "public_key": b64, "expires_at": until, "address": address,
		"signature": sign(primary, text), "subkey_signature": sign(subkey, text),
	}, &k)
	return k, err
}

// RevokeKey ends a key at once. The reason is kept; published is only its word.
func (c *Client) RevokeKey(ctx context.Context, keyID, reason string) error {
	return c.do(ctx, http.MethodPost, "/api/v1/authroute/keys/"+url.PathEscape(keyID)+"/revoke", map[string]string{"reason": reason}, nil)
}

// public returns a key's public half in standard base64, and its id.
func public(priv ed25519.PrivateKey) (b64, id string) {
	pub := priv.Public().(ed25519.PublicKey) // crypto/ed25519 promises the type
	return base64.StdEncoding.EncodeToString(pub), authproof.KeyID(pub)
}

func sign(priv ed25519.PrivateKey, text []byte) string {
	return base64.StdEncoding.EncodeToString(ed25519.Sign(priv, text))
}
