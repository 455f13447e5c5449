package faults_test

import (
	"strings"
	"testing"
	"time"

	"signet/internal/db/dbtest"
	signettest "signet/test/signet"
)

const (
	// pauseTime is longer than an instance may go by what it has in memory.
	pauseTime = 6 * time.Second
	// revokedWithin is how soon every instance that runs must refuse a revoked key.
	revokedWithin = 2 * time.Second
)

// Of two instances one is frozen for a while: the other works on, and the one that
// wakes up judges nothing by what it knew before.
func TestFrozenInstanceWakesUpWithoutOldKnowledge(t *testing.T) {
	t.Parallel()
	s := newSite(t, signettest.Options{StoreURL: dbtest.EmptyPostgresURL(t)})
	frozen := s.Start()
	for range size(1, 5) {
		s.thawWithRevokedKeys(t, frozen)
	}
	s.verify(t, s.signet)
	s.verify(t, frozen)
	for name, i := range map[string]*signettest.Instance{"one": s.signet, "frozen": frozen} {
		if gap := i.Metric("authroute_verdict_gaps_total"); gap != 0 {
			t.Errorf("%s: %v verdicts count as missing, want none", name, gap)
		}
	}
	t.Log(s.ledger)
}

func (s *site) thawWithRevokedKeys(t *testing.T, frozen *signettest.Instance) {
	t.Helper()
	var keys []signettest.Key
	for range 20 {
		keys = append(keys, s.alice.NewKey(t, email))
	}
	frozen.AwaitKeys(t, keys...)
	l := s.startLoad(t, s.signet, frozen)
	s.more(t, "PREPEND", 50, 20*time.Second)
	frozen.Pause()
	paused := time.Now()
	for _, k := range keys {
		s.noteRegistered(k)
		if err := s.revoke(t.Context(), s.alice, k.ID); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(paused); took > backWithin {
		t.Errorf("revocations at the other instance took %v: the frozen one held them up", took)
	}
	s.awaitWrite(t, backWithin)
	sleep(t, pauseTime-time.Since(paused))
	frozen.Resume()
	resumed := time.Now()
	refused := s.untilAllRefused(t, frozen, keys)
	t.Logf("revoked while frozen: refused %v after the thaw", refused.Sub(resumed))
	if took := refused.Sub(resumed); took > revokedWithin {
		t.Errorf("revocations took effect %v after the thaw, want %v at most", took, revokedWithin)
	}
	s.more(t, "PREPEND", 50, 20*time.Second)
	l.end()
}

// untilAllRefused asks an instance about mails of revoked keys until it has refused
// one of each. None may pass.
func (s *site) untilAllRefused(t *testing.T, i *signettest.Instance, keys []signettest.Key) time.Time {
	t.Helper()
	asker := signettest.NewAsker(t, i.Policy)
	for n := 0; n < len(keys); {
		action, err := asker.Ask(t.Context(), signettest.Mail{Sender: email, Proof: keys[n].Proof(t)})
		switch {
		case err != nil:
			t.Fatal(err)
		case strings.HasPrefix(action, "PREPEND"):
			t.Fatalf("mail of a revoked key passed: %q", action)
		case strings.HasPrefix(action, "REJECT"):
			n++
		}
	}
	return time.Now()
}
