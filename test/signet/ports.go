package signettest

import (
	"context"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// The offsets from the base port, as signet dev has them.
const (
	publicPort = iota
	objectsPort
	policyPort
	milterPort
	operationsPort
	submissionPort
	dnsPort
	providerPort
	mtlsPort
	internalPort
	portCount
)

// FreePorts returns the first of ten neighbouring ports that are free now. They lie
// below those that the kernel gives out itself.
func FreePorts(t testing.TB) int {
	t.Helper()
	const first, blocks = 20_000, 1_200
	for range 100 {
		if base := first + portCount*rand.IntN(blocks); allFree(base) { //nolint:gosec // no secret
			return base
		}
	}
	t.Fatal("no ten free ports")
	return 0
}

func allFree(base int) bool {
	for offset := range portCount {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", loopback(base+offset))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
