package faults_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	signettest "signet/test/signet"
)

// ledger is what callers were told. It must hold, whatever happens afterwards.
type ledger struct {
	mu         sync.Mutex
	registered map[string]signettest.Key // 201, by id
	revoked    map[string]bool           // 200, by id
	mails      map[string]time.Time      // when the answer came, by queue id
	actions    map[string]int            // answers by verb
	slowest    time.Duration             // of the answers about mail
	refusals   []string                  // of honest mail; there must be none
	unanswered int
}

func newLedger() *ledger {
	return &ledger{
		registered: map[string]signettest.Key{}, revoked: map[string]bool{},
		mails: map[string]time.Time{}, actions: map[string]int{},
	}
}

// snapshot is what was told until now.
func (l *ledger) snapshot() *ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &ledger{
		registered: maps.Clone(l.registered), revoked: maps.Clone(l.revoked),
		mails: maps.Clone(l.mails), refusals: slices.Clone(l.refusals),
	}
}

func (l *ledger) noteRegistered(k signettest.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.registered[k.ID] = k
}

func (l *ledger) noteRevoked(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.revoked[id] = true
}

// noteMail notes what was answered about an honest mail.
func (l *ledger) noteMail(queueID, action string, took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.unanswered++
		return
	}
	verb, _, _ := strings.Cut(action, " ")
	l.actions[verb]++
	l.mails[queueID] = time.Now()
	l.slowest = max(l.slowest, took)
	if verb != "PREPEND" && verb != "DUNNO" {
		l.refusals = append(l.refusals, action)
	}
}

// count returns how many answers had a verb.
func (l *ledger) count(verb string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.actions[verb]
}

// answers returns how many mails were answered.
func (l *ledger) answers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.mails)
}

// restart forgets how slow answers were so far, for the phase that begins.
func (l *ledger) restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slowest = 0
}

// more waits until n further mails were answered with verb.
func (l *ledger) more(t *testing.T, verb string, n int, within time.Duration) {
	t.Helper()
	before := l.count(verb)
	signettest.Await(t, fmt.Sprintf("%d answers %s", n, verb), within, func() error {
		if now := l.count(verb); now < before+n {
			return fmt.Errorf("got %d", now-before)
		}
		return nil
	})
}

// answeredSince returns how many mails were answered after a moment.
func (l *ledger) answeredSince(at time.Time) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for answered := range maps.Values(l.mails) {
		if answered.After(at) {
			n++
		}
	}
	return n
}

// String sums up what happened.
func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var parts []string
	for _, verb := range slices.Sorted(maps.Keys(l.actions)) {
		parts = append(parts, fmt.Sprintf("%s %d", verb, l.actions[verb]))
	}
	return fmt.Sprintf("%s, unanswered %d, slowest %v, keys %d, revoked %d",
		strings.Join(parts, ", "), l.unanswered, l.slowest.Round(time.Millisecond), len(l.registered), len(l.revoked))
}

// slowestAnswer returns how long the slowest answer since the last restart took.
func (l *ledger) slowestAnswer() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.slowest
}
