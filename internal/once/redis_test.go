package once_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"signet/internal/db/dbtest"
	"signet/internal/once"

	"github.com/redis/go-redis/v9"

	redistest "signet/test/redis"
)

// raw is a plain connection, as an operator has.
func raw(t *testing.T, s *redistest.Server) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.Addr})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestRedisThatForgotRefusesOlderProofs(t *testing.T) {
	forget := map[string]func(t *testing.T, s *redistest.Server){
		"killed and empty": func(_ *testing.T, s *redistest.Server) { s.Restart() },
		"emptied": func(t *testing.T, s *redistest.Server) {
			if err := raw(t, s).FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		},
		"killed, with an old snapshot that has a birth": func(t *testing.T, s *redistest.Server) {
			// As if the snapshot were from before the proof was used.
			c := raw(t, s)
			values, err := c.Keys(t.Context(), "{test}:once:value:*").Result()
			if err != nil || len(values) != 1 {
				t.Fatalf("got values %q, %v; want one", values, err)
			}
			if err := c.Del(t.Context(), values[0]).Err(); err != nil {
				t.Fatal(err)
			}
			if err := c.Save(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			s.Restart()
			if n, err := c.Exists(t.Context(), "{test}:once:birth").Result(); err != nil || n != 1 {
				t.Fatalf("the snapshot holds %d births, %v; want 1, else this shows nothing", n, err)
			}
		},
	}
	for name, happen := range forget {
		t.Run(name, func(t *testing.T) {
			s := redistest.Start(t)
			g := once.New(dbtest.SQLite(t), openRedis(t, s), nil, spaces...)
			other := once.New(dbtest.SQLite(t), openRedis(t, s), nil, spaces...)
			first, err := openRedis(t, s).Birth(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			used := once.Use{Space: "jti", Value: "v", By: "alice", Issued: first, Until: soon()}
			if h, err := g.TakeUse(t.Context(), used); err != nil || h != "alice" {
				t.Fatalf("got %q, %v; want alice", h, err)
			}
			happen(t, s)
			used.By = "mallory"
			for range 100 {
				for _, g := range []*once.Guard{g, other} {
					if h, err := g.TakeUse(t.Context(), used); err == nil && h == "mallory" {
						t.Fatal("a used proof was accepted again")
					} else if err != nil && !errors.Is(err, once.ErrOlder) {
						t.Fatalf("got %v, want ErrOlder", err)
					}
				}
			}
			fresh := once.Use{Space: "jti", Value: "new", By: "alice", Issued: time.Now().Add(time.Second), Until: soon()}
			if h, err := g.TakeUse(t.Context(), fresh); err != nil || h != "alice" {
				t.Errorf("a new proof: got %q, %v; want alice", h, err)
			}
			if h, err := other.TakeUse(t.Context(), fresh); err != nil || h != "alice" {
				t.Errorf("a new proof on the other instance: got %q, %v; want alice", h, err)
			}
		})
	}
}

// Instances that find a new Redis at the same moment must agree on its birth: an epoch
// that holds another one refuses all its nonces until the watcher has moved it.
func TestInstancesThatBeginARedisTogetherAgreeOnItsBirth(t *testing.T) {
	s := redistest.Start(t)
	c := raw(t, s)
	stores := make([]*once.Redis, 8)
	for i := range stores {
		stores[i] = openRedis(t, s)
	}
	for range 50 {
		if err := errors.Join(c.FlushAll(t.Context()).Err(), c.ScriptFlush(t.Context()).Err()); err != nil {
			t.Fatal(err)
		}
		births, errs := make([]time.Time, len(stores)), make([]error, len(stores))
		var wg sync.WaitGroup
		for i, r := range stores {
			wg.Go(func() { births[i], errs[i] = r.Birth(t.Context()) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		for _, b := range births {
			if !b.Equal(births[0]) {
				t.Fatalf("births are %v, want one", births)
			}
		}
	}
}

// Their Redis came back with an old snapshot, and the other one was the first to ask.
func TestInstallationThatSharesARedisGetsItsOwnNewBirth(t *testing.T) {
	s := redistest.Start(t)
	ours := openRedis(t, s)
	other, err := once.OpenRedis(t.Context(), s.URL(), "other")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	before, err := ours.Birth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := raw(t, s).Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	if _, err := other.Birth(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after, err := ours.Birth(t.Context()); err != nil || !after.After(before) {
		t.Errorf("got %v, %v; want a birth after %v", after, err, before)
	}
}

func TestRedisThatIsAwayRefusesInTime(t *testing.T) {
	s := redistest.Start(t)
	g := once.New(dbtest.SQLite(t), openRedis(t, s), nil, spaces...)
	take := func(what string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		begun := time.Now()
		h, err := g.Take(ctx, "jti", what, "alice", soon())
		if !errors.Is(err, once.ErrAway) || time.Since(begun) > time.Second {
			t.Errorf("%s: got %q, %v after %v; want ErrAway within the deadline", what, h, err, time.Since(begun))
		}
	}
	s.Freeze()
	take("frozen")
	s.Thaw()
	eventually(t, "Redis answers after the thaw", func() bool {
		_, err := g.Take(t.Context(), "jti", "after", "alice", soon())
		return err == nil
	})
	s.Kill()
	take("dead")
	s.Restart()
	if h, err := g.Take(t.Context(), "jti", "again", "alice", soon()); err != nil || h != "alice" {
		t.Errorf("restarted: got %q, %v; want alice", h, err)
	}
}

func TestRedisThatEvictsIsRefusedAtStart(t *testing.T) {
	s := redistest.Start(t, "--maxmemory", "10mb", "--maxmemory-policy", "allkeys-lru")
	if _, err := once.OpenRedis(t.Context(), s.URL(), "test"); !errors.Is(err, once.ErrEvicts) {
		t.Errorf("got %v, want ErrEvicts", err)
	}
}

func TestRedisWithoutMemoryRefuses(t *testing.T) {
	s := redistest.Start(t, "--maxmemory-policy", "noeviction")
	g := once.New(dbtest.SQLite(t), openRedis(t, s), nil, spaces...)
	if _, err := g.Take(t.Context(), "jti", "v", "alice", soon()); err != nil {
		t.Fatal(err)
	}
	if err := raw(t, s).ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Take(t.Context(), "jti", "w", "alice", soon()); !errors.Is(err, once.ErrAway) {
		t.Errorf("got %v, want ErrAway", err)
	}
}

func TestInstallationsShareARedis(t *testing.T) {
	s := redistest.Start(t)
	for _, prefix := range []string{"one", "two"} {
		r, err := once.OpenRedis(t.Context(), s.URL(), prefix)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if h, err := once.New(dbtest.SQLite(t), r, nil, spaces...).Take(t.Context(), "jti", "v", prefix, soon()); err != nil || h != prefix {
			t.Errorf("%s: got %q, %v", prefix, h, err)
		}
	}
}

func TestRedisURLWithAPasswordIsNotShown(t *testing.T) {
	for _, url := range []string{"redis://:hunter2@127.0.0.1:1", "http://:hunter2@host", "redis://:hunter2@host:port"} {
		_, err := once.OpenRedis(t.Context(), url, "test")
		if err == nil || errors.Is(err, once.ErrEvicts) || containsSecret(err) {
			t.Errorf("%s: got %v", url, err)
		}
	}
}
