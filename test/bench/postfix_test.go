//go:build bench

package bench

import (
	"context"
	"fmt"
	"net"
	"net/textproto"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"signet/test/postfix"
	signettest "signet/test/signet"
)

const (
	mails    = 600 // in one turn
	turns    = 20  // of each side; the medians count
	sessions = 20
	// arriveWithin bounds one measurement.
	arriveWithin = 2 * time.Minute
)

// Real mail, end to end: from the first connection to the arrival of the last mail at
// the next hop, by a Postfix that asks us by the UNIX socket, as is recommended on one
// machine, by one that asks us by TCP, by one that asks a responder which does one bare
// Ed25519 verification for each mail, and by one that asks nobody.
func TestBenchPostfixWithAndWithoutUs(t *testing.T) {
	const bar = 0.9
	socket := filepath.Join(postfix.SocketDir(t), "policy.sock")
	n := signettest.New(t, signettest.Options{Config: "authroute: {domains: {enforce.test: {mode: enforce}}}", Env: []string{"SIGNET_AUTHROUTE_POLICY_SOCKET=" + socket}})
	n.BootstrapAdmin("root@enforce.test")
	d := n.Start()
	alice := n.NewUser(d, "alice@enforce.test")
	key := alice.NewKey(t, alice.Email)
	d.AwaitKeys(t, key)
	bare := startResponder(t, "verify")
	for name, give := range map[string]func(t *testing.T, s *postfix.Server, proofs bool){
		"signed mail":   func(t *testing.T, s *postfix.Server, proofs bool) { giveSigned(t, s, key, proofs) },
		"unsigned mail": func(t *testing.T, s *postfix.Server, _ bool) { giveUnsigned(t, s, key.Address) },
	} {
		t.Run(name, func(t *testing.T) {
			const ours, byTCP, floor, nobody = 0, 1, 2, 3
			servers := []*postfix.Server{
				postfix.Start(t, postfix.Options{PolicyAddr: "unix:" + socket}), postfix.Start(t, postfix.Options{PolicyAddr: d.Policy}),
				postfix.Start(t, postfix.Options{PolicyAddr: bare}), postfix.Start(t, postfix.Options{}),
			}
			rates := make([][]float64, len(servers))
			for n := range turns {
				for i := range servers {
					which := (n + i) % len(servers) // whoever comes first has another's mail to clear away
					start := time.Now()
					give(t, servers[which], which != nobody)
					servers[which].Sink().Wait(t, (n+1)*mails, arriveWithin)
					rates[which] = append(rates[which], mails/time.Since(start).Seconds())
				}
			}
			t.Logf("%s, %d turns of %d: %.0f/s with us, %.0f/s by TCP, %.0f/s with bare verification by TCP, %.0f/s without; bare verification to without %.2f",
				name, turns, mails, median(rates[ours]), median(rates[byTCP]), median(rates[floor]), median(rates[nobody]), median(ratios(rates[floor], rates[nobody])))
			for _, of := range []struct {
				name string
				us   int
			}{{"the UNIX socket", ours}, {"TCP", byTCP}} {
				toFloor, toNobody := median(ratios(rates[of.us], rates[floor])), median(ratios(rates[of.us], rates[nobody]))
				figure(t, toFloor >= bar, "Postfix, %s, by %s: ratio %.2f to bare verification by TCP; the bar is %.1f", name, of.name, toFloor, bar)
				figure(t, toNobody >= bar, "Postfix, %s, by %s: ratio %.2f to Postfix alone; the bar is %.1f", name, of.name, toNobody, bar)
			}
		})
	}
}

// giveUnsigned uses Postfix's own load generator.
func giveUnsigned(t *testing.T, s *postfix.Server, sender string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "smtp-source", "-4", "-f", sender, "-t", "bob@example.com",
		"-l", "500", "-m", strconv.Itoa(mails), "-s", strconv.Itoa(sessions), "inet:"+s.Addr())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("smtp-source: %v\n%s", err, out)
	}
}

// giveSigned gives mails with a proof each, which smtp-source cannot, or without. Both
// cost the clients a signature: that work is not the mail server's.
func giveSigned(t *testing.T, s *postfix.Server, key signettest.Key, proofs bool) {
	t.Helper()
	var clients sync.WaitGroup
	failed := make(chan error, sessions)
	for range sessions {
		clients.Go(func() {
			if err := session(t.Context(), s.Addr(), func() string {
				proof := key.Proof(t)
				if !proofs {
					return "MAIL FROM:<" + key.Address + ">"
				}
				return "MAIL FROM:<" + key.Address + "> AUTH-PROOF=" + proof
			}); err != nil {
				failed <- err
			}
		})
	}
	clients.Wait()
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
}

// session gives its share of the mails over one connection.
func session(ctx context.Context, addr string, from func() string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	smtp := textproto.NewConn(conn)
	if _, _, err := smtp.ReadResponse(220); err != nil {
		return err
	}
	step := func(line string, code int) error {
		if err := smtp.PrintfLine("%s", line); err != nil {
			return err
		}
		_, text, err := smtp.ReadResponse(code)
		if err != nil {
			return fmt.Errorf("%.40s: %s: %w", line, text, err)
		}
		return nil
	}
	if err := step("EHLO bench.test", 250); err != nil {
		return err
	}
	for range mails / sessions {
		for _, s := range []struct {
			line string
			code int
		}{
			{from(), 250},
			{"RCPT TO:<bob@example.com>", 250},
			{"DATA", 354},
			{"Subject: bench\r\n\r\n" + body + "\r\n.", 250},
		} {
			if err := step(s.line, s.code); err != nil {
				return err
			}
		}
	}
	return nil
}

// body makes a mail about as long as those of smtp-source.
var body = fmt.Sprintf("%0480d", 0)
