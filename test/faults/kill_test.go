package faults_test

import (
	"testing"
	"time"

	signettest "signet/test/signet"
)

// usedBefore is how many proofs are used right before a kill, and shown again after it.
const usedBefore = 5

// Killed at any moment, an instance starts again with everything that it answered.
func TestKilledInstanceStartsAgainWithEverythingThatItAnswered(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, url string) {
		r := random(t)
		s := newSite(t, signettest.Options{StoreURL: url})
		s.startLoad(t, s.signet)
		for range size(8, 50) {
			s.more(t, "PREPEND", 1, 20*time.Second)
			sleep(t, moment(r, 0, 700*time.Millisecond))
			here := []*signettest.Instance{s.signet}
			used := s.useProofs(t, here, usedBefore)
			killed := time.Now()
			s.signet.Kill()
			s.signet.Restart()
			s.noteGap(t, s.signet, killed)
			if got := s.replay(t, here, used); got["REJECT Proof replayed"] != usedBefore {
				t.Errorf("%d proofs that were used right before the kill: %v", usedBefore, got)
			}
			s.verify(t, s.signet)
			if t.Failed() {
				t.Fatalf("after %v", s.ledger)
			}
		}
		t.Logf("%v; verdicts missing %d", s.ledger, s.gap)
	})
}
