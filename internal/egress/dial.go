package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

type dialFunc func(ctx context.Context, network, hostPort string) (net.Conn, error)

// dial connects to an address that may be reached by https.
func (c *Client) dial(ctx context.Context, network, hostPort string) (net.Conn, error) {
	return c.connect(ctx, network, hostPort, func(a netip.AddrPort) error {
		switch {
		case c.allow.host(hostPort), c.loopback && a.Addr().Unmap().IsLoopback():
			return nil
		case !slices.Contains(c.ports, int(a.Port())):
			return fmt.Errorf("port %d is not listed", a.Port())
		case !public(a.Addr()) && !c.allow.address(a.Addr()):
			return fmt.Errorf("address %s is not public", a.Addr())
		}
		return nil
	})
}

// dialLoopback connects to this machine only.
func (c *Client) dialLoopback(ctx context.Context, network, hostPort string) (net.Conn, error) {
	return c.connect(ctx, network, hostPort, func(a netip.AddrPort) error {
		if !a.Addr().Unmap().IsLoopback() {
			return fmt.Errorf("address %s is not loopback", a.Addr())
		}
		return nil
	})
}

// connect asks may for each address that the name gave, just before its connection
// is made: there is no time between the check and the use.
func (c *Client) connect(ctx context.Context, network, hostPort string, may func(netip.AddrPort) error) (net.Conn, error) {
	d := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return may(a)
	}}
	return d.DialContext(ctx, network, hostPort)
}
