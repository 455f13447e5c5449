//go:build bench

package bench

import (
	"context"
	"fmt"
	"net"
	"net/textproto"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"signet/test/postfix"
	signettest "signet/test/signet"
)

const (
	mails    = 3000
	sessions = 20
	// arriveWithin bounds one measurement.
	arriveWithin = 2 * time.Minute
)

// Real mail, end to end: from the first connection to the arrival of the last mail at
// the next hop, by a Postfix that asks us and one that knows nothing of us.
func TestBenchPostfixWithAndWithoutUs(t *testing.T) {
	const bar = 0.9
	d := signettest.Dev(t)
	key := signettest.Key{Private: d.Key, ID: d.Ready.Authroute.KeyID, Address: d.Ready.Authroute.Sender}
	for name, give := range map[string]func(t *testing.T, s *postfix.Server, proofs bool){
		"signed mail":   func(t *testing.T, s *postfix.Server, proofs bool) { giveSigned(t, s, key, proofs) },
		"unsigned mail": func(t *testing.T, s *postfix.Server, _ bool) { giveUnsigned(t, s, key.Address) },
	} {
		t.Run(name, func(t *testing.T) {
			run := func(o postfix.Options) float64 {
				s := postfix.Start(t, o)
				start := time.Now()
				give(t, s, o.PolicyAddr != "")
				s.Sink().Wait(t, mails, arriveWithin)
				return mails / time.Since(start).Seconds()
			}
			var with, without []float64
			for range rounds {
				with = append(with, run(postfix.Options{PolicyAddr: d.Policy}))
				without = append(without, run(postfix.Options{}))
				t.Logf("%.0f mails/s with us, %.0f without", with[len(with)-1], without[len(without)-1])
			}
			ratio := median(with) / median(without)
			figure(t, ratio >= bar, "Postfix, %s: %.0f/s with us, %.0f/s without, ratio %.2f; the bar is %.1f", name, median(with), median(without), ratio, bar)
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

// giveSigned gives mails with a proof each, which smtp-source cannot, or without.
func giveSigned(t *testing.T, s *postfix.Server, key signettest.Key, proofs bool) {
	t.Helper()
	var clients sync.WaitGroup
	failed := make(chan error, sessions)
	for range sessions {
		clients.Go(func() {
			if err := session(t.Context(), s.Addr(), func() string {
				if !proofs {
					return "MAIL FROM:<" + key.Address + ">"
				}
				return "MAIL FROM:<" + key.Address + "> AUTH-PROOF=" + key.Proof(t)
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
