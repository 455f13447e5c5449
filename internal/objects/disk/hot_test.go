package disk_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/objects/disk"
)

// What was read is kept, so each change is made between two reads.
func TestAReadSeesEveryChangeBeforeIt(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStore(t, d, disk.Options{})
		read := func(what, want string) objects.Object {
			t.Helper()
			c, err := s.Get(t.Context(), objects.Get{Ref: ref("a")})
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if got := s.get(t, ref("a")); got != want {
				t.Fatalf("%s: got %q, want %q", what, got, want)
			}
			return c.Object
		}
		s.put(t, "a", "one")
		s.put(t, "b", "copied")
		read("put", "one")
		s.put(t, "a", "two")
		read("put again", "two")
		if _, err := s.Copy(t.Context(), objects.Copy{Source: ref("b"), Bucket: bucket, Key: "a"}); err != nil {
			t.Fatal(err)
		}
		read("copy", "copied")
		if _, err := s.SetTags(t.Context(), ref("a"), []objects.Tag{{Key: "k", Value: "v"}}); err != nil {
			t.Fatal(err)
		}
		if o := read("tags", "copied"); len(o.Tags) != 1 {
			t.Errorf("tags: got %v", o.Tags)
		}
		s.versioning(t, objects.VersioningEnabled)
		if o := read("versioning", "copied"); o.VersionID != objects.NullVersion {
			t.Errorf("versioning: got version %q, want null", o.VersionID)
		}
		newest := s.put(t, "a", "three")
		read("version", "three")
		s.delete(t, ref("a", newest.VersionID))
		read("version gone", "copied")
		u := s.begin(t, "a")
		if _, err := s.Complete(t.Context(), completion(u, s.part(t, u, 1, []byte("parts")))); err != nil {
			t.Fatal(err)
		}
		read("completed", "parts")
		s.delete(t, ref("a"))
		c, err := s.Get(t.Context(), objects.Get{Ref: ref("a")})
		if err != nil || !c.DeleteMarker {
			t.Errorf("deleted: got %+v, %v, want a delete marker", c, err)
		}
	})
}

func TestABucketThatIsGoneTakesWhatWasReadAlong(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStore(t, d, disk.Options{})
		s.put(t, "a", "one")
		s.get(t, ref("a"))
		s.delete(t, ref("a"))
		_, err := s.Get(t.Context(), objects.Get{Ref: ref("a")})
		wants(t, "deleted", err, objects.ErrNoSuchKey)
		if err := s.DeleteBucket(t.Context(), bucket); err != nil {
			t.Fatal(err)
		}
		_, err = s.Get(t.Context(), objects.Get{Ref: ref("a")})
		wants(t, "without a bucket", err, objects.ErrNoSuchBucket)
	})
}

// One writer counts up; whoever begins to read after a number was answered gets that
// number or a later one.
func TestReadersBesideAWriterNeverGoBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStore(t, d, disk.Options{})
		s.put(t, "a", "0")
		var all sync.WaitGroup
		done := make(chan struct{})
		var lock sync.Mutex
		answered := 0
		for range 4 {
			all.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					lock.Lock()
					least := answered
					lock.Unlock()
					got, err := read(t.Context(), s.Store, objects.Get{Ref: ref("a")})
					if n, _ := strconv.Atoi(string(got)); err != nil || n < least {
						t.Errorf("got %q, %v, want at least %d", got, err, least)
						return
					}
				}
			})
		}
		for n := 1; n <= 300; n++ {
			s.put(t, "a", strconv.Itoa(n))
			lock.Lock()
			answered = n
			lock.Unlock()
		}
		close(done)
		all.Wait()
	})
}

func TestWhatIsReadWhileItChangesIsNotKept(t *testing.T) {
	h := disk.NewHot()
	_, since := h.Get("a")
	end := h.Change("a")
	h.Keep("a", since) // read before the change, kept within it
	if got, _ := h.Get("a"); got {
		t.Error("kept while it changes")
	}
	end()
	h.Keep("a", since)
	if got, _ := h.Get("a"); got {
		t.Error("what was read before the change was kept after it")
	}
	_, since = h.Get("a")
	h.Keep("a", since)
	if got, _ := h.Get("a"); !got {
		t.Error("not kept though nothing changed")
	}
	end = h.Change("b")
	h.Keep("c", since)
	if got, _ := h.Get("c"); !got {
		t.Error("the change of another key that is under way kept it out")
	}
	end()
	end = h.Change("")
	if got, _ := h.Get("a"); got {
		t.Error("kept while its bucket changes")
	}
	_, since = h.Get("a")
	h.Keep("a", since)
	if got, _ := h.Get("a"); got {
		t.Error("kept within the change of its bucket")
	}
	end()
}

func TestWhatIsKeptHasABound(t *testing.T) {
	h := disk.NewHot()
	_, since := h.Get("0")
	for i := range 20 {
		h.KeepBytes(fmt.Sprint(i), strings.Repeat("x", 4<<20), since)
		h.Get("0") // who is asked for stays
	}
	if n := h.Bytes(); n > 40<<20 {
		t.Errorf("%d bytes are kept", n)
	}
	if got, _ := h.Get("0"); !got {
		t.Error("what is asked for all the time was dropped")
	}
	if got, _ := h.Get("3"); got {
		t.Error("what nobody asked for was kept")
	}
}
