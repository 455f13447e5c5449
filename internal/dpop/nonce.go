package dpop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// Reason says why a nonce is not good. The words are those of the metrics.
type Reason string

// The reasons.
const (
	Good     Reason = ""
	First    Reason = "first"    // none came along: every client's first request
	Expired  Reason = "expired"  // it was good once
	Unknown  Reason = "unknown"  // nobody who has the key made it for the tenant
	Replayed Reason = "replayed" // it was used before; a store says so, not Nonces
)

// window is by how many steps a nonce may be off, either way: clients send several
// requests with one nonce, and the clocks of instances differ.
const window = 2

// Nonces makes and checks nonces (RFC 9449, section 8) that nobody has to remember: all
// instances that have the key know them. One may be used many times while it is good;
// what may not is the jti of a proof. It is safe for concurrent use.
type Nonces struct {
	key  [32]byte
	step time.Duration
}

// NewNonces returns nonces that are good for ttl at most, and for two thirds of it at
// least. It is at least 3 s.
func NewNonces(key [32]byte, ttl time.Duration) *Nonces {
	return &Nonces{key: key, step: max(ttl/(window+1), time.Second)}
}

// stamp is what a nonce says: when it was made, and in which epoch of the store of used
// proofs.
type stamp struct{ Epoch, Step int64 }

const (
	stampSize = 16
	nonceSize = stampSize + sha256.Size
)

// Issue returns a nonce for clients of the tenant: 64 characters of base64url.
func (n *Nonces) Issue(tenant string, epoch int64, now time.Time) string {
	return base64.RawURLEncoding.EncodeToString(n.seal(tenant, stamp{epoch, n.at(now)}))
}

// Check returns the epoch in which the nonce was issued, and why it is not good. The
// caller refuses epochs that are over. The epoch means something only if the nonce is good.
func (n *Nonces) Check(tenant, nonce string, now time.Time) (epoch int64, why Reason) {
	if nonce == "" {
		return 0, First
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(b) != nonceSize || len(nonce) != base64.RawURLEncoding.EncodedLen(nonceSize) {
		return 0, Unknown
	}
	s := stamp{int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))} //nolint:gosec // as seal wrote them
	if !hmac.Equal(b, n.seal(tenant, s)) {
		return 0, Unknown
	}
	switch age := n.at(now) - s.Step; {
	case age > window:
		return 0, Expired
	case age < -window:
		return 0, Unknown
	}
	return s.Epoch, Good
}

// at returns the number of the step that now lies in.
func (n *Nonces) at(now time.Time) int64 { return now.UnixNano() / int64(n.step) }

// seal returns the stamp and its MAC for the tenant.
func (n *Nonces) seal(tenant string, s stamp) []byte {
	b := make([]byte, stampSize, nonceSize)
	binary.BigEndian.PutUint64(b, uint64(s.Epoch))    //nolint:gosec // all bits are kept
	binary.BigEndian.PutUint64(b[8:], uint64(s.Step)) //nolint:gosec // all bits are kept
	m := hmac.New(sha256.New, n.key[:])
	m.Write([]byte("signet-dpop-nonce:v1\n"))
	m.Write(b)
	m.Write([]byte(tenant)) // last: all before it has a fixed length
	return m.Sum(b)
}
