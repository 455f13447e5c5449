package disk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/objects/disk"
)

// breakKey has SQLite fail for one key, in the middle of a transaction.
func (s store) breakKey(t *testing.T, key string) {
	t.Helper()
	_, err := s.db.SQL().ExecContext(t.Context(), `
		CREATE TRIGGER broken BEFORE INSERT ON objects_disk_objects WHEN NEW.key = '`+key+`'
		BEGIN SELECT RAISE(ABORT, 'broken'); END`)
	if err != nil {
		t.Fatal(err)
	}
}

// holdWriter keeps SQLite's one writer until so many others wait for a transaction to share.
func (s store) holdWriter(t *testing.T, waiting int) (wait func()) {
	t.Helper()
	holds, ended := make(chan bool), make(chan error, 1)
	go func() {
		ended <- s.db.Update(t.Context(), func(*db.Tx) error {
			close(holds)
			deadline := time.After(10 * time.Second)
			for s.Waiting() < waiting {
				select {
				case <-deadline:
					return fmt.Errorf("%d wait, want %d", s.Waiting(), waiting)
				case <-time.After(time.Millisecond):
				}
			}
			return nil
		})
	}()
	<-holds
	return func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestWriteThatBreaksTheSharedTransactionFailsAlone(t *testing.T) {
	s := newStore(t, dbtest.SQLite(t), disk.Options{})
	s.breakKey(t, "key13")
	release := s.holdWriter(t, writers-1) // one of them leads, and has begun
	failed := together(func(i int) error {
		_, err := s.Put(t.Context(), objects.Put{Bucket: bucket, Key: fmt.Sprint("key", i), Body: text("1")})
		return err
	})
	release()
	if len(failed) != 1 || !strings.Contains(failed[0].Error(), "broken") {
		t.Errorf("got %v, want the one that is broken", failed)
	}
	l, err := s.List(t.Context(), objects.List{Bucket: bucket, Max: 1000})
	if err != nil || len(l.Objects) != writers-1 {
		t.Errorf("got %d objects, %v; want all but one of %d", len(l.Objects), err, writers)
	}
	var n int
	if err := s.db.SQL().QueryRowContext(t.Context(), "SELECT count(*) FROM objects_disk_contents").Scan(&n); err != nil || n != writers-1 {
		t.Errorf("got the bytes of %d objects, %v", n, err)
	}
}

func TestWriterWhoGivesUpKeepsNothing(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		failed := together(func(i int) error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%2 == 0 {
				cancel()
			}
			_, err := s.Put(ctx, objects.Put{Bucket: bucket, Key: fmt.Sprint("key", i), Body: text("1")})
			return err
		})
		for _, err := range failed {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
		}
		if n := len(s.history(t)); len(failed) != writers/2 || n != writers/2 || s.files(t) != n {
			t.Errorf("%d failed, %d objects and %d files are there; want half of %d each", len(failed), n, s.files(t), writers)
		}
	})
}
