package once_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/fault"
	"signet/internal/once"

	redistest "signet/test/redis"
)

var spaces = []once.Space{
	{Name: "jti", Cap: 10_000, Quota: 5_000},
	{Name: "mail", Cap: 10_000, Quota: 3},
	{Name: "tiny", Cap: 5},
	{Name: "skewed", Cap: 10, Skew: 10 * time.Second},
}

// world is a guard with its store, which can be forgotten by a restart.
type world struct {
	*once.Guard

	store once.Store
	prune func() // what Run does now and then
}

// each runs f on all stores.
func each(t *testing.T, f func(t *testing.T, w world)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { f(t, newWorld(dbtest.SQLite(t), once.NewMemory(), nil)) })
	t.Run("file", func(t *testing.T) {
		d := dbtest.SQLite(t)
		s := openFile(t, d, t.TempDir())
		f(t, newWorld(d, s, func() {
			if err := s.Prune(); err != nil {
				t.Error(err)
			}
		}))
	})
	t.Run("sql", func(t *testing.T) {
		dbtest.Each(t, func(t *testing.T, d *db.DB) {
			s := once.NewSQL(d)
			f(t, newWorld(d, s, func() {
				if err := s.Prune(t.Context()); err != nil {
					t.Error(err)
				}
			}))
		})
	})
	t.Run("redis", func(t *testing.T) {
		f(t, newWorld(dbtest.SQLite(t), openRedis(t, redistest.Start(t)), nil))
	})
}

func newWorld(d *db.DB, s once.Store, prune func()) world {
	if prune == nil {
		prune = func() {}
	}
	return world{once.New(d, s, nil, spaces...), s, prune}
}

func openRedis(t *testing.T, s *redistest.Server) *once.Redis {
	t.Helper()
	r, err := once.OpenRedis(t.Context(), s.URL(), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func soon() time.Time { return time.Now().Add(time.Minute) }

// eventually polls until ok, and fails after 10 s.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within 10 s", what)
		case <-tick.C:
		}
	}
}

func TestFirstUserHoldsAValue(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		take := func(space, value, by, want string) {
			t.Helper()
			if got, err := w.Take(t.Context(), space, value, by, soon()); err != nil || got != want {
				t.Errorf("%s takes %q in %s: got %q, %v; want %q", by, value, space, got, err, want)
			}
		}
		take("jti", "v", "alice", "alice")
		take("jti", "v", "bob", "alice")
		take("jti", "v", "alice", "alice") // the same use, tried again
		take("jti", "v2", "bob", "bob")
		take("mail", "v", "bob", "bob") // a space of its own
		take("jti", "", "nul", "nul")
		take("jti", strings.Repeat("long", 10_000), "a\x00b\xff", "a\x00b\xff") // any bytes
		take("jti", strings.Repeat("long", 10_000), "c", "a\x00b\xff")
	})
}

