package disk_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/objects/disk"
)

// TestMain runs, in a process that a test started to be killed, what it asks for.
func TestMain(m *testing.M) {
	args := strings.Fields(os.Getenv("SIGNET_TEST_VICTIM"))
	if len(args) == 0 {
		os.Exit(m.Run())
	}
	fmt.Fprintln(os.Stderr, victim(args[0], args[1]))
	os.Exit(1)
}

const (
	kills   = 6
	victims = 4 // writers of a process, each with a key of its own
)

// victim writes until it is killed, and says each write that was answered.
func victim(url, dir string) error {
	ctx := context.Background()
	d, err := db.Open(ctx, url)
	if err != nil {
		return err
	}
	s, err := disk.New(d, dir, disk.Options{Inline: 1 << 10})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range victims {
		go func() {
			for n := time.Now().UnixMicro(); ; n++ { // after those of the victim before
				if err := write(ctx, s, w, n); err != nil {
					failed <- err
					return
				}
				fmt.Fprintln(os.Stdout, w, n)
			}
		}()
	}
	return <-failed
}

// lines are content that tells whose it is in every part of it.
func lines(w int, n int64, count int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%03d %020d\n", w, n), count)
}

// write puts an object in one piece or, every third time, in parts.
func write(ctx context.Context, s *disk.Store, w int, n int64) error {
	key := fmt.Sprint("key", w)
	content := lines(w, n, 1+int(n%9000*7919%9000)) // up to 225 kB
	if n%3 > 0 {
		_, err := s.Put(ctx, objects.Put{Bucket: bucket, Key: key, Body: bytesOf(content)})
		return err
	}
	u := objects.Upload{Bucket: bucket, Key: key}
	var err error
	if u.ID, err = s.CreateUpload(ctx, u); err != nil {
		return err
	}
	var parts []objects.Part
	for i, content := range [][]byte{lines(w, n, objects.MinPartSize/25+1), content} {
		p, err := s.PutPart(ctx, u, i+1, bytesOf(content))
		if err != nil {
			return err
		}
		parts = append(parts, p)
	}
	_, err = s.Complete(ctx, completion(u, parts...))
	return err
}

// kill starts a victim, kills it a random while after its first write, and adds the
// last write that was answered of each writer to answered.
func kill(t *testing.T, url, dir string, answered map[int]int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "SIGNET_TEST_VICTIM="+url+" "+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	for said := bufio.NewScanner(out); said.Scan(); {
		var w int
		var n int64
		if _, err := fmt.Sscan(said.Text(), &w, &n); err != nil {
			break // cut off by the kill
		}
		answered[w] = n
		once.Do(func() { time.AfterFunc(rand.N(400*time.Millisecond), func() { _ = cmd.Process.Kill() }) })
	}
	if err := cmd.Wait(); err == nil || stderr.Len() > 0 {
		t.Fatalf("victim: %v: %s", err, stderr.String())
	}
}

func TestWhatAKillLeavesIsOldOrNewAndWhole(t *testing.T) {
	each := func(f func(t *testing.T, url string)) {
		t.Run("sqlite", func(t *testing.T) { f(t, dbtest.SQLiteURL(t)) })
		t.Run("postgres", func(t *testing.T) { f(t, dbtest.PostgresURL(t)) })
	}
	each(func(t *testing.T, url string) {
		d, err := db.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		o := disk.Options{Inline: 1 << 10}
		s := newStore(t, d, o)
		answered := map[int]int64{}
		for range kills {
			kill(t, url, s.Dir(), answered)
			s = openStore(t, d, s.Dir(), o)
			for w := range victims {
				s.checkWhole(t, w, answered[w])
			}
		}
		*s.now = time.Now()
		s.abortAll(t)
		s.sweep(t)
		for w := range victims {
			s.checkWhole(t, w, answered[w])
		}
		var want int
		err = d.SQL().QueryRowContext(t.Context(), `
			SELECT (SELECT count(*) FROM objects_disk_objects WHERE parts = 0 AND body <> '') + (SELECT count(*) FROM objects_disk_parts)`).Scan(&want)
		if got := s.files(t); err != nil || got != want {
			t.Errorf("got %d files, %v; want the %d that rows name", got, err, want)
		}
		for w := range victims {
			s.delete(t, ref(fmt.Sprint("key", w)))
		}
		s.sweep(t)
		s.nothingLeft(t)
	})
}

// checkWhole reads what a writer wrote last: it is what was answered last, or what came
// after it, and all of one write.
func (s store) checkWhole(t *testing.T, w int, answered int64) {
	t.Helper()
	c, err := s.Get(t.Context(), objects.Get{Ref: ref(fmt.Sprint("key", w))})
	if errors.Is(err, objects.ErrNoSuchKey) && answered == 0 {
		return
	}
	if err != nil {
		t.Fatalf("writer %d: %v", w, err)
	}
	defer c.Body.Close()
	content, err := io.ReadAll(c.Body)
	if err != nil || int64(len(content)) != c.Size {
		t.Fatalf("writer %d: got %d bytes, %v; want %d", w, len(content), err, c.Size)
	}
	var who int
	var n int64
	if _, err := fmt.Sscanf(string(content[:25]), "%d %d", &who, &n); err != nil || who != w || n < answered {
		t.Fatalf("writer %d: got write %d of %d, %v; want %d or later", w, n, who, err, answered)
	}
	if !bytes.Equal(content, lines(w, n, len(content)/25)) {
		t.Errorf("writer %d: got a mix of writes", w)
	}
}

// abortAll aborts what killed writers have begun.
func (s store) abortAll(t *testing.T) {
	t.Helper()
	l, err := s.Uploads(t.Context(), objects.List{Bucket: bucket, Max: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range l.Uploads {
		if err := s.Abort(t.Context(), u); err != nil {
			t.Error(err)
		}
	}
}
