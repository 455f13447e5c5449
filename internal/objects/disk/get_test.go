package disk_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"signet/internal/objects"
)

func TestRangeIsClippedToTheObject(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.put(t, "digits", "0123456789")
		s.put(t, "empty", "")
		for _, c := range []struct {
			name, key string
			r         objects.Range
			want      string
			err       error
		}{
			{"the first byte", "digits", objects.Range{First: 0, Last: 0}, "0", nil},
			{"in the middle", "digits", objects.Range{First: 2, Last: 4}, "234", nil},
			{"to the end", "digits", objects.Range{First: 7, Last: -1}, "789", nil},
			{"over the end", "digits", objects.Range{First: 7, Last: 100}, "789", nil},
			{"all of it", "digits", objects.Range{First: 0, Last: -1}, "0123456789", nil},
			{"the last three", "digits", objects.Range{First: -3, Last: -1}, "789", nil},
			{"the last of more than there are", "digits", objects.Range{First: -30, Last: -1}, "0123456789", nil},
			{"behind the end", "digits", objects.Range{First: 10, Last: 12}, "", objects.ErrRange},
			{"from behind the end", "digits", objects.Range{First: 10, Last: -1}, "", objects.ErrRange},
			{"of nothing", "empty", objects.Range{First: 0, Last: 0}, "", objects.ErrRange},
			{"the last of nothing", "empty", objects.Range{First: -1, Last: -1}, "", objects.ErrRange},
		} {
			got, err := read(t.Context(), s.Store, objects.Get{Ref: ref(c.key), Range: &c.r})
			if !errors.Is(err, c.err) || string(got) != c.want {
				t.Errorf("%s: got %q, %v; want %q, %v", c.name, got, err, c.want, c.err)
			}
		}
		c, err := s.Head(t.Context(), objects.Get{Ref: ref("digits"), Range: &objects.Range{First: 2, Last: 4}})
		if err != nil || c.First != 2 || c.Length != 3 || !c.Partial || c.Size != 10 {
			t.Errorf("head: got %+v, %v", c, err)
		}
	})
}

func TestObjectInOnePieceHasOnePart(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.put(t, "a", "0123")
		if got, err := read(t.Context(), s.Store, objects.Get{Ref: ref("a"), Part: 1}); err != nil || string(got) != "0123" {
			t.Errorf("part 1: got %q, %v", got, err)
		}
		_, err := s.Head(t.Context(), objects.Get{Ref: ref("a"), Part: 2})
		wants(t, "part 2", err, objects.ErrPartOfObject)
	})
}

func TestWhatIsNotThereIsNamed(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.put(t, "a", "1")
		elsewhere := objects.Ref{Bucket: "nowhere", Key: "a"}
		for _, c := range []struct {
			name string
			r    objects.Ref
			want error
		}{
			{"bucket", elsewhere, objects.ErrNoSuchBucket},
			{"bucket of a version", objects.Ref{Bucket: "nowhere", Key: "a", VersionID: "null"}, objects.ErrNoSuchBucket},
			{"key", ref("b"), objects.ErrNoSuchKey},
			{"version", ref("a", "x"), objects.ErrNoSuchVersion},
			{"version of no key", ref("b", "null"), objects.ErrNoSuchVersion},
		} {
			_, err := s.Get(t.Context(), objects.Get{Ref: c.r})
			wants(t, c.name+": get", err, c.want)
			_, err = s.Head(t.Context(), objects.Get{Ref: c.r})
			wants(t, c.name+": head", err, c.want)
			_, _, err = s.Tags(t.Context(), c.r)
			wants(t, c.name+": tags", err, c.want)
			_, err = s.SetTags(t.Context(), c.r, nil)
			wants(t, c.name+": set tags", err, c.want)
			_, err = s.Copy(t.Context(), objects.Copy{Source: c.r, Bucket: bucket, Key: "c"})
			wants(t, c.name+": copy", err, c.want)
		}
		_, err := s.Delete(t.Context(), elsewhere, objects.Conditions{})
		wants(t, "delete", err, objects.ErrNoSuchBucket)
		_, err = s.List(t.Context(), objects.List{Bucket: "nowhere"})
		wants(t, "list", err, objects.ErrNoSuchBucket)
		_, err = s.ListVersions(t.Context(), objects.List{Bucket: "nowhere"})
		wants(t, "list versions", err, objects.ErrNoSuchBucket)
		_, err = s.Uploads(t.Context(), objects.List{Bucket: "nowhere"})
		wants(t, "uploads", err, objects.ErrNoSuchBucket)
		_, err = s.CreateUpload(t.Context(), objects.Upload{Bucket: "nowhere", Key: "a"})
		wants(t, "create upload", err, objects.ErrNoSuchBucket)
		_, err = s.PutPart(t.Context(), objects.Upload{Bucket: "nowhere", Key: "a", ID: "x"}, 1, text("1"))
		wants(t, "put part", err, objects.ErrNoSuchBucket)
		_, err = s.PutPart(t.Context(), objects.Upload{Bucket: bucket, Key: "a", ID: "x"}, 1, text("1"))
		wants(t, "put part of no upload", err, objects.ErrNoSuchUpload)
		_, err = s.Put(t.Context(), objects.Put{Bucket: "nowhere", Key: "a", Body: text("1")})
		wants(t, "put", err, objects.ErrNoSuchBucket)
		_, err = s.Put(t.Context(), objects.Put{Bucket: "nowhere", Key: "a", Body: bytesOf(make([]byte, 1<<20))})
		wants(t, "put much", err, objects.ErrNoSuchBucket)
		if n := s.files(t); n != 1 {
			t.Errorf("%d files are kept, want that of a", n)
		}
	})
}

