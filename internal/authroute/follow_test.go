package authroute

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
)

// everySecond is a bus that wakes as the real one does.
type everySecond struct{}

func (everySecond) Subscribe(string) (<-chan struct{}, func()) {
	changes, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			select {
			case changes <- struct{}{}:
			default:
			}
		}
	}()
	return changes, func() { close(done) }
}

func TestStoreThatHangsIsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var well atomic.Bool
		var looks atomic.Int64
		load := func(ctx context.Context) error {
			looks.Add(1)
			if well.Load() {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		ended := make(chan error)
		go func() { ended <- follow(ctx, everySecond{}, "topic", load) }()
		<-time.After(time.Minute)
		synctest.Wait()
		if n := looks.Swap(0); n < 20 {
			t.Errorf("looked %d times in a minute in which the store hung, want one each 2 s or more", n)
		}
		well.Store(true)
		<-time.After(refreshTime + 3*time.Second)
		synctest.Wait()
		if looks.Load() == 0 {
			t.Error("the store is well again, and nobody looked")
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("got %v at the end, want nil", err)
		}
	})
}

func TestKeysAreReadInPages(t *testing.T) {
	d := dbtest.SQLite(t)
	const count = 7
	err := d.Update(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.ExecContext(t.Context(), `INSERT INTO users (id, display_name, created_at) VALUES ('u', 'u', $1)`, db.Now(time.Now())); err != nil {
			return err
		}
		for n := range count {
			pub, _, err := ed25519.GenerateKey(nil)
			if err != nil {
				return err
			}
			k := Key{ID: fmt.Sprintf("%064d", n), Type: Primary, User: "u", Address: "a@b", Public: pub, Created: db.Now(time.Now())}
			if err := insertKey(t.Context(), tx, &k); err != nil {
				return err
			}
			// A user has one live primary at a time.
			if _, err := tx.ExecContext(t.Context(), `UPDATE authroute_keys SET revoked_at = $1 WHERE key_id = $2`, k.Created, k.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	effects := 0
	s := NewKeyset(d, everySecond{}, time.Now, func(time.Duration) { effects++ })
	s.page = 3
	if s.Fresh(time.Now()) {
		t.Error("keys are fresh before they were read")
	}
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(s.Revocations(0)); got != count {
		t.Errorf("read %d keys, want %d", got, count)
	}
	if effects != 0 {
		t.Errorf("%d revocations from before the start count as having come into effect now, want none", effects)
	}
	now := time.Now()
	for _, c := range []struct {
		name  string
		now   time.Time
		fresh bool
	}{
		{"at once", now, true},
		{"after 6 s", now.Add(6 * time.Second), false},
		{"after a sleep that the monotonic clock does not count", now.Round(0).Add(6 * time.Second), false},
	} {
		if got := s.Fresh(c.now); got != c.fresh {
			t.Errorf("%s: fresh is %t, want %t", c.name, got, c.fresh)
		}
	}
}
