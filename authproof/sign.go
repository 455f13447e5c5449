package authproof

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
)

// Sign returns a proof of c, in base64url without padding: its characters pass
// unchanged through xtext (RFC 3461, section 4), which Postfix does not decode.
//
// It refuses with ErrClaims what no verifier would take: an unknown version, an
// empty or unprintable Message-ID or sender, a colon in either in version 1, an
// audience in version 1 or none in version 2, a time before 1970, and claims so
// long that the proof passes MaxDecoded or MaxEncoded.
//
// A proof may be used once: sign anew for each attempt to deliver.
func Sign(priv ed25519.PrivateKey, c Claims) (string, error) {
	if len(priv) != ed25519.PrivateKeySize {
		return "", fmt.Errorf("%w: private key has %d bytes, want %d", ErrClaims, len(priv), ed25519.PrivateKeySize)
	}
	if err := c.check(); err != nil {
		return "", fmt.Errorf("%w: %w", ErrClaims, err)
	}
	pub, _ := priv.Public().(ed25519.PublicKey)
	text := appendText(make([]byte, 0, textSize), c.Version, c.Timestamp.Unix(), c.MessageID, c.Sender, c.Audience)
	object := c.object(KeyID(pub), ed25519.Sign(priv, text))
	proof := base64.RawURLEncoding.EncodeToString(object)
	if len(object) > MaxDecoded || len(proof) > MaxEncoded {
		return "", fmt.Errorf("%w: message_id is too long", ErrClaims)
	}
	return proof, nil
}

func (c Claims) check() error {
	if c.Version != 1 && c.Version != 2 {
		return fmt.Errorf("version %d is neither 1 nor 2", c.Version)
	}
	if at := c.Timestamp.Unix(); at < 0 || at > maxTimestamp {
		return errors.New("timestamp is not between 1970 and 9999")
	}
	if err := checkText(c.Version, "message_id", c.MessageID); err != nil {
		return err
	}
	if err := checkText(c.Version, "sender", c.Sender); err != nil {
		return err
	}
	if c.Version == 2 {
		return checkAudience(c.Audience)
	}
	if c.Audience != "" {
		return errors.New("version 1 has no audience")
	}
	return nil
}

// object gives the JSON of the proof. The members' order has no meaning.
func (c Claims) object(keyID string, signature []byte) []byte {
	b := make([]byte, 0, MaxDecoded)
	b = append(b, '{')
	if c.Version != 1 {
		b = append(b, `"v":`...)
		b = strconv.AppendInt(b, int64(c.Version), 10)
		b = append(b, ',')
	}
	b = append(append(b, `"key_id":"`...), keyID...)
	b = append(b, `","timestamp":`...)
	b = strconv.AppendInt(b, c.Timestamp.Unix(), 10)
	b = append(b, `,"message_id":"`...)
	b = appendEscaped(b, c.MessageID)
	b = append(b, `","signature":"`...)
	b = base64.StdEncoding.AppendEncode(b, signature)
	return append(b, `"}`...)
}

// appendEscaped writes s inside a JSON string. s has no control characters, so
// that two escapes are enough (RFC 8259, section 7).
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return b
}
