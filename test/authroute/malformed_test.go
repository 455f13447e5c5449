package authroute_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	signettest "signet/test/signet"
)

// grown is how much the memory of an instance may grow over 8,000 malformed requests.
const grown = 16 << 20

// No garbage makes the service answer anything that would help its sender, disturbs
// others, or stays in memory.
func TestTenThousandMalformedPolicyRequestsDoNothing(t *testing.T) {
	t.Parallel()
	f := newOffice(t, signettest.Options{Env: []string{
		"SIGNET_TELEMETRY_LOG_LEVEL=error", "GOGC=50", // what lives is to be seen, not what waits to be collected
	}})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	slowClients(t, f.signet.Policy, 50)
	others := startLoad(t, f.signet.Policy, f.keys["enforce"], 2)

	f.pour(t, 2_000, seed) // what grows once: buffers, pools
	before := f.signet.RSS()
	f.pour(t, 8_000, seed+1)
	after := f.signet.RSS()

	t.Logf("resident memory %d MiB, then %d MiB", before>>20, after>>20)
	if after > before+grown {
		t.Errorf("memory grew from %d to %d MiB", before>>20, after>>20)
	}
	others.more(t, "PREPEND", 20, 5*time.Second)
	if answers, _ := others.end(); len(answers) != 1 {
		t.Errorf("others were answered %v, want PREPEND alone", answers)
	}
	if log := f.signet.Log(); strings.Contains(log, "panic") {
		t.Error("something panicked")
	}
}

// slowClients holds connections in the middle of a request.
func slowClients(t *testing.T, policy string, n int) {
	t.Helper()
	for range n {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", policy)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := conn.Write([]byte("request=smtpd_access_policy\nsender=alice@enf")); err != nil {
			t.Fatal(err)
		}
	}
}

// pour sends n malformed requests, each on a connection of its own, from 8 clients.
func (f *office) pour(t *testing.T, n int, seed uint64) {
	t.Helper()
	proof := f.keys["enforce"].Proof(t)
	var clients sync.WaitGroup
	for client := range 8 {
		clients.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(client)))
			for range n / 8 {
				if err := f.one(t, malform(rnd, proof)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
}

// one sends a request and reads until the end; any answer must be harmless.
func (f *office) one(t *testing.T, request []byte) error {
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", f.signet.Policy)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	_, _ = conn.Write(request) // the service may have ended it already
	_ = conn.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(io.LimitReader(conn, 1<<20))
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return fmt.Errorf("%.200q: neither answered nor closed", request)
	}
	for line := range strings.Lines(string(answer)) {
		if line != "\n" && line != "action=DUNNO\n" && !strings.HasPrefix(line, "action=REJECT ") {
			return fmt.Errorf("%.200q: got %q", request, line)
		}
	}
	return nil
}

// malform returns a request that is broken in one way or several, by chance.
func malform(rnd *rand.Rand, proof string) []byte {
	good := "request=smtpd_access_policy\nprotocol_state=DATA\nclient_address=192.0.2.9\nsender=ceo@enforce.test\n" +
		"instance=a.b.c\nqueue_id=ABC\nsasl_sender=authroute:" + proof + "\n\n"
	switch rnd.IntN(12) {
	case 0: // noise
		b := make([]byte, rnd.IntN(4096))
		for i := range b {
			b[i] = byte(rnd.IntN(256))
		}
		return b
	case 1: // cut
		return []byte(good[:rnd.IntN(len(good))])
	case 2: // no request, another protocol
		return []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	case 3: // a long line
		return []byte("request=" + strings.Repeat("x", 8_000+rnd.IntN(20_000)) + "\n\n")
	case 4: // too many attributes
		return []byte(strings.Repeat("a=b\n", 100+rnd.IntN(2_000)) + good)
	case 5: // no name, no value, no equals sign
		return []byte("=\n\n" + "request\n\n" + good)
	case 6: // attributes twice
		return []byte("sender=alice@enforce.test\n" + good)
	case 7: // another request
		return bytes.Replace([]byte(good), []byte("smtpd_access_policy"), []byte("junk"), 1)
	case 8: // carriage returns
		return bytes.ReplaceAll([]byte(good), []byte("\n"), []byte("\r\n"))
	case 9: // empty requests
		return []byte(strings.Repeat("\n", 1+rnd.IntN(500)))
	default: // some bytes changed
		b := []byte(good)
		for range 1 + rnd.IntN(20) {
			b[rnd.IntN(len(b))] = byte(rnd.IntN(256))
		}
		return b
	}
}
