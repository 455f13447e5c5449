package authproof

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const hexDigits = "0123456789abcdef"

// Parse reads a proof as it was sent: standard or URL-safe base64, padded or not,
// of one JSON object. It is strict, so that no two verifiers read one proof
// differently: member names exact in case, none unknown, missing or double, none
// of another type, nothing after the object.
//
// Its errors wrap ErrMalformed and never repeat the input. It verifies nothing.
func Parse(s string) (Proof, error) {
	p, err := parse(s)
	if err != nil {
		return Proof{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return p, nil
}

func parse(s string) (Proof, error) {
	if len(s) > MaxEncoded {
		return Proof{}, errors.New("over 1,400 characters")
	}
	object, err := decodeBase64(s)
	if err != nil {
		return Proof{}, err
	}
	if len(object) > MaxDecoded {
		return Proof{}, errors.New("over 1,024 bytes")
	}
	m, err := readMembers(object)
	if err != nil {
		return Proof{}, err
	}
	return m.proof()
}

// encodings are the four forms of base64 that a proof may have, by whether it is
// URL-safe and whether it is padded. Strict refuses stray bits at the end: two
// spellings of the same bytes.
var encodings = [2][2]*base64.Encoding{
	{base64.RawStdEncoding.Strict(), base64.StdEncoding.Strict()},
	{base64.RawURLEncoding.Strict(), base64.URLEncoding.Strict()},
}

var (
	errBase64    = errors.New("not base64")
	errSignature = errors.New("signature is not base64 of 64 bytes")
)

func decodeBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // the decoder would skip them
		return nil, errBase64
	}
	urlSafe, padded := 0, 0
	if strings.ContainsAny(s, "-_") {
		urlSafe = 1
	}
	if strings.HasSuffix(s, "=") {
		padded = 1
	}
	decoded, err := encodings[urlSafe][padded].DecodeString(s)
	if err != nil {
		return nil, errBase64
	}
	return decoded, nil
}

// members are a proof's members as they stand in the JSON object.
type members struct {
	seen                        uint8 // one bit for each index of memberNames
	version, timestamp          int64
	keyID, messageID, signature []byte
}

// The members. Their values are indexes of memberNames and bits of members.seen.
const (
	memberVersion = iota
	memberKeyID
	memberTimestamp
	memberMessageID
	memberSignature
)

var memberNames = [...]string{
	memberVersion: "v", memberKeyID: "key_id", memberTimestamp: "timestamp",
	memberMessageID: "message_id", memberSignature: "signature",
}

func readMembers(object []byte) (m members, err error) {
	s := scanner{rest: object}
	if err := s.open(); err != nil {
		return m, err
	}
	for more := true; more; {
		name, err := s.name()
		if err != nil {
			return m, err
		}
		if err := m.read(&s, name); err != nil {
			return m, err
		}
		if more, err = s.next(); err != nil {
			return m, err
		}
	}
	return m, s.end()
}

// read takes the value of the member called name.
func (m *members) read(s *scanner, name []byte) (err error) {
	member := memberOf(name)
	if member < 0 {
		return errors.New("unknown member")
	}
	if m.seen&(1<<member) != 0 {
		return fmt.Errorf("%s stands twice", memberNames[member])
	}
	m.seen |= 1 << member

	switch member {
	case memberVersion:
		m.version, err = s.integer()
	case memberTimestamp:
		m.timestamp, err = s.integer()
	case memberKeyID:
		m.keyID, err = s.text()
	case memberMessageID:
		m.messageID, err = s.text()
	case memberSignature:
		m.signature, err = s.text()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", memberNames[member], err)
	}
	return nil
}

func memberOf(name []byte) int {
	for i, known := range memberNames {
		if string(name) == known {
			return i
		}
	}
	return -1
}

// proof checks the members and makes them a Proof that shares no memory with them.
func (m *members) proof() (Proof, error) {
	const demanded = 1<<memberKeyID | 1<<memberTimestamp | 1<<memberMessageID | 1<<memberSignature
	if m.seen&demanded != demanded {
		return Proof{}, errors.New("a member is missing")
	}
	if m.seen&(1<<memberVersion) == 0 {
		m.version = 1
	}
	if m.version != 1 && m.version != 2 {
		return Proof{}, errors.New("version is neither 1 nor 2")
	}
	if m.timestamp > maxTimestamp {
		return Proof{}, errors.New("timestamp is after the year 9999")
	}
	if len(m.keyID) != 64 || len(bytes.Trim(m.keyID, hexDigits)) != 0 {
		return Proof{}, errors.New("key_id is not 64 hex digits in lower case")
	}
	p := Proof{
		Version: int(m.version), KeyID: string(m.keyID), Timestamp: m.timestamp, MessageID: string(m.messageID),
	}
	if err := checkText(p.Version, "message_id", p.MessageID); err != nil {
		return Proof{}, err
	}
	var err error
	p.Signature, err = decodeSignature(m.signature)
	return p, err
}

func decodeSignature(b64 []byte) ([]byte, error) {
	signature, err := decodeBase64(string(b64))
	if err != nil || len(signature) != ed25519.SignatureSize {
		return nil, errSignature
	}
	return signature, nil
}
