package disk_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/objects/disk"
)

const bucket = "photos"

// store is a store with a bucket, and a clock that the test moves.
type store struct {
	*disk.Store

	db  *db.DB
	now *time.Time
}

// each runs f on every engine, with a store that makes a file of every body.
func each(t *testing.T, f func(t *testing.T, s store)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(t, newStore(t, d, disk.Options{Inline: -1})) })
}

func newStore(t testing.TB, d *db.DB, o disk.Options) store {
	t.Helper()
	s := openStore(t, d, t.TempDir(), o)
	if err := s.CreateBucket(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	return s
}

// openStore opens what is there, as the next process does.
func openStore(t testing.TB, d *db.DB, dir string, o disk.Options) store {
	t.Helper()
	now := time.Now().UTC()
	o.Now = func() time.Time { return now }
	s, err := disk.New(d, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return store{s, d, &now}
}

// body is what a client sends.
type body struct {
	io.Reader

	length int64
	sums   []objects.Checksum
}

func (b body) Length() int64                 { return b.length }
func (b body) Checksums() []objects.Checksum { return b.sums }

func bytesOf(content []byte, sums ...objects.Checksum) body {
	return body{bytes.NewReader(content), int64(len(content)), sums}
}

func text(content string) body { return bytesOf([]byte(content)) }

func (s store) put(t testing.TB, key, content string) objects.Object {
	t.Helper()
	o, err := s.Put(t.Context(), objects.Put{Bucket: bucket, Key: key, Body: text(content)})
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return o
}

func ref(key string, version ...string) objects.Ref {
	r := objects.Ref{Bucket: bucket, Key: key}
	if len(version) > 0 {
		r.VersionID = version[0]
	}
	return r
}

func (s store) get(t testing.TB, r objects.Ref) string {
	t.Helper()
	content, err := read(t.Context(), s.Store, objects.Get{Ref: r})
	if err != nil {
		t.Fatalf("get %q: %v", r.Key, err)
	}
	return string(content)
}

func read(ctx context.Context, s *disk.Store, g objects.Get) ([]byte, error) {
	c, err := s.Get(ctx, g)
	if err != nil {
		return nil, err
	}
	if c.DeleteMarker {
		return nil, errors.New("a delete marker")
	}
	content, err := io.ReadAll(c.Body)
	if int64(len(content)) != c.Length {
		err = errors.Join(err, io.ErrUnexpectedEOF)
	}
	return content, errors.Join(err, c.Body.Close())
}

// wants checks that an error is the one that is wanted.
func wants(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// files counts the files that the store keeps.
func (s store) files(t testing.TB) (n int) {
	t.Helper()
	err := filepath.WalkDir(s.Dir(), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// sweep moves the clock until nothing that is not used can stay.
func (s store) sweep(t testing.TB) {
	t.Helper()
	for range 3 {
		*s.now = s.now.Add(disk.Keep + time.Hour)
		if _, err := s.Sweep(t.Context()); err != nil {
			t.Fatalf("sweep: %v", err)
		}
	}
}

func md5Of(content []byte) string {
	sum := md5.Sum(content)
	return hex.EncodeToString(sum[:])
}

func TestObjectIsReadAsItWasWritten(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		for _, size := range []int{0, 1, 4096, 64 << 10, 64<<10 + 1, 256 << 10, 1<<20 + 7} {
			content := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			said := objects.Attributes{
				ContentType: "image/png", CacheControl: "no-cache", ContentDisposition: "inline", ContentEncoding: "gzip",
				ContentLanguage: "de", Expires: "soon", Meta: map[string]string{"camera": "ä <1>"},
				Tags: []objects.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: ""}},
			}
			sum := objects.Checksum{Algorithm: "CRC32", Value: "AAAAAA==", Type: "FULL_OBJECT"}
			put, err := s.Put(t.Context(), objects.Put{Attributes: said, Bucket: bucket, Key: "a/ä.png", Body: bytesOf(content, sum)})
			if err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			want := objects.Object{
				Attributes: said, Bucket: bucket, Key: "a/ä.png", Size: int64(size), ETag: md5Of(content),
				Modified: db.Now(*s.now), Checksum: sum,
			}
			same(t, "put", put, want)
			c, err := s.Head(t.Context(), objects.Get{Ref: ref("a/ä.png")})
			if err != nil {
				t.Fatal(err)
			}
			same(t, "head", c.Object, want)
			if c.First != 0 || c.Length != int64(size) || c.Partial || c.Body != nil {
				t.Errorf("head: got %+v", c)
			}
			if got := s.get(t, ref("a/ä.png")); got != string(content) {
				t.Errorf("got %d other bytes, want the %d written", len(got), size)
			}
		}
	})
}

func TestBodyWhoseLengthIsNotSaidIsKept(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		for _, size := range []int{0, 10, 1 << 20} { // the file of a form
			content := noise(1, size)
			o, err := s.Put(t.Context(), objects.Put{Bucket: bucket, Key: "a", Body: body{bytes.NewReader(content), -1, nil}})
			if err != nil || o.Size != int64(size) || o.ETag != md5Of(content) {
				t.Errorf("%d bytes: got %+v, %v", size, o, err)
			}
			if got := s.get(t, ref("a")); got != string(content) {
				t.Errorf("got %d other bytes, want the %d written", len(got), size)
			}
		}
	})
}
