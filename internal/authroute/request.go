package authroute

import (
	"crypto/ed25519"
	"encoding/base64"
	"time"

	"signet/authproof"
)

// PrimaryRequest returns the request that makes a user's first primary key, signed.
func PrimaryRequest(primary ed25519.PrivateKey, origin, address string, now time.Time) NewPrimary {
	n := NewPrimary{PublicKey: encodeKey(publicOf(primary)), Address: address, Timestamp: formatTime(now)}
	n.Signature = signText(primary, PrimaryText(origin, address, n.PublicKey, "", n.Timestamp))
	return n
}

// SubkeyRequest returns the request that registers a subkey, signed by both keys.
func SubkeyRequest(primary, subkey ed25519.PrivateKey, address string, expires time.Time) NewSubkey {
	pub := publicOf(subkey)
	n := NewSubkey{
		KeyID: authproof.KeyID(pub), PublicKey: encodeKey(pub), ExpiresAt: formatTime(expires), Address: address,
	}
	text := SubkeyText(address, n.KeyID, n.PublicKey, n.ExpiresAt)
	n.Signature, n.SubkeySignature = signText(primary, text), signText(subkey, text)
	return n
}

func publicOf(priv ed25519.PrivateKey) ed25519.PublicKey {
	return priv.Public().(ed25519.PublicKey) // crypto/ed25519 promises the type
}

func signText(priv ed25519.PrivateKey, text []byte) string {
	return base64.StdEncoding.EncodeToString(ed25519.Sign(priv, text))
}