func TestOf64TakersOneWinsAndAllSeeIt(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		for round := range 10 {
			value := fmt.Sprint("value ", round)
			holders := make([]string, 64)
			var wg sync.WaitGroup
			for i := range holders {
				wg.Go(func() {
					var err error
					if holders[i], err = w.Take(t.Context(), "jti", value, fmt.Sprint("taker ", i), soon()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			winners := 0
			for i, h := range holders {
				if h == fmt.Sprint("taker ", i) {
					winners++
				}
				if h != holders[0] {
					t.Fatalf("holders differ: %q and %q", h, holders[0])
				}
			}
			if winners != 1 {
				t.Fatalf("%d takers won, want 1", winners)
			}
		}
	})
}

func TestTwoInstancesShareSQL(t *testing.T) {
	url := dbtest.PostgresURL(t) // SQLite serves one instance
	guards := make([]*once.Guard, 2)
	for i := range guards {
		d, err := db.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		guards[i] = once.New(d, once.NewSQL(d), nil, spaces...)
	}
	wins := make([]int, 200)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for taker := range 16 {
		wg.Go(func() {
			by := fmt.Sprint("taker ", taker)
			for i := range wins {
				h, err := guards[taker%2].TakeUse(t.Context(), once.Use{Space: "jti", Value: fmt.Sprint(i), By: by, Subject: fmt.Sprint(i % 3), Until: soon()})
				if err != nil {
					t.Error(err)
				}
				if h == by {
					mu.Lock()
					wins[i]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for i, n := range wins {
		if n != 1 {
			t.Errorf("value %d was given %d times, want 1", i, n)
		}
	}
}

func TestValueThatEndedIsFreeAndTakesNoRoom(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		until := time.Now().Add(time.Second)
		for i := range 5 {
			if _, err := w.Take(t.Context(), "tiny", fmt.Sprint(i), "alice", until); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Take(t.Context(), "tiny", "one more", "alice", soon()); !errors.Is(err, once.ErrFull) {
			t.Fatalf("got %v, want ErrFull", err)
		}
		if h, err := w.Take(t.Context(), "tiny", "0", "bob", soon()); err != nil || h != "alice" {
			t.Fatalf("a held value in a full space: got %q, %v; want alice", h, err)
		}
		eventually(t, "room again", func() bool {
			w.prune()
			h, err := w.Take(t.Context(), "tiny", "one more", "bob", soon())
			return err == nil && h == "bob"
		})
		w.prune()
		for i := range 4 {
			if h, err := w.Take(t.Context(), "tiny", fmt.Sprint(i), "bob", soon()); err != nil || h != "bob" {
				t.Errorf("%d: got %q, %v; want bob", i, h, err)
			}
		}
		if _, err := w.Take(t.Context(), "tiny", "4", "bob", soon()); !errors.Is(err, once.ErrFull) {
			t.Errorf("full again: got %v, want ErrFull", err)
		}
	})
}

func TestValueThatHasEndedAlreadyIsRefused(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		if h, err := w.Take(t.Context(), "jti", "v", "alice", time.Now().Add(-time.Second)); !errors.Is(err, once.ErrPast) {
			t.Errorf("got %q, %v; want ErrPast", h, err)
		}
		// Also where only the store knows: its clock is ahead of this instance's.
		w.SetClock(func() time.Time { return time.Now().Add(-time.Hour) })
		h, err := w.Take(t.Context(), "jti", "v", "alice", time.Now().Add(-time.Minute))
		again, _ := w.Take(t.Context(), "jti", "v", "bob", time.Now().Add(-time.Minute))
		if err == nil && h == "alice" && again == "bob" {
			t.Error("a value was given twice")
		}
	})
}

func TestOneSubjectCannotFillTheSpace(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		use := func(value, subject string) error {
			_, err := w.TakeUse(t.Context(), once.Use{Space: "mail", Value: value, By: "x", Subject: subject, Until: soon()})
			return err
		}
		for i := range 3 {
			if err := use(fmt.Sprint(i), "mallory"); err != nil {
				t.Fatal(err)
			}
		}
		err := use("3", "mallory")
		if !errors.Is(err, once.ErrQuota) || fault.KindOf(err) != fault.TooMany {
			t.Errorf("the fourth: got %v, want ErrQuota", err)
		}
		if err := use("3", "alice"); err != nil {
			t.Errorf("somebody else: %v", err)
		}
		if err := use("4", ""); err != nil {
			t.Errorf("nobody: %v", err)
		}
		if err := use("0", "mallory"); err != nil {
			t.Errorf("a value held already: %v", err)
		}
	})
}

func TestCapHoldsAgainstManyAtOnce(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		given := 0
		for i := range 40 {
			wg.Go(func() {
				_, err := w.Take(t.Context(), "tiny", fmt.Sprint(i), "x", soon())
				if err != nil && !errors.Is(err, once.ErrFull) {
					t.Error(err)
				}
				if err == nil {
					mu.Lock()
					given++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if given != 5 {
			t.Errorf("%d values were given, want 5", given)
		}
	})
}

func TestUsesAreCounted(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		seen := map[int]bool{}
		for range 20 {
			wg.Go(func() {
				n, err := w.Count(t.Context(), "mail", "v", soon())
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				seen[n] = true
				mu.Unlock()
			})
		}
		wg.Wait()
		for n := 1; n <= 20; n++ {
			if !seen[n] {
				t.Errorf("nobody was use %d; got %v", n, seen)
			}
		}
		if h, err := w.Take(t.Context(), "mail", "v", "alice", soon()); err != nil || h != "alice" {
			t.Errorf("taking a counted value: got %q, %v; want alice", h, err)
		}
		for i := range 4 {
			if _, err := w.Count(t.Context(), "tiny", fmt.Sprint(i), soon()); err != nil {
				t.Fatal(err)
			}
		}
		_, last := w.Take(t.Context(), "tiny", "v", "alice", soon())
		if _, err := w.Count(t.Context(), "tiny", "one more", soon()); last != nil || !errors.Is(err, once.ErrFull) {
			t.Errorf("counting in a full space: got %v, %v; want nil, ErrFull", last, err)
		}
		if n, err := w.Count(t.Context(), "tiny", "0", soon()); err != nil || n != 2 {
			t.Errorf("counted value in a full space: got %d, %v; want 2", n, err)
		}
	})
}

func TestProofOlderThanTheStoreIsRefused(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		birth, err := w.store.Birth(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if again, err := w.store.Birth(t.Context()); err != nil || !again.Equal(birth) {
			t.Errorf("birth moved from %v to %v, %v", birth, again, err)
		}
		for _, tt := range []struct {
			name, space string
			issued      time.Time
			want        error
		}{
			{"before", "jti", birth.Add(-time.Millisecond), once.ErrOlder},
			{"after", "jti", birth.Add(time.Millisecond), nil},
			{"without a time", "jti", time.Time{}, nil},
			{"by a clock that may be ahead", "skewed", birth.Add(9 * time.Second), once.ErrOlder},
			{"after, by any clock", "skewed", birth.Add(11 * time.Second), nil},
		} {
			_, err := w.TakeUse(t.Context(), once.Use{Space: tt.space, Value: tt.name, By: "x", Issued: tt.issued, Until: soon()})
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
			}
		}
	})
}

