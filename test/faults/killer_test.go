package faults_test

import (
	"math/rand/v2"
	"testing"
	"time"

	signettest "signet/test/signet"
)

// killer ends commands at random moments of their run.
type killer struct {
	random *rand.Rand
	took   time.Duration // of a whole run
	killed int
}

// newKiller runs the command to its end once, to know how long that takes.
func newKiller(t *testing.T, n *signettest.Installation, args ...string) *killer {
	t.Helper()
	k := &killer{random: random(t)}
	begun := time.Now()
	n.Run(args...)
	k.took = time.Since(begun)
	return k
}

// run starts the command and kills it. It reports whether the command was faster.
func (k *killer) run(n *signettest.Installation, args ...string) (ended bool) {
	begun := time.Now()
	ended = n.RunKilled(moment(k.random, 0, k.took), args...)
	if ended {
		k.took = min(k.took, time.Since(begun)) // the machine has more to give than before
	} else {
		k.killed++
	}
	return ended
}

// report ends a test that has shown nothing.
func (k *killer) report(t *testing.T) {
	t.Helper()
	t.Logf("%d were killed; a whole run takes %v", k.killed, k.took.Round(time.Millisecond))
	if k.killed == 0 {
		t.Error("every run ended before it was killed: nothing was shown")
	}
}
