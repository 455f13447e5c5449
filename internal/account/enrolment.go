package account

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
)

// enrolment is an authenticator app that waits for its first code: what its page shows,
// and to whom. It is sealed as one; of an app that is set up the secret alone is kept.
type enrolment struct {
	secret []byte // totpSecret bytes
	seed   []byte // of the recovery codes: recoverySeed bytes each
	holder []byte // SHA-256 of the session or browser that began
}

func newEnrolment(holder string) enrolment {
	e := enrolment{secret: make([]byte, totpSecret), seed: make([]byte, RecoveryCodes*recoverySeed), holder: holderHash(holder)}
	_, _ = rand.Read(e.secret) // never fails
	_, _ = rand.Read(e.seed)
	return e
}

func holderHash(holder string) []byte {
	h := sha256.Sum256([]byte(holder))
	return h[:]
}

func (e enrolment) isOf(holder string) bool {
	return subtle.ConstantTimeCompare(e.holder, holderHash(holder)) == 1
}

func (e enrolment) bytes() []byte { return slices.Concat(e.secret, e.seed, e.holder) }

// readEnrolment is the reverse of bytes; false where it is a secret alone.
func readEnrolment(b []byte) (enrolment, bool) {
	const seeds = totpSecret + RecoveryCodes*recoverySeed
	if len(b) != seeds+sha256.Size {
		return enrolment{}, false
	}
	return enrolment{secret: b[:totpSecret], seed: b[totpSecret:seeds], holder: b[seeds:]}, true
}

// codes returns the recovery codes of the seed.
func (e enrolment) codes() []string {
	var codes []string
	for one := range slices.Chunk(e.seed, recoverySeed) {
		codes = append(codes, recoveryCode(one))
	}
	return codes
}
