package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
)

const (
	keySize   = 32 // AES-256
	idSize    = 8
	checkSize = 8
	gcmTag    = 16
)

// The header: version, key id, key check, nonce, wrapped data key. Version and
// id are authenticated with the data key. The check stands outside, since it tells
// a wrong master key from damage; it also commits to the key, which GCM alone does not.
const (
	version1   = 1
	nameSize   = 1 + idSize
	plainSize  = nameSize + checkSize
	headerSize = plainSize + nonceSize + keySize + gcmTag
)

// Key is a master key. Printing it shows its id only.
type Key struct {
	id     string // 16 hex digits
	secret string // 32 bytes; a string, so that copies of a Key share nothing that changes
}

// NewKey returns a random key with a random id.
func NewKey() Key {
	return Key{id: hex.EncodeToString(random(idSize)), secret: string(random(keySize))}
}

// ID returns the name of the key: 16 lower-case hex digits, chosen at random.
func (k Key) ID() string { return k.id }

// Fingerprint tells this key from every other with the same id and gives nothing
// of it away: 32 bytes.
func (k Key) Fingerprint() []byte { return k.expand("fingerprint", keySize) }

// String names the key and hides its secret.
func (k Key) String() string { return "master key " + k.id }

// GoString hides the secret too.
func (k Key) GoString() string { return "seal.Key(" + k.id + ")" }

func (k Key) expand(purpose string, size int) []byte {
	return expand([]byte(k.secret), "master "+purpose, size)
}

// header is the part of a sealed value that a rotation replaces.
type header []byte

func (h header) id() string     { return hex.EncodeToString(h[1 : 1+idSize]) }
func (h header) name() []byte   { return h[:nameSize] }
func (h header) check() []byte  { return h[nameSize:plainSize] }
func (h header) nonce() []byte  { return h[plainSize : plainSize+nonceSize] }
func (h header) sealed() []byte { return h[plainSize+nonceSize:] }

func parse(sealed []byte) (header, []byte, error) {
	if len(sealed) < Overhead {
		return nil, nil, fmt.Errorf("%w: %d bytes are too few", ErrDamaged, len(sealed))
	}
	if sealed[0] != version1 {
		return nil, nil, fmt.Errorf("%w: version %d is not known", ErrDamaged, sealed[0])
	}
	return header(sealed[:headerSize]), sealed[headerSize:], nil
}

// KeyID returns the id of the master key that a value is sealed under, and ""
// where the value is too damaged to say.
func KeyID(sealed []byte) string {
	h, _, err := parse(sealed)
	if err != nil {
		return ""
	}
	return h.id()
}

func (k Key) wrap(dataKey []byte) header {
	id, _ := hex.DecodeString(k.id) // every constructor has checked it
	h := make(header, 0, Overhead)
	h = append(append(append(h, version1), id...), k.expand("check", checkSize)...)
	h = append(h, random(nonceSize)...)
	return k.gcm().Seal(h, h.nonce(), dataKey, h.name())
}

func (k Key) unwrap(h header) ([]byte, error) {
	sameKey := subtle.ConstantTimeCompare(h.check(), k.expand("check", checkSize)) == 1
	dataKey, err := k.gcm().Open(nil, h.nonce(), h.sealed(), h.name())
	switch {
	case err == nil && sameKey:
		return dataKey, nil
	case err != nil && !sameKey:
		return nil, fmt.Errorf("%w: another key has the id %s", ErrWrongKey, k.id)
	}
	return nil, fmt.Errorf("%w: its data key does not unwrap", ErrDamaged)
}

func (k Key) gcm() cipher.AEAD { return newGCM(k.expand("wrap", keySize)) }

// newGCM returns AES-256-GCM (NIST SP 800-38D). The key must have 32 bytes.
func newGCM(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("seal: " + err.Error())
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("seal: " + err.Error())
	}
	return aead
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it ends the process where the system has no randomness
	return b
}
