package login

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"time"

	"signet/internal/seal"
)

// StateLife is how long somebody may stay at the provider.
const StateLife = 10 * time.Minute

// The purposes of a start.
const (
	PurposeSignIn = "sign-in"
	PurposeLink   = "link" // of an identity with the user who is signed in
)

// state is one start, from its row. It holds no secret.
type state struct {
	hash, browser     []byte // SHA-256
	provider, issuer  string
	purpose           string
	next, locale      string
	client, challenge string
	user, session     string
	created, expires  time.Time
}

// secretLength is that of 256 bits in base64url.
const secretLength = 43

// isSecret reports whether s can be a state or a browser value of ours.
func isSecret(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(s) == secretLength && len(b) == 32
}

// same compares the hash of a value with a hash that is kept, in constant time.
func same(value string, hash []byte) bool {
	return subtle.ConstantTimeCompare(seal.SecretHash(value), hash) == 1
}

// ceremony returns what belongs to a state. PKCE verifier and nonce follow from the
// state and the installation's key: at rest there is only the state's hash, and who
// sees the state in an address cannot compute the verifier.
func (p *Providers) ceremony(value, provider, locale string) Ceremony {
	return Ceremony{
		State:       value,
		Verifier:    p.derive("pkce verifier", value),
		Nonce:       p.derive("oidc nonce", value),
		RedirectURI: p.o.Origin + "/login/callback/" + provider,
		Locale:      locale,
	}
}

func (p *Providers) derive(label, value string) string {
	mac := hmac.New(sha256.New, p.o.Key)
	mac.Write([]byte(label + "\x00" + value))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
