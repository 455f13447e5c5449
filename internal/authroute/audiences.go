package authroute

import (
	"crypto/ed25519"
	"errors"
	"time"

	"signet/authproof"
)

// audiences are the names that a version 2 proof may be made for. A proof does not
// say which it is, and each that is tried costs a verification: so the name comes
// first that fitted the key's last proof.
type audiences struct {
	names []string
	last  *memory[string, int] // index into names, by key id
}

const (
	maxLastAudiences = 65_536
	keepLastAudience = time.Hour
)

// newAudiences has any relay come before names: most proofs are made for it.
func newAudiences(names []string, now func() time.Time) *audiences {
	names = append([]string{authproof.AnyRelay}, names...)
	return &audiences{names: names, last: newMemory[string, int](maxLastAudiences, keepLastAudience, now)}
}

// verify is [authproof.Proof.Verify] with these audiences.
func (a *audiences) verify(p authproof.Proof, pub ed25519.PublicKey, sender string, now time.Time, window time.Duration) error {
	if p.Version == 1 {
		return p.Verify(pub, sender, nil, now, window)
	}
	last, _ := a.last.get(p.KeyID)
	for n := range a.names {
		i := (last + n) % len(a.names)
		err := p.Verify(pub, sender, a.names[i:i+1], now, window)
		if errors.Is(err, authproof.ErrSignature) {
			continue
		}
		if err == nil && i != last {
			a.last.put(p.KeyID, i)
		}
		return err
	}
	return authproof.ErrSignature
}
