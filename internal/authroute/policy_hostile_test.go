package authroute_test

import (
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/authproof"
	"signet/internal/authroute"
)

// hostile makes malformed requests from a seed: parts of good ones, mangled.
type hostile struct {
	*mathrand.Rand
	proof string // a good one
}

var hostileNames = []string{
	"request", "protocol_state", "protocol_name", "client_address", "sender", "recipient", "instance", "queue_id", "size",
	"recipient_count", "sasl_sender", "sasl_method", "action", "", " ", "Sender", "sender ", "\xff\xfe", "x\x00y", strings.Repeat("n", 300),
}

func (h hostile) value() string {
	values := []string{
		"smtpd_access_policy", "RCPT", "DATA", "MAIL", "VRFY", "alice@example.org", "<>", "", "@", "alice", "a@b@example.org",
		"alice+ap=" + h.proof + "@example.org", "alice+ap=@example.org", "+ap=x@example.org", "alice+AP=x+ap=y@example.org",
		"authroute:" + h.proof, "authroute:" + h.proof[:h.IntN(len(h.proof))], "authroute:", "authroute:malformed", "authroute:" + strings.Repeat("A", 3000),
		"-1", "99999999999999999999", "0x10", "1e9", "\xc3\x28", "\x1b[31m", "a=b=c", "action=OK", "OK", "DUNNO",
		"127.0.0.1", "::1", "fe80::1%eth0", "999.1.1.1", strings.Repeat("v", h.IntN(9000)), "\r", "alice@\xff.org", "alice@example.org\r",
	}
	return values[h.IntN(len(values))]
}

// next returns one request, and whether it may be one that a service can read.
func (h hostile) next() string {
	var lines []string
	if h.IntN(4) > 0 {
		lines = append(lines, "request=smtpd_access_policy", "protocol_state="+[]string{"RCPT", "DATA", "MAIL"}[h.IntN(3)])
	}
	for range h.IntN(12) {
		lines = append(lines, hostileNames[h.IntN(len(hostileNames))]+"="+h.value())
	}
	if h.IntN(20) == 0 {
		lines = append(lines, slices.Repeat([]string{"a=b"}, 200)...)
	}
	text := []byte(strings.Join(lines, "\n") + "\n\n")
	switch h.IntN(4) {
	case 0: // flip some bytes
		for range 1 + h.IntN(5) {
			text[h.IntN(len(text))] = byte(h.UintN(256))
		}
	case 1: // cut it off
		text = text[:h.IntN(len(text))]
	case 2: // say a part twice
		at := h.IntN(len(text))
		text = slices.Insert(text, at, text[:at]...)
	}
	return string(text)
}

func TestTenThousandMalformedRequestsDoNoHarm(t *testing.T) {
	const total, clients = 10_000, 20
	in := anInstance(t, authroute.VerifierConfig{})
	alice := in.register(t, "alice", "alice@example.org")
	run(t, in.bus.Run)
	run(t, in.keys.Run)
	s := serve(t, authroute.PolicyConfig{Tagged: true, Deadline: 10 * time.Second}, in.verifier.Judge)
	good := dial(t, s.l.Addr())
	_ = good.SetDeadline(time.Now().Add(5 * time.Minute))
	proof := func(n int) string {
		return in.sign(t, alice.subkey, authproof.Claims{Sender: "alice@example.org", MessageID: fmt.Sprintf("<%d@x>", n), Timestamp: time.Now()})
	}
	stolen := in.sign(t, alice.subkey, authproof.Claims{Sender: "mallory@example.org"})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)

	warm := heap()
	var group sync.WaitGroup
	for n := range clients {
		group.Go(func() {
			h := hostile{mathrand.New(mathrand.NewPCG(seed, uint64(n))), stolen}
			for range total / clients {
				h.attack(t, s)
			}
		})
	}
	for n := range 100 {
		got := good.ask(t, fmt.Sprint("instance=good", n), "sasl_sender=authroute:"+proof(n))
		if want := "PREPEND Authenticated-Routing: pass key-id=" + keyID(alice.subkey); got != want {
			t.Errorf("an honest mail meanwhile: got %q, want %q", got, want)
		}
	}
	group.Wait()
	if grown := heap() - warm; grown > 32<<20 {
		t.Errorf("%d MiB more than before", grown>>20)
	}
	eventually(t, "all connections but one are closed", func() bool { return s.metric(t, "authroute_policy_connections") == 1 })
	if n := s.metric(t, "authroute_default_actions_total reason=panic"); n != 0 {
		t.Errorf("%v panics", n)
	}
	if s.metric(t, "authroute_policy_malformed_total") < total/10 {
		t.Error("hardly any request was malformed: the test does not test")
	}
}

// attack sends one malformed request on a connection of its own and looks at what comes back.
func (h hostile) attack(t *testing.T, s *service) {
	text := h.next()
	c := dial(t, s.l.Addr())
	defer c.Close()
	_, _ = c.Write([]byte(text))
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	reply, _ := io.ReadAll(c)
	for answer := range strings.SplitSeq(string(reply), "\n\n") {
		verb, _, _ := strings.Cut(strings.TrimPrefix(answer, "action="), " ")
		switch {
		case answer == "", verb == "DUNNO", verb == "REJECT":
		default:
			t.Errorf("%q was answered by %q", text, answer)
		}
	}
}

// heap returns how many bytes live after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
