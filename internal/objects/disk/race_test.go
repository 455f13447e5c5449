package disk_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/iotest"

	"signet/internal/objects"
)

const writers = 64

// together runs f for each writer at once and returns what failed.
func together(f func(i int) error) (failed []error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			if err := f(i); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, err)
			}
		})
	}
	all.Wait()
	return failed
}

func TestManyWritersOfOneKeyLeaveOneObject(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		for _, err := range together(func(i int) error {
			_, err := s.Put(t.Context(), objects.Put{Bucket: bucket, Key: "a", Body: bytesOf(bytes.Repeat([]byte{byte(i)}, 1000+i))})
			return err
		}) {
			t.Error(err)
		}
		got := s.get(t, ref("a"))
		if want := bytes.Repeat([]byte{got[0]}, 1000+int(got[0])); got != string(want) {
			t.Errorf("got %d bytes of several writers", len(got))
		}
		if n := len(s.history(t)); n != 1 {
			t.Errorf("got %d versions, want 1", n)
		}
		s.sweep(t)
		if n := s.files(t); n != 1 {
			t.Errorf("got %d files, want 1", n)
		}
	})
}

func TestManyWritersOfOneKeyLeaveAsManyVersions(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.versioning(t, objects.VersioningEnabled)
		ids := make([]string, writers)
		for _, err := range together(func(i int) error {
			o, err := s.Put(t.Context(), objects.Put{Bucket: bucket, Key: "a", Body: text(fmt.Sprint(i))})
			ids[i] = o.VersionID
			return err
		}) {
			t.Error(err)
		}
		if n := len(s.history(t)); n != writers {
			t.Errorf("got %d versions, want %d", n, writers)
		}
		for i, id := range ids {
			if got := s.get(t, ref("a", id)); got != fmt.Sprint(i) {
				t.Errorf("version %d: got %q", i, got)
			}
		}
		// And all of them go at once.
		for _, err := range together(func(i int) error {
			_, err := s.Delete(t.Context(), ref("a", ids[i]), objects.Conditions{})
			return err
		}) {
			t.Error(err)
		}
		s.sweep(t)
		s.nothingLeft(t)
	})
}

func TestOneOfManyThatCreateWins(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		failed := together(func(i int) error {
			_, err := s.Put(t.Context(), objects.Put{
				Bucket: bucket, Key: "a", Body: text(fmt.Sprint(i)), Conditions: objects.Conditions{IfNoneMatch: "*"},
			})
			return err
		})
		if len(failed) != writers-1 {
			t.Errorf("%d failed, want all but one of %d", len(failed), writers)
		}
		for _, err := range failed {
			wants(t, "the others", err, objects.ErrPrecondition)
		}
		if n := s.files(t); n != 1 {
			t.Errorf("got %d files, want that of the winner at once", n)
		}
	})
}

func TestBucketGoesOrIsWrittenTo(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		for range 10 {
			if err := s.CreateBucket(t.Context(), "brief"); err != nil {
				t.Fatal(err)
			}
			var put, gone error
			var both sync.WaitGroup
			both.Go(func() {
				_, put = s.Put(t.Context(), objects.Put{Bucket: "brief", Key: "a", Body: text("1")})
			})
			both.Go(func() { gone = s.DeleteBucket(t.Context(), "brief") })
			both.Wait()
			switch {
			case put == nil && errors.Is(gone, objects.ErrBucketNotEmpty):
				if _, err := s.Delete(t.Context(), objects.Ref{Bucket: "brief", Key: "a"}, objects.Conditions{}); err != nil {
					t.Error(err)
				}
			case gone == nil && errors.Is(put, objects.ErrNoSuchBucket):
			default:
				t.Errorf("put: %v; delete bucket: %v", put, gone)
			}
		}
	})
}

func TestBodyThatFailsKeepsNothing(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.put(t, "a", "before")
		forged := errors.New("the signature of the last chunk is wrong")
		for _, size := range []int{1, 4096, 64 << 10, 1 << 20} {
			content := bytes.Repeat([]byte{1}, size)
			last := body{io.MultiReader(bytes.NewReader(content[:size-1]), iotest.ErrReader(forged)), int64(size), nil}
			_, err := s.Put(t.Context(), objects.Put{Bucket: bucket, Key: "a", Body: last})
			wants(t, "at its last byte", err, forged)
			for _, n := range []int{size - 1, size + 1} {
				_, err := s.Put(t.Context(), objects.Put{Bucket: bucket, Key: "a", Body: body{bytes.NewReader(content), int64(n), nil}})
				wants(t, "of another length", err, io.ErrUnexpectedEOF)
			}
		}
		if n := s.files(t); n != 1 {
			t.Errorf("got %d files, want that of before", n)
		}
		if got := s.get(t, ref("a")); got != "before" {
			t.Errorf("got %q, want before", got)
		}
	})
}
