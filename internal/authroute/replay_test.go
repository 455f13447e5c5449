package authroute_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/authproof"
	"signet/internal/authroute"
)

// captured is a mail of alice's that passes once.
func captured(t *testing.T, in *instance) authroute.Request {
	t.Helper()
	alice := in.register(t, "alice", "alice@example.org")
	return mail(t, "alice@example.org", in.sign(t, alice.subkey, authproof.Claims{Sender: "alice@example.org"}))
}

func TestProofServesOneDelivery(t *testing.T) {
	eachInstance(t, func(t *testing.T, in *instance) {
		first := captured(t, in)
		first.QueueID = "" // at the first recipient there is none
		in.expect(t, "first recipient", first, passes)

		for _, here := range []struct {
			name string
			*authroute.Verifier
		}{{"the same", in.verifier}, {"another", in.judge(authroute.VerifierConfig{})}} {
			again := first
			again.QueueID = "4Xyz"
			if got := expectOf(t, here.Verifier, "second recipient on "+here.name, again, passes); got.Retried {
				t.Errorf("second recipient on %s instance: counts as a retry", here.name)
			}
			elsewhere := again
			elsewhere.ClientAddress, elsewhere.Instance, elsewhere.QueueID = "203.0.113.9", "other", "other"
			expectOf(t, here.Verifier, "from elsewhere on "+here.name, elsewhere, authroute.Replayed)
			otherHost := again
			otherHost.Host, otherHost.ClientAddress = "relay-b", "203.0.113.9"
			expectOf(t, here.Verifier, "same instance name on another host, on "+here.name, otherHost, authroute.Replayed)
		}
	})
}

func TestQueueIDTiesADeliveryTogether(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	first := captured(t, in)
	in.expect(t, "policy service", first, passes)
	second := first
	second.Instance, second.ClientAddress = "milter", "unknown"
	if got := in.expect(t, "milter", second, passes); got.Retried {
		t.Error("the milter's question counts as a retry")
	}
}

func TestSameClientMayTryTwentyTimesMore(t *testing.T) {
	eachInstance(t, func(t *testing.T, in *instance) {
		first := captured(t, in)
		if got := in.expect(t, "first attempt", first, passes); got.Retried {
			t.Error("the first attempt counts as a retry")
		}
		verifiers := []*authroute.Verifier{in.verifier, in.judge(authroute.VerifierConfig{}), in.judge(authroute.VerifierConfig{})}
		for n := range 20 {
			retry := first
			retry.Instance, retry.QueueID = fmt.Sprint("instance", n), fmt.Sprint("queue", n)
			v := verifiers[n%3]
			if got := expectOf(t, v, fmt.Sprint("retry ", n+1), retry, passes); !got.Retried {
				t.Errorf("retry %d does not count as one", n+1)
			}
			if got := expectOf(t, v, fmt.Sprint("second recipient of retry ", n+1), retry, passes); got.Retried {
				t.Errorf("second recipient of retry %d counts as a retry", n+1)
			}
		}
		for i, v := range verifiers {
			more := first
			more.Instance, more.QueueID = fmt.Sprint("more", i), fmt.Sprint("more", i)
			expectOf(t, v, "retry 21", more, authroute.Replayed)
			expectOf(t, v, "the first delivery", first, passes)
		}
	})
}

func TestOfManyClientsOneWins(t *testing.T) {
	eachInstance(t, func(t *testing.T, in *instance) {
		q := captured(t, in)
		verifiers := []*authroute.Verifier{in.verifier, in.judge(authroute.VerifierConfig{})}
		var won, lost atomic.Int64
		var group sync.WaitGroup
		for n := range 64 {
			group.Go(func() {
				q := q
				q.ClientAddress, q.Instance, q.QueueID = fmt.Sprint("192.0.2.", n), fmt.Sprint("i", n), fmt.Sprint("q", n)
				got := verifiers[n%2].Judge(t.Context(), q).Cause
				if got == passes {
					won.Add(1)
				}
				if got == authroute.Replayed {
					lost.Add(1)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 || lost.Load() != 63 {
			t.Errorf("%d passed and %d were refused, want 1 and 63", won.Load(), lost.Load())
		}
	})
}

func TestProofsDifferByWhatTheySign(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	alice := in.register(t, "alice", "alice@example.org")
	now := in.Now()
	for _, c := range []authproof.Claims{
		{Sender: "alice@example.org", MessageID: "<1@x>", Timestamp: now},
		{Sender: "alice@example.org", MessageID: "<2@x>", Timestamp: now},
		{Sender: "alice@example.org", MessageID: "<1@x>", Timestamp: now.Add(-time.Second)},
		{Sender: "Alice@example.org", MessageID: "<1@x>", Timestamp: now},
	} {
		q := mail(t, c.Sender, in.sign(t, alice.subkey, c))
		q.ClientAddress = rand(t)
		in.expect(t, fmt.Sprint(c), q, passes)
	}
}

func TestOtherSpellingOfAProofIsTheSameProof(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	q := captured(t, in)
	in.expect(t, "as it was sent", q, passes)
	q.Carried.Proof += "===="[:(4-len(q.Carried.Proof)%4)%4]
	q.ClientAddress, q.Instance, q.QueueID = "203.0.113.9", "x", "x"
	in.expect(t, "padded", q, authroute.Replayed)
}

func TestUsesWithLongNamesAreToldApart(t *testing.T) {
	in := anInstance(t, authroute.VerifierConfig{})
	q := captured(t, in)
	long := func(s string) string { return s + fmt.Sprintf("%8000d", 0) }
	q.ClientAddress, q.Instance, q.QueueID = long("a"), long("i"), long("q")
	in.expect(t, "long names", q, passes)
	q.ClientAddress, q.Instance, q.QueueID = long("b"), long("j"), long("r")
	in.expect(t, "other long names", q, authroute.Replayed)
}
