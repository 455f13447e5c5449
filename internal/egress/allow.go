package egress

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"signet/internal/fault"
)

// ErrAllow means that an entry of the allow-list cannot be read.
var ErrAllow = fault.New(fault.Invalid, "is neither a network (10.0.0.0/8) nor a host with its port (peer.internal:8443)")

// allowList is what may be reached besides the open Internet.
type allowList struct {
	networks []netip.Prefix
	hosts    []string // host:port in lower case
}

func parseAllow(entries []string) (allowList, error) {
	var l allowList
	for _, e := range entries {
		if p, err := netip.ParsePrefix(e); err == nil {
			l.networks = append(l.networks, p.Masked())
			continue
		}
		host, port, err := net.SplitHostPort(e)
		if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 || host == "" {
			return allowList{}, ErrAllow.At(strconv.Quote(e))
		}
		l.hosts = append(l.hosts, strings.ToLower(net.JoinHostPort(host, port)))
	}
	return l, nil
}

// host reports whether host:port is listed: then its port and address are free.
func (l allowList) host(hostPort string) bool {
	return slices.Contains(l.hosts, strings.ToLower(hostPort))
}

// address reports whether an address is in a listed network. What counts is the
// address that is reached in the end.
func (l allowList) address(a netip.Addr) bool {
	outer, inner := a.Unmap().WithZone(""), embedded(a)
	return slices.ContainsFunc(l.networks, func(p netip.Prefix) bool { return p.Contains(outer) || p.Contains(inner) })
}
