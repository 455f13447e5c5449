package faults_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"signet/internal/db/dbtest"
	redistest "signet/test/redis"
	signettest "signet/test/signet"
)

// Whatever becomes of the Redis that two instances share: while it is away mail flows
// unjudged, and afterwards no instance takes a proof that was used before.
func TestUsedProofsStayUsedWhateverBecomesOfRedis(t *testing.T) {
	t.Parallel()
	for _, loss := range []struct {
		name       string
		begin, end func(r *redistest.Server)
		away       bool // meanwhile
	}{
		{"killed and restarted empty", (*redistest.Server).Kill, (*redistest.Server).Restart, true},
		{"frozen", (*redistest.Server).Freeze, (*redistest.Server).Thaw, true},
		{"emptied", func(r *redistest.Server) { empty(t, r) }, func(*redistest.Server) {}, false},
	} {
		t.Run(loss.name, func(t *testing.T) {
			t.Parallel()
			r := redistest.Start(t)
			s := newSite(t, signettest.Options{StoreURL: dbtest.EmptyPostgresURL(t), Env: []string{"SIGNET_REDIS_URL=" + r.URL()}})
			both := []*signettest.Instance{s.signet, s.Start()}
			l := s.startLoad(t, both...)
			s.more(t, "PREPEND", 50, 20*time.Second)
			used := s.useProofs(t, both, replays)
			s.restart()
			loss.begin(r)
			if loss.away {
				s.awaitReady(t, http.StatusServiceUnavailable, "redis", noticedWithin)
				s.more(t, "DUNNO", 8, 30*time.Second)
			}
			loss.end(r)
			s.more(t, "PREPEND", 20, 20*time.Second)
			s.awaitReady(t, http.StatusOK, "", backWithin)
			t.Logf("used proofs from another address: %v", s.replay(t, both, used))
			l.end()
			if slowest := s.slowestAnswer(); slowest > answerBar {
				t.Errorf("a mail was answered after %v, want %v at most", slowest, answerBar)
			}
			s.verify(t, s.signet)
			t.Log(s.ledger)
		})
	}
}

// empty makes a Redis forget everything.
func empty(t *testing.T, r *redistest.Server) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: r.Addr})
	defer c.Close()
	if err := c.FlushAll(context.Background()).Err(); err != nil {
		t.Error(err)
	}
}

// replays is how many used proofs are shown again.
const replays = 100

// useProofs has so many proofs accepted, by the instances in turn.
func (s *site) useProofs(t *testing.T, on []*signettest.Instance, many int) (proofs []string) {
	t.Helper()
	askers := s.askersOf(t, on)
	for n := range many {
		proof := s.steady.Proof(t)
		action, err := askers[n%len(askers)].Ask(t.Context(), signettest.Mail{Sender: email, Proof: proof})
		if err != nil || !strings.HasPrefix(action, "PREPEND") {
			t.Fatalf("first use of a proof: got %q, %v; want PREPEND", action, err)
		}
		proofs = append(proofs, proof)
	}
	return proofs
}

// replay shows used proofs to the other instance than before and then to the same,
// from another address. None may pass. It returns how often each answer came.
func (s *site) replay(t *testing.T, on []*signettest.Instance, proofs []string) map[string]int {
	t.Helper()
	askers := s.askersOf(t, on)
	answers := map[string]int{}
	for round := range len(askers) {
		for n, proof := range proofs {
			asker := askers[(n+round+1)%len(askers)]
			action, err := asker.Ask(t.Context(), signettest.Mail{Sender: email, Proof: proof, ClientAddress: "203.0.113.9"})
			if err != nil {
				t.Fatal(err)
			}
			answers[action]++
			if strings.HasPrefix(action, "PREPEND") {
				t.Fatalf("used proof %d was accepted again: %q", n, action)
			}
		}
	}
	return answers
}

func (s *site) askersOf(t *testing.T, on []*signettest.Instance) (all []*signettest.Asker) {
	t.Helper()
	for _, i := range on {
		all = append(all, signettest.NewAsker(t, i.Policy))
	}
	return all
}
