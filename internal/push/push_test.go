package push_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/push"
)

// run runs a bus until the test ends.
func run(t *testing.T, d *db.DB) *push.Bus {
	t.Helper()
	b := push.New(d)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return b
}

func open(t *testing.T, url string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestNoticeReachesSubscribersOfItsTopic(t *testing.T) {
	d := dbtest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		b := run(t, d)
		keys, _ := b.Subscribe("keys")
		also, _ := b.Subscribe("keys")
		other, _ := b.Subscribe("other")
		left, leave := b.Subscribe("keys")
		leave()
		b.Publish("keys")
		synctest.Wait()
		if got := []int{len(keys), len(also), len(other), len(left)}; got[0] != 1 || got[1] != 1 || got[2] != 0 || got[3] != 0 {
			t.Errorf("notices: got %v, want [1 1 0 0]", got)
		}
	})
}

func TestSubscriptionIsWokenEverySecondWithoutANotice(t *testing.T) {
	d := dbtest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		b := run(t, d)
		c, _ := b.Subscribe("keys")
		begun := time.Now()
		for range 10 {
			<-c
		}
		if got := time.Since(begun); got != 10*time.Second {
			t.Errorf("ten times took %v, want 10 s", got)
		}
	})
}

func TestBurstIsAtMost20ASecondAndItsEndIsNotLost(t *testing.T) {
	d := dbtest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		b := run(t, d)
		c, _ := b.Subscribe("keys")
		var state, seen, notices atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			for {
				select {
				case <-c:
					notices.Add(1)
					seen.Store(state.Load())
				case <-ctx.Done():
					return
				}
			}
		}()
		tick := time.NewTicker(time.Millisecond)
		for range 900 { // within the first poll
			<-tick.C
			state.Add(1)
			b.Publish("keys")
		}
		timer := time.NewTimer(push.Spacing)
		<-timer.C
		synctest.Wait()
		if n := notices.Load(); n < 15 || n > 20 {
			t.Errorf("got %d notices in 0.95 s, want at most 20", n)
		}
		if seen.Load() != 900 {
			t.Errorf("last seen is %d, want 900", seen.Load())
		}
	})
}

func TestPublisherNeverWaits(t *testing.T) {
	b := push.New(dbtest.SQLite(t)) // that nobody runs
	b.Subscribe("topic 1")
	for i := range 1000 {
		b.Publish(fmt.Sprint("topic ", i%3))
	}
}

// arrival publishes on one bus and returns how long the notice took to the other.
func arrival(t *testing.T, from *push.Bus, to <-chan struct{}) time.Duration {
	t.Helper()
	for len(to) > 0 {
		<-to
	}
	begun := time.Now()
	from.Publish("keys")
	select {
	case <-to:
	case <-time.After(5 * time.Second):
		t.Fatal("no notice in 5 s")
	}
	return time.Since(begun)
}

// fast tries until a notice arrives faster than a poll explains, five times in a row.
func fast(t *testing.T, from *push.Bus, to <-chan struct{}, within time.Duration) {
	t.Helper()
	deadline := time.Now().Add(within)
	row := 0
	var took []time.Duration
	for row < 5 {
		if time.Now().After(deadline) {
			t.Fatalf("notices took %v, want five in a row under 200 ms within %v", took, within)
		}
		d := arrival(t, from, to)
		took = append(took, d)
		if row++; d >= 200*time.Millisecond {
			row = 0
		}
	}
}

func TestNoticeReachesTheOtherInstanceWithin200ms(t *testing.T) {
	url := dbtest.PostgresURL(t)
	one, two := run(t, open(t, url)), run(t, open(t, url))
	c, _ := two.Subscribe("keys")
	fast(t, one, c, 10*time.Second)
	back, _ := one.Subscribe("keys")
	fast(t, two, back, 10*time.Second)
}

func TestNoticesComeAgainAfterTheConnectionIsCut(t *testing.T) {
	url := dbtest.PostgresURL(t)
	admin := open(t, url)
	one, two := run(t, open(t, url)), run(t, open(t, url))
	c, _ := two.Subscribe("keys")
	fast(t, one, c, 10*time.Second)
	for range 3 {
		var cut int
		err := admin.SQL().QueryRowContext(t.Context(), `
			SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE 'LISTEN%') AS cut`).Scan(&cut)
		if err != nil || cut != 2 {
			t.Fatalf("cut %d connections, %v; want 2", cut, err)
		}
		fast(t, one, c, 5*time.Second)
	}
}
