package limit_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/fault"
	"signet/internal/limit"
)

var (
	rate  = limit.Rate{Burst: 5, Every: 3 * time.Minute} // five wrong codes in 15 minutes
	begin = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
)

// each runs f on buckets in memory and on both engines. take takes a token.
func each(t *testing.T, f func(t *testing.T, now *time.Time, take func(key string) error)) {
	t.Run("memory", func(t *testing.T) {
		now := begin
		m := limit.NewMemory(rate, 100)
		m.SetClock(func() time.Time { return now })
		f(t, &now, m.Take)
	})
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := begin
		s := limit.NewSQL(d)
		s.SetClock(func() time.Time { return now })
		f(t, &now, func(key string) error {
			return s.Take(t.Context(), limit.Bucket{Name: "login", Key: key, Rate: rate})
		})
	})
}

func TestBucketGivesItsBurstAndThenOneEach(t *testing.T) {
	each(t, func(t *testing.T, now *time.Time, take func(string) error) {
		refused := func(wait time.Duration) {
			t.Helper()
			err := take("alice")
			f, ok := fault.As(err)
			if !errors.Is(err, limit.ErrRate) || !ok || f.Kind != fault.TooMany || f.Retry != wait {
				t.Errorf("at %v: got %v (retry after %v), want ErrRate after %v", now.Sub(begin), err, f.Retry, wait)
			}
		}
		for i := range 5 {
			if err := take("alice"); err != nil {
				t.Fatalf("%d: %v", i, err)
			}
		}
		refused(3 * time.Minute)
		if err := take("bob"); err != nil {
			t.Errorf("somebody else: %v", err)
		}
		*now = begin.Add(3*time.Minute - time.Microsecond)
		refused(time.Microsecond)
		*now = begin.Add(3 * time.Minute)
		if err := take("alice"); err != nil {
			t.Errorf("after the wait: %v", err)
		}
		refused(3 * time.Minute)
		*now = begin.Add(24 * time.Hour) // full, and not fuller
		for range 5 {
			if err := take("alice"); err != nil {
				t.Errorf("a day later: %v", err)
			}
		}
		refused(3 * time.Minute)
		*now = begin.Add(-10 * time.Hour) // the clock was wrong
		refused(3 * time.Minute)
	})
}

func TestMemoryIsBoundedAndForgetsTheLongestUnused(t *testing.T) {
	m := limit.NewMemory(limit.Rate{Burst: 1, Every: time.Hour}, 3)
	for _, key := range []string{"a", "b", "c"} {
		if err := m.Take(key); err != nil {
			t.Fatal(err)
		}
	}
	if m.Take("a") == nil { // used again, though refused
		t.Error("a was given twice")
	}
	if err := m.Take("d"); err != nil { // b must go
		t.Error(err)
	}
	for key, want := range map[string]bool{"a": false, "c": false} {
		if got := m.Take(key) == nil; got != want {
			t.Errorf("%s: given %t, want %t", key, got, want)
		}
	}
	if err := m.Take("b"); err != nil {
		t.Errorf("b was not forgotten: %v", err)
	}
}

func TestBucketInTheDatabaseHoldsOverRestartsAndInstances(t *testing.T) {
	for name, url := range map[string]string{"sqlite": dbtest.SQLiteURL(t), "postgres": dbtest.PostgresURL(t)} {
		t.Run(name, func(t *testing.T) {
			var given atomic.Int32
			for range 2 { // starts
				var instances []*limit.SQL
				for range 2 {
					d, err := db.Open(t.Context(), url)
					if err != nil {
						t.Fatal(err)
					}
					defer d.Close()
					instances = append(instances, limit.NewSQL(d))
				}
				var wg sync.WaitGroup
				for i := range 16 {
					wg.Go(func() {
						err := instances[i%2].Take(t.Context(), limit.Bucket{Name: "login", Key: "alice", Rate: rate})
						if err == nil {
							given.Add(1)
						} else if !errors.Is(err, limit.ErrRate) {
							t.Error(err)
						}
					})
				}
				wg.Wait()
			}
			if n := given.Load(); n != 5 {
				t.Errorf("%d were given, want 5", n)
			}
		})
	}
}

