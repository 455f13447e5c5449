// Package seal encrypts secrets at rest: provider passwords, private keys, TOTP
// seeds.
//
// Each value has a data key of its own, wrapped by a master key, so a rotation
// of the master key rewrites 90 bytes a value and never its content. A value is
// bound to its context, the place and purpose it was sealed for: moved to
// another row it does not open.
//
// [Sealer] is the way in. [Ring] holds the master keys, [Rotate] replaces them.
package seal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Why a sealed value does not open. None of them says anything of its content.
var (
	ErrDamaged    = errors.New("sealed value is damaged")
	ErrContext    = errors.New("sealed value belongs to another place or purpose")
	ErrUnknownKey = errors.New("master key is not in the key file")
	ErrWrongKey   = errors.New("master key is not the one that was used")
)

// Sealer seals and opens values. It is safe for concurrent use.
type Sealer struct {
	ring *Ring
	root []byte
}

// New returns a sealer over the keys of r. It cannot Derive: see [Attach].
func New(r *Ring) *Sealer { return &Sealer{ring: r} }

// Context joins what a value is bound to: table, column, row id, and what the
// secret is good for, such as a host. No two lists of parts give the same text.
func Context(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(strconv.Itoa(len(p)))
		b.WriteByte(':')
		b.WriteString(p)
	}
	return b.String()
}

// Seal encrypts plaintext under the current master key. The same context must
// be given to open it. The result is Overhead bytes longer than plaintext. An error means
// that the key file changed and cannot be read.
func (s *Sealer) Seal(plaintext []byte, context string) ([]byte, error) {
	k, err := s.ring.Current()
	if err != nil {
		return nil, err
	}
	dataKey := random(keySize)
	return append(k.wrap(dataKey), sealBody(dataKey, plaintext, context)...), nil
}

// Open returns the plaintext of a value that Seal made for context. Its errors
// wrap ErrDamaged, ErrContext, ErrUnknownKey or ErrWrongKey.
func (s *Sealer) Open(sealed []byte, context string) ([]byte, error) {
	dataKey, body, err := s.unwrap(sealed)
	if err != nil {
		return nil, err
	}
	return openBody(dataKey, body, context)
}

// Rewrap returns the value under the current master key, and whether that
// changed it. Only the wrapped data key is new. A value that would not open for
// context is an error, so that a rotation finds what was damaged long ago.
func (s *Sealer) Rewrap(sealed []byte, context string) ([]byte, bool, error) {
	k, err := s.ring.Current()
	if err != nil {
		return nil, false, err
	}
	return s.rewrapTo(k, sealed, context)
}

func (s *Sealer) rewrapTo(k Key, sealed []byte, context string) ([]byte, bool, error) {
	dataKey, body, err := s.unwrap(sealed)
	if err != nil {
		return nil, false, err
	}
	if _, err := openBody(dataKey, body, context); err != nil {
		return nil, false, err
	}
	if KeyID(sealed) == k.id {
		return sealed, false, nil
	}
	return append(k.wrap(dataKey), body...), true, nil
}

// Derive returns a key of 32 bytes for the purpose that label names (HKDF-SHA-256,
// RFC 5869). It comes from a root secret in the database, not from the master
// key, so it stays the same through every rotation. Only a Sealer from [Attach]
// has the root; Derive panics on any other.
func (s *Sealer) Derive(label string) []byte {
	if s.root == nil {
		panic("seal: Derive needs a Sealer from Attach")
	}
	return expand(s.root, "derive "+label, keySize)
}

// unwrap finds the master key of a value and returns its data key and the rest.
func (s *Sealer) unwrap(sealed []byte) (dataKey, body []byte, err error) {
	h, body, err := parse(sealed)
	if err != nil {
		return nil, nil, err
	}
	k, err := s.ring.Key(h.id())
	if err != nil {
		return nil, nil, err
	}
	dataKey, err = k.unwrap(h)
	return dataKey, body, err
}

// The body: context tag, nonce, ciphertext. The context is authenticated with
// the ciphertext; the tag only tells a wrong context from damage.
const (
	tagSize   = 16
	nonceSize = 12
	bodySize  = tagSize + nonceSize + gcmTag
)

// Overhead is by how many bytes a sealed value is longer than its plaintext.
const Overhead = headerSize + bodySize

func sealBody(dataKey, plaintext []byte, context string) []byte {
	out := append(contextTag(dataKey, context), random(nonceSize)...)
	return newGCM(expand(dataKey, "body", keySize)).Seal(out, out[tagSize:], plaintext, []byte(context))
}

func openBody(dataKey, body []byte, context string) ([]byte, error) {
	tag, nonce, text := body[:tagSize], body[tagSize:tagSize+nonceSize], body[tagSize+nonceSize:]
	plaintext, err := newGCM(expand(dataKey, "body", keySize)).Open(nil, nonce, text, []byte(context))
	sameTag := subtle.ConstantTimeCompare(tag, contextTag(dataKey, context)) == 1
	switch {
	case err == nil && sameTag:
		return plaintext, nil
	case err != nil && !sameTag:
		return nil, ErrContext
	}
	return nil, ErrDamaged
}

func contextTag(dataKey []byte, context string) []byte {
	m := hmac.New(sha256.New, expand(dataKey, "context", keySize))
	m.Write([]byte(context))
	return m.Sum(nil)[:tagSize:tagSize]
}

// expand derives a key for one purpose (RFC 5869, section 2.3). The input is
// uniformly random already, so the extract step has nothing to do.
func expand(secret []byte, purpose string, size int) []byte {
	out, err := hkdf.Expand(sha256.New, secret, "signet seal v1 "+purpose, size)
	if err != nil {
		panic(fmt.Sprintf("seal: derive %d bytes: %v", size, err)) // only for sizes over 8,160
	}
	return out
}
