package authroute

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// listRenewed is how often the list is dated anew without a change, so that
	// all instances sign the same bytes.
	listRenewed = 5 * time.Minute
	// listGood is how long a list may be believed.
	listGood = time.Hour
)

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

// Revocations lists what was revoked after a sequence, 0 for everything, signed.
// Two instances give the same bytes.
func Revocations(s *Keyset, signer Signer, since int64, now time.Time) RevocationList {
	all := s.Revocations(0)
	l := RevocationList{Version: "1.0", Updated: now.UTC().Truncate(listRenewed), Revocations: []Revocation{}}
	for _, k := range all {
		if k.Revoked.After(l.Updated) {
			l.Updated = k.Revoked.Truncate(time.Second)
		}
		l.Sequence = k.Sequence
		if k.Sequence > since {
			l.Revocations = append(l.Revocations, Revocation{KeyID: k.ID, Domain: k.Domain(), Revoked: k.Revoked, Reason: k.Reason})
		}
	}
	l.NextUpdate = l.Updated.Add(listGood)
	l.Signature = base64.StdEncoding.EncodeToString(signer.Sign(ListText(l)))
	return l
}
