package egress

import (
	"net/netip"
	"testing"
)

func TestOnlyAddressesOfTheOpenInternetArePublic(t *testing.T) {
	inside := []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
		"169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.8", "192.0.0.170", "192.0.2.1", "192.88.99.1",
		"192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::1%lo", "::127.0.0.1", "::8.8.8.8", // IPv4-compatible
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", // IPv4-mapped
		"64:ff9b::127.0.0.1", "64:ff9b::10.1.2.3", "64:ff9b::169.254.169.254", "64:ff9b::100.64.0.1", // NAT64
		"64:ff9b:1::8.8.8.8", "64:ff9b:1:ffff::1", // NAT64 of the local network
		"100::1", "100:0:0:1::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", // discard, dummy, Teredo
		"2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::1", "2002:a00:1::", "2002:808:808::1", // 6to4
		"3fff::1", "3fff:fff::1", "5f00::1", "fc00::1", "fd12:3456:789a::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "4000::1", "e000::1",
	}
	outside := []string{
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255",
		"169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
		"::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2001:200::1", "2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e", "2003::1", "3ffe:ffff::1",
	}
	for _, a := range inside {
		if public(netip.MustParseAddr(a)) {
			t.Errorf("%s is public, want refused", a)
		}
	}
	for _, a := range outside {
		if !public(netip.MustParseAddr(a)) {
			t.Errorf("%s is refused, want public", a)
		}
	}
}

func TestAllowListHoldsTheAddressThatIsReached(t *testing.T) {
	l, err := parseAllow([]string{"10.1.0.0/16", "fd00:1::/32", "Peer.Internal:8443", "[::1]:9000"})
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "64:ff9b::10.1.2.3": true, "fd00:1::5": true, "fd00:1::5%eth0": true,
		"10.2.0.1": false, "fd00:2::1": false, "::10.1.2.3": false, "2002:a01:203::1": false,
	} {
		if got := l.address(netip.MustParseAddr(a)); got != want {
			t.Errorf("address %s: got %t, want %t", a, got, want)
		}
	}
	for h, want := range map[string]bool{
		"peer.internal:8443": true, "PEER.internal:8443": true, "[::1]:9000": true,
		"peer.internal:443": false, "x.peer.internal:8443": false, "[::1]:9001": false,
	} {
		if got := l.host(h); got != want {
			t.Errorf("host %s: got %t, want %t", h, got, want)
		}
	}
}