// fromFile is a writer that says whether it was offered a file, as net/http is for sendfile(2).
type fromFile struct {
	bytes.Buffer

	offered int
}

func (w *fromFile) ReadFrom(r io.Reader) (int64, error) {
	if l, ok := r.(*io.LimitedReader); ok {
		if _, ok := l.R.(*os.File); ok {
			w.offered++
		}
	}
	return w.Buffer.ReadFrom(r)
}

func TestWriterIsOfferedTheFile(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.put(t, "a", "0123456789")
		c, err := s.Get(t.Context(), objects.Get{Ref: ref("a"), Range: &objects.Range{First: 3, Last: 5}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Body.Close()
		var w fromFile
		if n, err := io.Copy(&w, c.Body); err != nil || n != 3 || w.String() != "345" || w.offered != 1 {
			t.Errorf("got %q, %v, offered %d times", w.String(), err, w.offered)
		}
	})
}

func TestBodyIsServedOverHTTP(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		content := bytes.Repeat([]byte("0123456789"), 100_000)
		if _, err := s.Put(t.Context(), objects.Put{Bucket: bucket, Key: "a", Body: bytesOf(content)}); err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := s.Get(r.Context(), objects.Get{Ref: ref("a")})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Body.Close()
			if _, err := io.Copy(w, c.Body); err != nil {
				t.Error(err)
			}
		}))
		defer server.Close()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if got, err := io.ReadAll(answer.Body); err != nil || !bytes.Equal(got, content) {
			t.Errorf("got %d bytes, %v; want the %d written", len(got), err, len(content))
		}
	})
}

func TestDamagedFileIsAnErrorBeforeTheFirstByte(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.put(t, "a", "0123456789")
		files, err := filepath.Glob(filepath.Join(s.Dir(), "??", "*"))
		if err != nil || len(files) != 1 {
			t.Fatalf("got %v, %v; want one file", files, err)
		}
		if err := os.Truncate(files[0], 5); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), objects.Get{Ref: ref("a")}); err == nil {
			t.Error("a file that was cut short was served")
		}
		if err := os.Remove(files[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), objects.Get{Ref: ref("a")}); err == nil {
			t.Error("a file that is not there was served")
		}
	})
}

func TestDirectoryIsForItsOwnerOnly(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.put(t, "../../etc/passwd", "0123456789")
		err := filepath.Walk(s.Dir(), func(path string, info os.FileInfo, err error) error {
			if err == nil && path != s.Dir() && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if n := s.files(t); n != 1 {
			t.Errorf("got %d files in the directory, want 1", n)
		}
	})
}
