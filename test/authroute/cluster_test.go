package authroute_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/authproof"
	"signet/internal/db/dbtest"

	signettest "signet/test/signet"
)

// revokedWithin is how soon every instance must refuse a revoked key.
const revokedWithin = 2 * time.Second

// pair is two instances on one PostgreSQL.
type pair struct {
	*office
	instances []*signettest.Instance
}

func newPair(t *testing.T) *pair {
	t.Helper()
	f := newOffice(t, signettest.Options{StoreURL: dbtest.PostgresURL(t)})
	return &pair{f, []*signettest.Instance{f.signet, f.Start()}}
}

func TestRevokedKeyIsRefusedByEveryInstanceWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for range 5 {
		key := p.alice.NewKey(t, alice)
		for _, i := range p.instances {
			i.AwaitKeys(t, key)
		}
		revoked := time.Now()
		if err := p.alice.RevokeKey(t.Context(), key.ID, "keyCompromise"); err != nil {
			t.Fatal(err)
		}
		took := make([]time.Duration, len(p.instances))
		var watchers sync.WaitGroup
		for n, i := range p.instances {
			watchers.Go(func() { took[n] = untilRefused(t, i, key, revoked) })
		}
		watchers.Wait()
		t.Logf("refused after %v", took)
		if slowest := slices.Max(took); slowest >= revokedWithin {
			t.Errorf("an instance refused the key %v after it was revoked, want less than %v", slowest, revokedWithin)
		}
	}
}

// untilRefused asks with new proofs until the key is refused ten times in a row, and
// returns when that began.
func untilRefused(t *testing.T, i *signettest.Instance, key signettest.Key, from time.Time) (took time.Duration) {
	asker := signettest.NewAsker(t, i.Policy)
	for refusals := 0; refusals < 10 && time.Since(from) < 2*revokedWithin; {
		proof, err := authproof.Sign(key.Private, key.Claims())
		if err != nil {
			t.Error(err)
			return 0
		}
		action, err := asker.Ask(t.Context(), signettest.Mail{Sender: key.Address, Proof: proof})
		switch {
		case err != nil:
			t.Error(err)
			return 0
		case action == "REJECT Key revoked":
			if refusals++; refusals == 1 {
				took = time.Since(from)
			}
		case refusals > 0:
			t.Errorf("a key that was refused got %q", action)
			return 0
		}
	}
	return took
}

// Of 64 clients that show one proof to two instances at once, one is the first.
func TestProofIsAcceptedOnceByTwoInstancesTogether(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	const clients, rounds = 64, 10
	askers := make([]*signettest.Asker, clients)
	for n := range askers {
		askers[n] = signettest.NewAsker(t, p.instances[n%2].Policy)
	}
	key := p.keys["enforce"]
	for _, i := range p.instances {
		i.AwaitKeys(t, key)
	}
	for range rounds {
		proof := key.Proof(t)
		answers := make([]string, clients)
		start := make(chan struct{})
		var all sync.WaitGroup
		for n, asker := range askers {
			all.Go(func() {
				<-start
				action, err := asker.Ask(t.Context(), signettest.Mail{Sender: alice, Proof: proof, ClientAddress: fmt.Sprintf("192.0.2.%d", n+1)})
				if answers[n] = action; err != nil {
					answers[n] = err.Error()
				}
			})
		}
		close(start)
		all.Wait()
		passes, replays := 0, 0
		for _, action := range answers {
			switch {
			case strings.HasPrefix(action, "PREPEND Authenticated-Routing: pass"):
				passes++
			case action == "REJECT Proof replayed":
				replays++
			}
		}
		if passes != 1 || replays != clients-1 {
			t.Errorf("got %d passes and %d refusals, want 1 and %d: %q", passes, replays, clients-1, answers)
		}
	}
}
