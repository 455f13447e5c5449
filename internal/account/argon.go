package account

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// cost is what an argon2id hash (RFC 9106) takes to compute.
type cost struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
}

// passwordCost is what new hashes are made with. Hashes of another cost are
// replaced at the next sign-in.
var passwordCost = cost{memory: 19 << 10, time: 2, threads: 1}

const (
	saltSize = 16
	hashSize = 32
)

// phc is an argon2id hash with what it was made of.
type phc struct {
	cost
	salt, hash []byte
}

func hashPassword(password string, c cost) phc {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	return phc{c, salt, c.hash(password, salt)}
}

// newDecoy returns a hash that no password has, and that takes as long to find out.
func newDecoy(c cost) phc {
	p := phc{c, make([]byte, saltSize), make([]byte, hashSize)}
	_, _ = rand.Read(p.salt) // never fails
	_, _ = rand.Read(p.hash)
	return p
}

func (c cost) hash(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, c.time, c.memory, c.threads, hashSize)
}

// matches computes the hash of password, which takes tens of milliseconds.
func (p phc) matches(password string) bool {
	got := p.cost.hash(password, p.salt)
	return subtle.ConstantTimeCompare(got, p.hash) == 1
}

// String returns the hash in the PHC string format, such as
// "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".
func (p phc) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, p.memory, p.time, p.threads, b64(p.salt), b64(p.hash))
}

// parsePHC reads what String wrote. It refuses what argon2 would panic at, and what
// would take more memory (1 GiB) or time than any hash of ours.
func parsePHC(s string) (phc, error) {
	var p phc
	bad := errors.New("stored password hash is not one of argon2id")
	fields := strings.Split(s, "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != "argon2id" || fields[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, bad
	}
	if _, err := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return p, bad
	}
	var err error
	if p.salt, err = base64.RawStdEncoding.DecodeString(fields[4]); err != nil {
		return p, bad
	}
	if p.hash, err = base64.RawStdEncoding.DecodeString(fields[5]); err != nil {
		return p, bad
	}
	if p.memory > 1<<20 || p.time < 1 || p.time > 100 || p.threads < 1 || len(p.hash) != hashSize {
		return p, bad
	}
	return p, nil
}
