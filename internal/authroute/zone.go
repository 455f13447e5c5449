package authroute

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxString is how long one string of a TXT record may be (RFC 1035, section 3.3).
const maxString = 255

// Zone is what an installation publishes in the DNS.
type Zone struct {
	Domains []Domain // hosted ones
	Keys    []Key    // of their users
	Node    ed25519.PublicKey
	Origin  string
}

// Lines returns the records in the form of a zone file (RFC 1035, section 5): for
// each hosted domain one that names the installation, and one for each key. Keys of
// other domains, and those without a DNS name, are left out.
func (z Zone) Lines() (lines []string, err error) {
	for _, d := range z.Domains {
		if !d.Hosted {
			continue
		}
		domain, err := asciiDomain(d.Name)
		if err != nil {
			return nil, fmt.Errorf("domain %q: %w", d.Name, err)
		}
		lines = append(lines, line("_authroute."+domain+".", fmt.Sprintf("v=%s; k=ed25519; p=%s; u=%s; policy=%s",
			recordVersion, encodeKey(z.Node), z.Origin, cmp.Or(d.Mode, Monitor))))
		for _, k := range z.Keys {
			name, err := KeyName(k.Address)
			if k.Domain() == d.Name && err == nil {
				lines = append(lines, line(name, RecordOf(k).String()))
			}
		}
	}
	return lines, nil
}

// line returns a TXT record. No text of ours holds a quote or a backslash.
func line(name, text string) string {
	var quoted strings.Builder
	for part := range slices.Chunk([]byte(text), maxString) {
		fmt.Fprintf(&quoted, " %q", part)
	}
	return fmt.Sprintf("%s %d IN TXT%s", name, RecordTTL, quoted.String())
}

// AllLive returns every subkey that may sign now, by address and then by age.
func (s *Keyset) AllLive(now time.Time) []Key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []Key
	for _, k := range s.byID {
		if k.Type == Subkey && k.Revoked.IsZero() && now.Before(k.Expires) {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b Key) int {
		return cmp.Or(strings.Compare(a.Address, b.Address), a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	return all
}
