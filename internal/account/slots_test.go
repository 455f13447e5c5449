package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"signet/internal/fault"
)

func TestTooManyHashesAreRefusedAndStrangersLeaveASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, release := newSlots(), make(chan struct{})
		var running, most, done atomic.Int32
		hash := func() {
			most.Store(max(most.Load(), running.Add(1)))
			<-release
			running.Add(-1)
			done.Add(1)
		}
		for i := range 1 + slotQueue { // one computes, the others wait
			go func() { _ = s.do(t.Context(), fmt.Sprint(i), false, hash) }()
			if i == 0 {
				synctest.Wait() // it has the slot
			}
		}
		synctest.Wait()
		err := s.do(t.Context(), "late", false, hash)
		if f, _ := fault.As(err); !errors.Is(err, ErrBusy) || f.Kind != fault.Unavailable || f.Retry <= 0 {
			t.Errorf("beyond the queue: got %v, want ErrBusy with a time", err)
		}
		go func() { _ = s.do(t.Context(), "known", true, hash) }()
		synctest.Wait()
		if running.Load() != 2 {
			t.Errorf("running: got %d, want a stranger's and a known one's", running.Load())
		}
		close(release)
		synctest.Wait()
		if done.Load() != slotQueue+2 || most.Load() > 2 {
			t.Errorf("got %d done, %d at once, want %d, and 2 at most", done.Load(), most.Load(), slotQueue+2)
		}
		if len(s.groups) != 0 || s.open.waiting != 0 || s.known.waiting != 0 {
			t.Errorf("something is left: %v, %d, %d", s.groups, s.open.waiting, s.known.waiting)
		}
	})
}

func TestOneNetworkHasTwoSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, release := newSlots(), make(chan struct{})
		for range 2 {
			go func() { _ = s.do(t.Context(), "a", false, func() { <-release }) }()
		}
		synctest.Wait()
		if err := s.do(t.Context(), "a", false, func() {}); !errors.Is(err, ErrBusy) {
			t.Errorf("the third: got %v, want ErrBusy", err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.do(gone, "b", false, func() {}); !errors.Is(err, context.Canceled) {
			t.Errorf("a client that is gone: got %v", err)
		}
		close(release)
		synctest.Wait()
		if err := s.do(t.Context(), "a", false, func() {}); err != nil {
			t.Errorf("afterwards: got %v", err)
		}
	})
}

func TestNetworksShareABudget(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.254", true},
		{"192.0.2.1", "192.0.3.1", false},
		{"::ffff:192.0.2.1", "192.0.2.9", true},
		{"2001:db8:0:100::1", "2001:db8:0:1ff::1", true},
		{"2001:db8:0:100::1", "2001:db8:0:200::1", false},
		{"fe80::1%eth0", "fe80::2", true},
	} {
		a, b := Origin{Address: netip.MustParseAddr(c.a)}.prefix(), Origin{Address: netip.MustParseAddr(c.b)}.prefix()
		if (a == b) != c.same {
			t.Errorf("%s and %s: got %s and %s, want same %t", c.a, c.b, a, b, c.same)
		}
	}
}
