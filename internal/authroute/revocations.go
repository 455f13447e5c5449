package authroute

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"signet/internal/fault"
)

const (
	// listRenewed is how often the list is dated anew without a change, so that
	// all instances sign the same bytes.
	listRenewed = 5 * time.Minute
	// listGood is how long a list may be believed.
	listGood = time.Hour
)

// ErrStaleList means that a list could miss a revocation.
var ErrStaleList = fault.New(fault.Unavailable, "the store has not answered lately, so the list could miss a revocation")

// RevocationList is the signed list of revoked keys.
type RevocationList struct {
	Version     string
	Updated     time.Time
	NextUpdate  time.Time
	Sequence    int64
	Revocations []Revocation
	Signature   string // standard base64, by the installation's key over [ListText]
}

// Revocation is one entry of the list.
type Revocation struct {
	KeyID   string
	Domain  string
	Revoked time.Time
	Reason  Reason

	sequence int64
}

// ListText is what the installation signs: the head, and one line an entry, sorted.
func ListText(l RevocationList) []byte {
	lines := make([]string, len(l.Revocations))
	for i, e := range l.Revocations {
		lines[i] = e.KeyID + " " + formatTime(e.Revoked) + "\n"
	}
	slices.Sort(lines)
	return fmt.Appendf(nil, "authroute-revocations:v1\n%d\n%s\n%s\n%s",
		l.Sequence, formatTime(l.Updated), formatTime(l.NextUpdate), strings.Join(lines, ""))
}

// Signer signs for the installation.
type Signer interface{ Sign(message []byte) []byte }

// Revocations lists what was revoked after a sequence, 0 for everything. The
// signature is over the whole list always: who asked for the rest adds it to what
// they have, so that a part can never pass for the whole. Two instances give the
// same bytes.
func Revocations(s *Keyset, signer Signer, since int64, now time.Time) RevocationList {
	l := s.revocationList(now)
	for _, k := range s.Revocations(0) {
		if k.Revoked.After(l.Updated) {
			l.Updated = k.Revoked.Truncate(time.Second)
		}
		l.Sequence = max(l.Sequence, k.Sequence)
		l.Revocations = append(l.Revocations, Revocation{
			KeyID: k.ID, Domain: k.Domain(), Revoked: k.Revoked, Reason: k.Reason, sequence: k.Sequence,
		})
	}
	l.NextUpdate = l.Updated.Add(listGood)
	l.Signature = base64.StdEncoding.EncodeToString(signer.Sign(ListText(l)))
	l.Revocations = slices.DeleteFunc(l.Revocations, func(r Revocation) bool { return r.sequence <= since })
	return l
}

// revocationList returns the head of the list.
func (s *Keyset) revocationList(now time.Time) RevocationList {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return RevocationList{
		Version: "1.0", Updated: now.UTC().Truncate(listRenewed), Sequence: s.base, Revocations: []Revocation{},
	}
}

// Publisher signs the list once for each change and date, however many ask.
type Publisher struct {
	keys   *Keyset
	signer Signer

	mu     sync.Mutex
	signed map[int64]RevocationList // by since
	of     listVersion
}

type listVersion struct {
	sequence int64
	slot     time.Time
}

// maxSigned bounds the lists that are kept for different since.
const maxSigned = 64

// NewPublisher returns a publisher of what keys knows.
func NewPublisher(keys *Keyset, signer Signer) *Publisher {
	return &Publisher{keys: keys, signer: signer}
}

// List returns the list after a sequence, as of now. It returns ErrStaleList where the
// store has not answered lately: such a list could miss a revocation.
func (p *Publisher) List(since int64, now time.Time) (RevocationList, error) {
	if !p.keys.Fresh(now) {
		return RevocationList{}, ErrStaleList.After(freshFor)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	version := listVersion{p.keys.Sequence(), now.UTC().Truncate(listRenewed)}
	if p.of != version || len(p.signed) >= maxSigned {
		p.of, p.signed = version, map[int64]RevocationList{}
	}
	l, ok := p.signed[since]
	if !ok {
		l = Revocations(p.keys, p.signer, since, now)
		p.signed[since] = l
	}
	return l, nil
}