func TestUnknownSpaceAndSillyHoldersAreErrors(t *testing.T) {
	w := newWorld(dbtest.SQLite(t), once.NewMemory(), nil)
	for _, u := range []once.Use{
		{Space: "unknown", By: "x"},
		{Space: "jti"},
		{Space: "jti", By: strings.Repeat("x", 513)},
	} {
		u.Until = soon()
		if h, err := w.TakeUse(t.Context(), u); err == nil || fault.KindOf(err) != fault.Internal {
			t.Errorf("%q by %d bytes: got %q, %v; want an internal error", u.Space, len(u.By), h, err)
		}
	}
}

func BenchmarkTake(b *testing.B) {
	bench := func(name string, d *db.DB, s once.Store) {
		b.Run(name, func(b *testing.B) {
			g := once.New(d, s, nil, once.Space{Name: "jti", Cap: 1 << 30})
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				id := fmt.Sprintf("%p", pb)
				for i := 0; pb.Next(); i++ {
					if _, err := g.Take(b.Context(), "jti", fmt.Sprint(id, i), "x", soon()); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "takes/s")
		})
	}
	lite, post := dbtest.SQLite(b), dbtest.Postgres(b)
	bench("memory", lite, once.NewMemory())
	bench("file", lite, openFile(b, dbtest.SQLite(b), b.TempDir()))
	bench("sqlite", lite, once.NewSQL(lite))
	bench("postgres", post, once.NewSQL(post))
	r, err := once.OpenRedis(b.Context(), redistest.Start(b).URL(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	bench("redis", lite, r)
}
