package authroute_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/authproof"
	"signet/internal/db/dbtest"

	signettest "signet/test/signet"
)

// load is steady questions to a policy service by several connections.
type load struct {
	stop    context.CancelFunc
	askers  sync.WaitGroup
	mu      sync.Mutex
	answers map[string]int // by verb, or the error
	last    string         // answer
}

// askEvery is the time between two questions of one connection.
const askEvery = 10 * time.Millisecond

func startLoad(t *testing.T, policy string, key signettest.Key, connections int) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &load{stop: stop, answers: map[string]int{}}
	for range connections {
		asker := signettest.NewAsker(t, policy)
		l.askers.Go(func() { l.ask(ctx, asker, key) })
	}
	t.Cleanup(func() { stop(); l.askers.Wait() })
	return l
}

func (l *load) ask(ctx context.Context, asker *signettest.Asker, key signettest.Key) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		proof, err := authproof.Sign(key.Private, key.Claims())
		if err != nil {
			l.count("", err)
			return
		}
		action, err := asker.Ask(ctx, signettest.Mail{Sender: key.Address, Proof: proof})
		l.count(action, err)
		if err != nil {
			return // the service has gone
		}
	}
}

func (l *load) count(action string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	verb, _, _ := strings.Cut(action, " ")
	if err != nil {
		verb = "error"
		action = err.Error()
	}
	l.answers[verb]++
	l.last = action
}

// more waits until n further questions were answered with verb.
func (l *load) more(t *testing.T, verb string, n int, within time.Duration) {
	t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.answers[verb]
	}
	before := count()
	signettest.Await(t, fmt.Sprintf("%d answers %s", n, verb), within, func() error {
		if now := count(); now < before+n {
			l.mu.Lock()
			defer l.mu.Unlock()
			return fmt.Errorf("got %d; the last one was %s", now-before, l.last)
		}
		return nil
	})
}

// end ends the load and returns how many questions were answered, by verb.
func (l *load) end() (answers map[string]int, answered int) {
	l.stop()
	l.askers.Wait()
	for verb, n := range l.answers {
		if verb != "error" {
			answered += n
		}
	}
	return l.answers, answered
}

// awaitCount waits until the store holds n verdicts.
func (f *office) awaitCount(t *testing.T, n int) {
	t.Helper()
	signettest.Await(t, fmt.Sprintf("%d verdicts", n), arrivesWithin, func() error {
		if got := f.Count(t); got != n {
			return fmt.Errorf("the store has %d", got)
		}
		return nil
	})
}

// While the database is away mail passes unverified; nothing is refused, and every
// verdict is written once it is back.
func TestDatabaseRestartLosesNoVerdictAndRefusesNoMail(t *testing.T) {
	t.Parallel()
	postgres := dbtest.NewCluster(t)
	f := newOffice(t, signettest.Options{StoreURL: postgres.URL()})
	l := startLoad(t, f.signet.Policy, f.keys["enforce"], 8)
	for name, end := range map[string]func(){"stopped": postgres.Stop, "crashed": postgres.Crash} {
		l.more(t, "PREPEND", 100, 10*time.Second)
		end()
		l.more(t, "DUNNO", 100, 20*time.Second)
		postgres.Start()
		back := time.Now()
		l.more(t, "PREPEND", 1, 5*time.Second)
		t.Logf("database %s: verified again %v after its return", name, time.Since(back))
		f.signet.AwaitReady()
	}
	answers, answered := l.end()
	t.Logf("%v", answers)
	if len(answers) != 2 {
		t.Errorf("got answers %v, want PREPEND and DUNNO alone", answers)
	}
	f.awaitCount(t, answered)
}

// A stop answers what is in hand and writes down everything that was answered.
func TestStopWritesEveryVerdictDown(t *testing.T) {
	for name, url := range map[string]func(testing.TB) string{
		"sqlite": func(testing.TB) string { return "" }, "postgres": dbtest.PostgresURL,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newOffice(t, signettest.Options{StoreURL: url(t)})
			l := startLoad(t, f.signet.Policy, f.keys["enforce"], 16)
			l.more(t, "PREPEND", 500, 20*time.Second)
			f.signet.Stop()
			answers, answered := l.end()
			if got := f.Count(t); got != answered {
				t.Errorf("the store has %d verdicts, %d mails were answered (%v)", got, answered, answers)
			}
			f.signet.Restart()
			if gap := f.signet.Metric("authroute_verdict_gaps_total"); gap != 0 {
				t.Errorf("after the stop %v verdicts count as missing", gap)
			}
		})
	}
}