func TestAllBucketsAreTakenOrNone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := limit.NewSQL(d)
		now := begin
		s.SetClock(func() time.Time { return now })
		wide := limit.Bucket{Name: "address", Key: "192.0.2.0/24", Rate: limit.PerMinute(60), N: 10}
		tight := limit.Bucket{Name: "account", Key: "alice", Rate: limit.Rate{Burst: 1, Every: time.Hour}}
		if err := s.Take(t.Context(), wide, tight); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			err := s.Take(t.Context(), wide, tight)
			if f, _ := fault.As(err); !errors.Is(err, limit.ErrRate) || f.Retry != time.Hour {
				t.Fatalf("got %v, want ErrRate after an hour", err)
			}
		}
		for i := range 5 { // 60 less the 10 that counted
			if err := s.Take(t.Context(), wide); err != nil {
				t.Errorf("refusals emptied the other bucket: %d: %v", i, err)
			}
		}
		if err := s.Take(t.Context(), wide); !errors.Is(err, limit.ErrRate) {
			t.Errorf("got %v, want ErrRate", err)
		}
	})
}

func TestBucketsInAnyOrderDoNotWaitForEachOther(t *testing.T) {
	d := dbtest.Postgres(t)
	s := limit.NewSQL(d)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 10 {
				a := limit.Bucket{Name: "a", Key: "k", Rate: limit.Rate{Burst: 1000, Every: time.Hour}}
				b := limit.Bucket{Name: "b", Key: "k", Rate: limit.Rate{Burst: 1000, Every: time.Hour}}
				if i%2 == 0 {
					a, b = b, a
				}
				if err := s.Take(t.Context(), a, b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var deadlocks int
	if err := d.SQL().QueryRowContext(t.Context(), `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`).Scan(&deadlocks); err != nil || deadlocks != 0 {
		t.Errorf("%d deadlocks, %v; want 0", deadlocks, err)
	}
}

func TestGivenBackTokensCountAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := limit.NewSQL(d)
		b := limit.Bucket{Name: "login", Key: "alice", Rate: rate}
		for i := range 20 { // all right guesses
			if err := s.Take(t.Context(), b); err != nil {
				t.Fatalf("%d: %v", i, err)
			}
			if err := s.Give(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			if err := s.Give(t.Context(), b); err != nil { // more than there is room for
				t.Fatal(err)
			}
		}
		for i := range 5 {
			if err := s.Take(t.Context(), b); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		}
		if err := s.Take(t.Context(), b); !errors.Is(err, limit.ErrRate) {
			t.Errorf("the sixth: got %v, want ErrRate", err)
		}
	})
}

func TestFullBucketsTakeNoRoomAndKeysAreHashed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := limit.NewSQL(d)
		now := begin
		s.SetClock(func() time.Time { return now })
		rows := func() (n int) {
			if err := d.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM limit_buckets`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		for i := range 4 {
			if err := s.Take(t.Context(), limit.Bucket{Name: "login", Key: fmt.Sprint(i), Rate: rate, N: i + 1}); err != nil {
				t.Fatal(err)
			}
		}
		var key string
		if err := d.SQL().QueryRowContext(t.Context(), `SELECT key FROM limit_buckets LIMIT 1`).Scan(&key); err != nil || len(key) != 32 {
			t.Errorf("got key %q, %v; want 32 bytes", key, err)
		}
		for _, step := range []struct{ minutes, left int }{{0, 4}, {3, 3}, {8, 2}, {12, 0}} {
			now = begin.Add(time.Duration(step.minutes) * time.Minute)
			if err := s.Prune(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := rows(); got != step.left {
				t.Errorf("after %d minutes: %d rows, want %d", step.minutes, got, step.left)
			}
		}
	})
}

func TestMoreTokensThanABucketHoldsIsAMistake(t *testing.T) {
	s := limit.NewSQL(dbtest.SQLite(t))
	if err := s.Take(t.Context(), limit.Bucket{Name: "login", Key: "a", Rate: rate, N: 6}); err == nil || errors.Is(err, limit.ErrRate) {
		t.Errorf("got %v, want an internal error", err)
	}
}
