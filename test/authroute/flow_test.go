package authroute_test

import (
	"context"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/test/postfix"

	signettest "signet/test/signet"
)

// flow is mail that goes on while the policy service does not: several clients, each
// in one session, so that smtpd's own connections to the service live through it.
type flow struct {
	stop    context.CancelFunc
	clients sync.WaitGroup

	mu     sync.Mutex
	given  []given
	failed error
}

// given is a mail that the relay accepted.
type given struct {
	to          string
	begun, done time.Time
}

// startFlow lets clients give mails, each the next one once the last was accepted.
func startFlow(t *testing.T, w *world, clients int) *flow {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	f := &flow{stop: stop}
	for i := range clients {
		f.clients.Go(func() {
			if err := f.client(ctx, t, w, i); err != nil {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.failed = err
			}
		})
	}
	t.Cleanup(func() { stop(); f.clients.Wait() })
	return f
}

func (f *flow) client(ctx context.Context, t *testing.T, w *world, number int) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", w.relay.Addr())
	if err != nil {
		return err
	}
	defer conn.Close()
	smtp := textproto.NewConn(conn)
	if err := expect(smtp, 220, "EHLO flow.test", 250); err != nil {
		return err
	}
	key := w.keys["enforce"]
	for n := 0; ctx.Err() == nil; n++ {
		g := given{to: fmt.Sprintf("flow-%d-%d@example.com", number, n), begun: time.Now()}
		for _, step := range []struct {
			line string
			code int
		}{
			{from(key.Address, key.Proof(t)), 250},
			{"RCPT TO:<" + g.to + ">", 250},
			{"DATA", 354},
			{strings.ReplaceAll(message, "\n", "\r\n") + ".", 250},
		} {
			if err := expect(smtp, 0, step.line, step.code); err != nil {
				return err
			}
		}
		g.done = time.Now()
		f.mu.Lock()
		f.given = append(f.given, g)
		f.mu.Unlock()
	}
	return nil
}

// expect reads a reply where greeting is not 0, sends a line, and wants code.
func expect(smtp *textproto.Conn, greeting int, line string, code int) error {
	if greeting != 0 {
		if _, _, err := smtp.ReadResponse(greeting); err != nil {
			return err
		}
	}
	if err := smtp.PrintfLine("%s", line); err != nil {
		return err
	}
	_, text, err := smtp.ReadResponse(code)
	if err != nil {
		return fmt.Errorf("%.60s: %s: %w", line, text, err)
	}
	return nil
}

// more waits until n mails were accepted that began after the call.
func (f *flow) more(t *testing.T, what string, n int) {
	t.Helper()
	called := time.Now()
	signettest.Await(t, fmt.Sprintf("%d mails %s", n, what), time.Minute, func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.failed != nil {
			t.Fatalf("%s: a mail was refused: %v", what, f.failed)
		}
		got := 0
		for _, g := range f.given {
			if g.begun.After(called) {
				got++
			}
		}
		if got < n {
			return fmt.Errorf("got %d", got)
		}
		return nil
	})
}

// end ends the flow between two mails and returns those that were accepted.
func (f *flow) end(t *testing.T) []given {
	t.Helper()
	f.stop()
	f.clients.Wait()
	if f.failed != nil {
		t.Fatalf("a mail was refused: %v", f.failed)
	}
	return f.given
}

// Whatever becomes of the policy service, all mail arrives, and the first mail after
// its return is verified.
func TestMailFlowsWhileThePolicyServiceDoesNot(t *testing.T) {
	for name, c := range map[string]struct {
		away, back func(w *world)
		down       int  // mails to give meanwhile
		lossless   bool // no verdict may be missing
	}{
		"killed":    {func(w *world) { w.signet.Kill() }, func(w *world) { w.signet.Restart() }, 9, false},
		"hung":      {func(w *world) { w.signet.Pause() }, func(w *world) { w.signet.Resume() }, 3, true},
		"restarted": {func(w *world) { w.signet.Stop() }, func(w *world) { w.signet.Restart() }, 9, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, postfix.Options{})
			f := startFlow(t, w, 3)
			f.more(t, "while it serves", 60)
			away := time.Now()
			c.away(w)
			f.more(t, "while it does not", c.down)
			c.back(w)
			back := time.Now()
			f.more(t, "while it serves again", 60)
			w.checkFlow(t, f.end(t), away, back, c.lossless)
		})
	}
}

// checkFlow compares what clients gave, what the next hop got, and what was written.
func (w *world) checkFlow(t *testing.T, all []given, away, back time.Time, lossless bool) {
	t.Helper()
	arrived := map[string]bool{}
	for _, m := range w.relay.Sink().Wait(t, len(all), arrivesWithin) {
		if _, twice := arrived[m.Recipients[0]]; twice {
			t.Errorf("%s got its mail twice", m.Recipients[0])
		}
		arrived[m.Recipients[0]] = len(m.Header("Authenticated-Routing")) == 1
	}
	verified, meanwhile := 0, 0
	for _, g := range all {
		is, there := arrived[g.to]
		if !there {
			t.Errorf("the mail to %s did not arrive", g.to)
		}
		if is {
			verified++
		}
		served := g.done.Before(away) || g.begun.After(back)
		if served && !is {
			t.Errorf("the mail to %s was not verified, though the service was there (%v after its return)", g.to, g.begun.Sub(back))
		}
		if !served && !is {
			meanwhile++
		}
	}
	if len(arrived) != len(all) || meanwhile == 0 {
		t.Errorf("next hop got %d mails, %d were accepted; %d of them unverified, want some", len(arrived), len(all), meanwhile)
	}
	passes, gap := 0, int(w.signet.Metric("authroute_verdict_gaps_total"))
	signettest.Await(t, "verdicts of all verified mails", arrivesWithin, func() error {
		if passes = len(w.signet.Verdicts(w.admin, "result=pass")); passes+gap < verified {
			return fmt.Errorf("%d written, %d known to be missing, %d mails verified", passes, gap, verified)
		}
		return nil
	})
	t.Logf("%d mails, %d verified, %d verdicts, %d known to be missing", len(all), verified, passes, gap)
	if lossless && gap != 0 {
		t.Errorf("%d verdicts are missing, want none", gap)
	}
	if passes > len(all) {
		t.Errorf("%d verdicts for %d mails", passes, len(all))
	}
}
