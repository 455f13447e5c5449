package lease_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/lease"
)

const quick = 20 // times faster than normal: patience is 750 ms

// instance is a process that holds a lease when it can.
type instance struct {
	db     *db.DB
	tokens chan int64 // one each time it gets the lease
	lost   chan error // why each duty had to end
	stop   func()     // a stop in good order
	ended  chan error // what Hold returned
}

func start(t *testing.T, url string) *instance {
	t.Helper()
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	i := &instance{db: d, tokens: make(chan int64, 100), lost: make(chan error, 100), stop: cancel, ended: make(chan error, 1)}
	k := lease.New(d, "same name").Quick(quick)
	var wg sync.WaitGroup
	wg.Go(func() {
		i.ended <- k.Hold(ctx, "duty", func(ctx context.Context, token int64) error {
			i.tokens <- token
			<-ctx.Done()
			i.lost <- context.Cause(ctx)
			return ctx.Err()
		})
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		_ = d.Close()
	})
	return i
}

func (i *instance) token(t *testing.T) int64 {
	t.Helper()
	select {
	case token := <-i.tokens:
		return token
	case <-time.After(10 * time.Second):
		t.Fatalf("did not get the lease within 10 s")
		return 0
	}
}

func eachURL(t *testing.T, f func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { f(t, dbtest.SQLiteURL(t)) })
	t.Run("postgres", func(t *testing.T) { f(t, dbtest.PostgresURL(t)) })
}

func TestLeaseIsHandedOverAtOnceByOneThatStops(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		one := start(t, url)
		first := one.token(t)
		two := start(t, url)
		select {
		case <-two.tokens:
			t.Fatal("two hold the lease")
		case <-time.After(2 * time.Second): // over twice the patience
		}
		one.stop()
		if err := <-one.ended; err != nil {
			t.Errorf("Hold returned %v, want nil", err)
		}
		begun := time.Now()
		second := two.token(t)
		if second <= first {
			t.Errorf("got token %d after %d, want a higher one", second, first)
		}
		if took := time.Since(begun); took > 400*time.Millisecond {
			t.Errorf("handed over after %v, want at the next poll", took)
		}
	})
}

func TestLeaseOfOneThatCannotBeatIsTakenAfterItHasStopped(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		one := start(t, url)
		first := one.token(t)
		two := start(t, url)
		if err := one.db.Close(); err != nil { // as if its connections were cut
			t.Fatal(err)
		}
		second := two.token(t)
		select {
		case cause := <-one.lost:
			if !errors.Is(cause, lease.ErrLost) {
				t.Errorf("the duty ended because of %v, want ErrLost", cause)
			}
		default:
			t.Error("two work at once")
		}
		if second <= first {
			t.Errorf("got token %d after %d, want a higher one", second, first)
		}
	})
}

func TestStaleTokenCommitsNothing(t *testing.T) {
	eachURL(t, func(t *testing.T, url string) {
		one := start(t, url)
		first := one.token(t)
		check := func(i *instance, token int64) error {
			return i.db.Update(t.Context(), func(tx *db.Tx) error { return lease.Check(t.Context(), tx, "duty", token) })
		}
		if err := check(one, first); err != nil {
			t.Errorf("holder: %v", err)
		}
		one.stop()
		if err := <-one.ended; err != nil {
			t.Errorf("Hold returned %v, want nil", err)
		}
		two := start(t, url)
		second := two.token(t)
		if err := check(one, first); !errors.Is(err, lease.ErrLost) {
			t.Errorf("stale token: got %v, want ErrLost", err)
		}
		if err := check(two, second); err != nil {
			t.Errorf("new holder: %v", err)
		}
		err := two.db.Update(t.Context(), func(tx *db.Tx) error { return lease.Check(t.Context(), tx, "unknown", 1) })
		if !errors.Is(err, lease.ErrLost) {
			t.Errorf("unknown lease: got %v, want ErrLost", err)
		}
	})
}

func TestCheckedTransactionHoldsUpATakeoverButNoBeat(t *testing.T) {
	url := dbtest.PostgresURL(t)
	one := start(t, url)
	token := one.token(t)
	two := start(t, url)
	beats := func() (n int64) {
		if err := two.db.SQL().QueryRowContext(t.Context(), `SELECT beat FROM leases WHERE name = 'duty'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	worker, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close()
	var committed atomic.Bool
	err = worker.Update(t.Context(), func(tx *db.Tx) error {
		if err := lease.Check(t.Context(), tx, "duty", token); err != nil {
			return err
		}
		before := beats()
		waitFor(t, "a beat during the transaction", func() bool { return beats() > before })
		if err := one.db.Close(); err != nil { // its lease will end
			return err
		}
		work := time.NewTicker(200 * time.Millisecond) // the store ends a transaction that idles
		defer work.Stop()
		for end := time.After(2 * time.Second); ; { // over twice the patience
			select {
			case <-two.tokens:
				t.Error("the lease was taken over before the transaction of its holder ended")
			case <-work.C:
				if err := lease.Check(t.Context(), tx, "duty", token); err != nil {
					return err
				}
				continue
			case <-end:
			}
			break
		}
		committed.Store(true)
		return nil
	})
	if err != nil || !committed.Load() {
		t.Fatalf("the holder's transaction: %v", err)
	}
	two.token(t)
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("%s: not within 10 s", what)
		case <-tick.C:
		}
	}
}

func TestDutyThatEndsGivesTheLeaseBackAndItsErrorOn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		want := errors.New("no")
		var last int64
		for _, ends := range []error{want, nil, want} {
			begun := time.Now()
			err := lease.New(d, "x").Hold(t.Context(), "duty", func(_ context.Context, token int64) error {
				if token <= last {
					t.Errorf("got token %d after %d", token, last)
				}
				last = token
				return ends
			})
			if !errors.Is(err, ends) || time.Since(begun) > 5*time.Second {
				t.Errorf("got %v after %v, want %v at once", err, time.Since(begun), ends)
			}
		}
	})
}
