package account

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"signet/internal/db"
)

// purpose is what a challenge may be answered for.
type purpose byte

const (
	toRegister purpose = 'r'
	toSignIn   purpose = 's'
	asFactor   purpose = 'f'
)

// A handle is base64url of: purpose (1 byte), expiry (8 bytes, Unix seconds),
// challenge (32 bytes), user (an id, or empty), HMAC-SHA-256 over all that.
const (
	challengeSize = 32
	handleHead    = 1 + timeSize + challengeSize
	maxHandle     = 512 // characters
)

// ceremony is a question that was asked.
type ceremony struct {
	challenge []byte
	expires   time.Time
}

// encoded is the challenge as a browser returns it.
func (ch ceremony) encoded() string { return base64.RawURLEncoding.EncodeToString(ch.challenge) }

func (ch ceremony) hash() []byte {
	sum := sha256.Sum256(ch.challenge)
	return sum[:]
}

// ask makes a challenge of what a browser will see, and the handle for its answer.
// The challenge is in base64url.
func (p *Passkeys) ask(why purpose, user, challenge string, options any) (PasskeyChallenge, error) {
	raw, err := base64.RawURLEncoding.DecodeString(challenge)
	if err != nil || len(raw) != challengeSize {
		return PasskeyChallenge{}, fmt.Errorf("passkey challenge: got %d bytes, %w", len(raw), err)
	}
	text, err := json.Marshal(options)
	if err != nil {
		return PasskeyChallenge{}, err
	}
	expires := db.Now(p.c.users.now()).Add(PasskeyTime)
	b := appendTime([]byte{byte(why)}, expires)
	b = append(append(b, raw...), user...)
	return PasskeyChallenge{
		Options: text, Expires: expires,
		Handle: base64.RawURLEncoding.EncodeToString(append(b, p.handleMAC(b)...)),
	}, nil
}

// asked returns the question that a handle is of. Its error is whyNot.
func (p *Passkeys) asked(handle string, why purpose, user string) (ceremony, error) {
	if len(handle) > maxHandle {
		return ceremony{}, whyNot("handle is not ours")
	}
	b, err := base64.RawURLEncoding.DecodeString(handle)
	if err != nil || len(b) < handleHead+sha256.Size {
		return ceremony{}, whyNot("handle is not ours")
	}
	body, mac := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	expires := readTime(body[1:])
	switch {
	case !hmac.Equal(mac, p.handleMAC(body)):
		return ceremony{}, whyNot("handle is not ours")
	case body[0] != byte(why):
		return ceremony{}, whyNot("challenge was made for something else")
	case string(body[handleHead:]) != user:
		return ceremony{}, whyNot("challenge was made for another user")
	case !p.c.users.now().Before(expires):
		return ceremony{}, whyNot("challenge has expired")
	}
	return ceremony{challenge: body[1+timeSize : handleHead], expires: expires}, nil
}

func (p *Passkeys) handleMAC(body []byte) []byte {
	m := hmac.New(sha256.New, p.key)
	m.Write(body)
	return m.Sum(nil)
}
