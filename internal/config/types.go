package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span, written like 300ms, 5m, 36h or 90d.
type Duration time.Duration

// D returns the span.
func (d Duration) D() time.Duration { return time.Duration(d) }

// UnmarshalText reads a span of zero or more.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			*d = Duration(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration (try 5m)", s)
	}
	*d = Duration(v)
	return nil
}

// String writes whole days as days.
func (d Duration) String() string {
	if h := d.D(); h > 0 && h%(24*time.Hour) == 0 {
		return strconv.Itoa(int(h/(24*time.Hour))) + "d"
	}
	s := d.D().String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Prefix is a network in CIDR form; a bare address is a network of one.
type Prefix struct{ netip.Prefix }

// UnmarshalText reads a network.
func (p *Prefix) UnmarshalText(text []byte) (err error) {
	s := string(text)
	if a, err := netip.ParseAddr(s); err == nil {
		p.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	p.Prefix, err = netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf("%q is not a network (try 192.0.2.0/24)", s)
	}
	p.Prefix = p.Masked()
	return nil
}

// Prefixes returns the networks of a list.
func Prefixes(list []Prefix) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, p := range list {
		out[i] = p.Prefix
	}
	return out
}

// Secret is a value that no output shows.
type Secret string

// Reveal returns the value.
func (s Secret) Reveal() string { return string(s) }

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(secret)"
}

// GoString hides the value from %#v too.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the value from every encoder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText keeps the value.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}
