package app

import (
	"net/http"
	"net/netip"
	"time"

	"signet/internal/fault"
	"signet/internal/limit"
	"signet/internal/ticket"
)

// What one address may ask of a listener: far more than a person or a verifier
// needs, far less than a laptop can send.
const (
	edgeRate    = 3000    // a minute
	objectsRate = 120_000 // of the S3 API: jobs copy many small files
	edgeAddrs   = 100_000
)

// edge bounds how often one address asks. Loopback is not bounded: a proxy there
// that nobody listed in server.trustedProxies would make all clients one.
type edge struct{ buckets *limit.Memory }

func newEdge(rate int) edge { return edge{limit.NewMemory(limit.PerMinute(rate), edgeAddrs)} }

// Allow implements web.Limiter.
func (e edge) Allow(r *http.Request) (retry time.Duration, ok bool) {
	address, err := netip.ParseAddr(ticket.RequestFrom(r.Context()).Address)
	if err != nil || address.Unmap().IsLoopback() {
		return 0, true
	}
	// An IPv6 client has a whole /64 to ask from (RFC 4291, section 2.5.4).
	network := netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen())
	if address.Is6() && !address.Is4In6() {
		network = netip.PrefixFrom(address, 64).Masked()
	}
	if err := e.buckets.Take(network.String()); err != nil {
		refused, _ := fault.As(err)
		return refused.Retry, false
	}
	return 0, true
}
