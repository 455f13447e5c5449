package egress

import "net/netip"

// special lists what the IANA special-purpose address registries (RFC 6890, as of
// 2025) do not call globally reachable, and multicast. Blocks inside a listed one
// that are reachable, such as 192.0.0.9 or 2001:20::/28, serve no HTTPS and stay refused.
var special = prefixes(
	"0.0.0.0/8",       // this network, RFC 791
	"10.0.0.0/8",      // private use, RFC 1918
	"100.64.0.0/10",   // shared address space of carriers, RFC 6598
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link local, and the metadata services of clouds, RFC 3927
	"172.16.0.0/12",   // private use
	"192.0.0.0/24",    // IETF protocol assignments, RFC 6890
	"192.0.2.0/24",    // documentation, RFC 5737
	"192.88.99.0/24",  // 6to4 relays, RFC 7526
	"192.168.0.0/16",  // private use
	"198.18.0.0/15",   // benchmarking, RFC 2544
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, and broadcast

	"2001::/23",     // IETF protocol assignments: Teredo, ORCHID, RFC 2928
	"2001:db8::/32", // documentation, RFC 3849
	"2002::/16",     // 6to4, which holds an IPv4 address, RFC 3056
	"3fff::/20",     // documentation, RFC 9637
)

// global is all that is allocated as IPv6 unicast: everything else (loopback,
// IPv4-compatible, 64:ff9b:1::/48, 100::/64, 5f00::/16, fc00::/7, fe80::/10, ff00::/8)
// is refused without a list.
var global = netip.MustParsePrefix("2000::/3")

// nat64 is the well-known prefix of translators (RFC 6052): the last 32 bits are
// an IPv4 address, which is the one that is reached.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// public reports whether an address is one of the open Internet.
func public(a netip.Addr) bool {
	a = embedded(a)
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return a.Is4() || global.Contains(a)
}

// embedded returns the IPv4 address that an IPv4-mapped or NAT64 address reaches,
// and any other address as it is.
func embedded(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		out[i] = netip.MustParsePrefix(t)
	}
	return out
}
