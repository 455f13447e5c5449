package disk_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/objects/disk"
)

// swept sweeps at once.
func (s store) swept(t testing.TB, want disk.Swept) {
	t.Helper()
	got, err := s.Sweep(t.Context())
	if err != nil || got != want {
		t.Errorf("sweep: got %+v, %v; want %+v", got, err, want)
	}
}

func TestFileStaysForADayAfterItsLastReference(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.put(t, "a", "1")
		s.put(t, "a", "2")
		s.delete(t, ref("a"))
		*s.now = s.now.Add(disk.Keep - time.Second)
		s.swept(t, disk.Swept{})
		if n := s.files(t); n != 2 {
			t.Errorf("got %d files, want 2", n)
		}
		*s.now = s.now.Add(2 * time.Second)
		s.swept(t, disk.Swept{Removed: 2})
		s.nothingLeft(t)
	})
}

func TestBodyThatIsReleasedTwiceGoesWithTheLastOfItsObjects(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.put(t, "a", "1")
		for _, key := range []string{"b", "c"} {
			if _, err := s.Copy(t.Context(), objects.Copy{Source: ref("a"), Bucket: bucket, Key: key}); err != nil {
				t.Fatal(err)
			}
		}
		s.delete(t, ref("a"))
		*s.now = s.now.Add(disk.Keep / 2)
		s.delete(t, ref("b")) // counts anew
		*s.now = s.now.Add(disk.Keep/2 + time.Second)
		s.swept(t, disk.Swept{})
		*s.now = s.now.Add(disk.Keep / 2)
		s.swept(t, disk.Swept{}) // c refers to it
		if got := s.get(t, ref("c")); got != "1" {
			t.Errorf("got %q, want 1", got)
		}
		s.delete(t, ref("c"))
		*s.now = s.now.Add(disk.Keep + time.Second)
		s.swept(t, disk.Swept{Removed: 1})
		s.nothingLeft(t)
	})
}

func TestFileWithoutARowGoesAfterTwoDays(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.put(t, "a", "1")
		crashed, err := s.LeaveFile()
		if err != nil {
			t.Fatal(err)
		}
		foreign := filepath.Join(s.Dir(), "README")
		if err := os.WriteFile(foreign, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		beside := filepath.Join(filepath.Dir(crashed), "notes.txt")
		if err := os.WriteFile(beside, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s.swept(t, disk.Swept{}) // somebody may be writing it
		*s.now = s.now.Add(disk.Keep + time.Hour)
		s.swept(t, disk.Swept{Orphans: 1})
		s.swept(t, disk.Swept{})
		if _, err := os.Stat(crashed); err != nil {
			t.Errorf("it is gone before its time: %v", err)
		}
		*s.now = s.now.Add(disk.Keep + time.Hour)
		s.swept(t, disk.Swept{Removed: 1})
		if _, err := os.Stat(crashed); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v, want it gone", err)
		}
		for _, path := range []string{foreign, beside} {
			if _, err := os.Stat(path); err != nil {
				t.Errorf("a file that is not ours: %v", err)
			}
		}
		if got := s.get(t, ref("a")); got != "1" {
			t.Errorf("got %q, want 1", got)
		}
	})
}

func TestOldUploadsAreAbortedWhereTheOperatorSaysSo(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, c := range []struct {
			after time.Duration
			want  disk.Swept
		}{{0, disk.Swept{}}, {7 * 24 * time.Hour, disk.Swept{Aborted: 1}}} {
			s := newStore(t, d, disk.Options{Inline: -1, AbortAfter: c.after})
			old := s.begin(t, "old")
			s.part(t, old, 1, noise(1, 10))
			*s.now = s.now.Add(8 * 24 * time.Hour)
			young := s.begin(t, "young")
			s.swept(t, c.want)
			var want error
			if c.after > 0 {
				want = objects.ErrNoSuchUpload
			}
			wants(t, "the old one", s.Abort(t.Context(), old), want)
			wants(t, "the young one", s.Abort(t.Context(), young), nil)
			s.sweep(t)
			s.nothingLeft(t)
		}
	})
}

func TestRunSyncsAndSweepsUntilItIsToldToEnd(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStore(t, d, disk.Options{Inline: -1, Sync: disk.Interval})
		s.put(t, "a", "1")
		if !s.Dirty() {
			t.Error("a body that waits to be synced is not known")
		}
		s.delete(t, ref("a"))
		*s.now = s.now.Add(disk.Keep + time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		deadline := time.After(20 * time.Second)
		for s.files(t) > 0 {
			select {
			case <-deadline:
				t.Fatal("the file is still there")
			case <-time.After(10 * time.Millisecond):
			}
		}
		cancel()
		if err := <-ended; err != nil || s.Dirty() {
			t.Errorf("got %v, and dirty %v", err, s.Dirty())
		}
	})
}

func TestPolicyThatIsNotKnownIsRefused(t *testing.T) {
	if _, err := disk.New(dbtest.SQLite(t), t.TempDir(), disk.Options{Sync: "never"}); err == nil {
		t.Error("it was taken")
	}
}
