package once_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/once"

	redistest "signet/test/redis"
)

func containsSecret(err error) bool { return strings.Contains(err.Error(), "hunter2") }

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// instance is a guard of an installation with Redis and the database to fall back to.
func instance(t *testing.T, url string, s *redistest.Server, c *clock) *once.Guard {
	t.Helper()
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	g := once.New(d, openRedis(t, s), once.NewSQL(d), spaces...)
	g.SetClock(c.now)
	return g
}

func epochOf(t *testing.T, g *once.Guard) int64 {
	t.Helper()
	n, err := g.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEpochMovesTheWholeInstallation(t *testing.T) {
	s := redistest.Start(t)
	url := dbtest.PostgresURL(t)
	c := &clock{at: time.Now()}
	one, two := instance(t, url, s, c), instance(t, url, s, c)
	watcher := one.Watcher()
	look := func(after time.Duration) {
		t.Helper()
		c.pass(after)
		if err := watcher.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.pass(time.Second) // what instances know of the epoch is too old now
	}
	look(0)
	first := epochOf(t, one)
	if got := epochOf(t, two); got != first || got == 0 {
		t.Fatalf("instances are in epochs %d and %d", first, got)
	}
	var used []once.Use
	replayAll := func(what string) {
		t.Helper()
		for _, u := range used {
			u.By = "mallory"
			for i, g := range []*once.Guard{one, two} {
				if h, err := g.TakeUse(t.Context(), u); err == nil && h == "mallory" {
					t.Fatalf("%s: instance %d accepted a used proof of epoch %d", what, i+1, u.Epoch)
				}
			}
		}
	}
	use := func(g *once.Guard, epoch int64) error {
		u := once.Use{Space: "jti", Value: fmt.Sprint("v", len(used)), By: "alice", Epoch: epoch, Until: c.now().Add(time.Minute)}
		h, err := g.TakeUse(t.Context(), u)
		if err == nil && h == "alice" {
			used = append(used, u)
		}
		return err
	}
	if err := use(one, first); err != nil {
		t.Fatal(err)
	}

	s.Kill()
	look(0)
	if err := use(two, first); !errors.Is(err, once.ErrAway) {
		t.Errorf("Redis just died: got %v, want ErrAway", err)
	}
	replayAll("Redis just died")
	look(time.Second) // with the one above: over 2 s
	second := epochOf(t, two)
	if second != first+1 {
		t.Fatalf("Redis is dead for over 2 s: epoch %d, want %d", second, first+1)
	}
	for _, g := range []*once.Guard{one, two} {
		if err := use(g, first); !errors.Is(err, once.ErrEpoch) {
			t.Errorf("nonce of the old epoch: got %v, want ErrEpoch", err)
		}
		if err := use(g, second); err != nil {
			t.Errorf("nonce of the new epoch: %v", err)
		}
	}
	if _, err := one.Take(t.Context(), "jti", "no nonce", "alice", c.now().Add(time.Minute)); !errors.Is(err, once.ErrAway) {
		t.Errorf("a value that no nonce covers: got %v, want ErrAway", err)
	}
	replayAll("in the second epoch")

	s.Restart()
	look(0)
	if got := epochOf(t, one); got != second {
		t.Errorf("Redis is back for a moment: epoch %d, want still %d", got, second)
	}
	if err := use(one, second); err != nil {
		t.Errorf("the fallback, while Redis is back for a moment: %v", err)
	}
	look(5 * time.Second)
	third := epochOf(t, one)
	if third != second+1 {
		t.Fatalf("Redis is back for 5 s: epoch %d, want %d", third, second+1)
	}
	if err := use(two, third); err != nil {
		t.Errorf("in the third epoch: %v", err)
	}
	replayAll("in the third epoch")

	s.Restart() // emptied between two looks
	if err := use(one, third); !errors.Is(err, once.ErrEpoch) {
		t.Errorf("emptied, and nobody has looked yet: got %v, want ErrEpoch", err)
	}
	replayAll("emptied, and nobody has looked yet")
	look(0)
	if got := epochOf(t, two); got != third+1 {
		t.Errorf("emptied: epoch %d, want %d", got, third+1)
	}
	replayAll("in the fourth epoch")
}

func TestNonceOfAnEpochThatAnInstanceHasNotSeenYetIsRefused(t *testing.T) {
	c := &clock{at: time.Now()}
	g := instance(t, dbtest.SQLiteURL(t), redistest.Start(t), c)
	n := epochOf(t, g)
	_, err := g.TakeUse(t.Context(), once.Use{Space: "jti", Value: "v", By: "alice", Epoch: n + 1, Until: c.now().Add(time.Minute)})
	if !errors.Is(err, once.ErrEpoch) {
		t.Errorf("got %v, want ErrEpoch", err)
	}
}

func TestBothStoresAwayRefuse(t *testing.T) {
	s := redistest.Start(t)
	d := dbtest.SQLite(t)
	g := once.New(d, openRedis(t, s), once.NewSQL(d), spaces...)
	c := &clock{at: time.Now()}
	g.SetClock(c.now)
	n := epochOf(t, g)
	s.Kill()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	c.pass(2 * time.Second)
	if _, err := g.TakeUse(t.Context(), once.Use{Space: "jti", Value: "v", By: "alice", Epoch: n, Until: c.now().Add(time.Minute)}); !errors.Is(err, once.ErrAway) {
		t.Errorf("got %v, want ErrAway", err)
	}
	if _, err := g.Epoch(t.Context()); !errors.Is(err, once.ErrAway) {
		t.Errorf("epoch: got %v, want ErrAway", err)
	}
}

func TestSQLKeepsValuesAndBirthOverARestart(t *testing.T) {
	for name, url := range map[string]string{"sqlite": dbtest.SQLiteURL(t), "postgres": dbtest.PostgresURL(t)} {
		t.Run(name, func(t *testing.T) {
			var births []time.Time
			for i := range 2 {
				d, err := db.Open(t.Context(), url)
				if err != nil {
					t.Fatal(err)
				}
				s := once.NewSQL(d)
				h, err := once.New(d, s, nil, spaces...).Take(t.Context(), "jti", "v", fmt.Sprint("start ", i), soon())
				if err != nil || h != "start 0" {
					t.Errorf("start %d: got %q, %v; want start 0", i, h, err)
				}
				birth, err := s.Birth(t.Context())
				if err != nil {
					t.Error(err)
				}
				births = append(births, birth)
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
			if !births[0].Equal(births[1]) {
				t.Errorf("births are %v, want one", births)
			}
		})
	}
}

func TestRestoredDatabaseRefusesOlderProofs(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		g := once.New(d, once.NewSQL(d), nil, spaces...)
		u := once.Use{Space: "jti", Value: "v", By: "alice", Issued: time.Now().Add(time.Millisecond), Until: soon()}
		if _, err := once.NewSQL(d).Birth(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := d.Update(t.Context(), func(tx *db.Tx) error { return once.Forget(t.Context(), tx) })
		if err != nil {
			t.Fatal(err)
		}
		s := once.NewSQL(d)
		s.SetClock(func() time.Time { return time.Now().Add(time.Second) })
		if _, err := s.Birth(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := g.TakeUse(t.Context(), u); !errors.Is(err, once.ErrOlder) {
			t.Errorf("got %v, want ErrOlder", err)
		}
	})
}

func TestNewInstallationTakesProofsThatAreOlderThanIt(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		g := once.New(d, once.NewSQL(d), nil, spaces...)
		u := once.Use{Space: "jti", Value: "v", By: "alice", Issued: time.Now().Add(-time.Second), Until: soon()}
		if _, err := g.TakeUse(t.Context(), u); err != nil {
			t.Errorf("in a new installation: %v", err)
		}
		// As a crash of the engine does.
		if _, err := d.SQL().ExecContext(t.Context(), `DELETE FROM once_births`); err != nil {
			t.Fatal(err)
		}
		u.Value = "w"
		if _, err := once.New(d, once.NewSQL(d), nil, spaces...).TakeUse(t.Context(), u); !errors.Is(err, once.ErrOlder) {
			t.Errorf("after a crash: got %v, want ErrOlder", err)
		}
	})
}

// A crash of PostgreSQL may lose commits that did not wait for the disk. It also
// empties unlogged tables, which is what the birth relies on.
func TestBirthDiesWithACrashOfPostgreSQL(t *testing.T) {
	var kind string
	err := dbtest.Postgres(t).SQL().QueryRowContext(t.Context(), `SELECT relpersistence FROM pg_class WHERE relname = 'once_births'`).Scan(&kind)
	if err != nil || kind != "u" {
		t.Errorf("got %q, %v; want u (unlogged)", kind, err)
	}
}
