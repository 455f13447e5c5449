package objects_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"signet/internal/db/dbtest"
	"signet/internal/objects/disk"
	signettest "signet/test/signet"
)

// writes are how many objects are written over while the server dies. One of three is
// completed in parts; one of two stands in a file of its own.
const writes = 500

// written is what became of the writes before the server died.
type written struct {
	answered atomic.Int64
	lock     sync.Mutex
	certain  map[string]bool // the server said that it has the new one
}

// Killed in the midst of writes, a server has the old object or the new one of each key,
// and the new one where it said so. What was half done goes with the sweeper.
func TestKilledServerHasWholeObjectsAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"sqlite": "", "postgres": dbtest.EmptyPostgresURL(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			n := signettest.New(t, signettest.Options{
				StoreURL: url, Config: fmt.Sprintf("telemetry: {logLevel: warn}\nobjects: {disk: {path: %q}}\n", dir),
			})
			n.BootstrapAdmin("root@signet.test")
			k := makeKey(t, n, "writer")
			i := n.Start()
			c := newSDK(t, endpoint{url: i.Objects}, k)
			if err := c.makeBucket("crash"); err != nil {
				t.Fatal(err)
			}
			if err := writeAll(c, "old", nil); err != nil {
				t.Fatal(err)
			}
			done := writeUntilKilled(c, i)
			i.Restart()
			readAll(t, newSDK(t, endpoint{url: i.Objects}, k), done)
			i.Stop()
			nothingBehind(t, n, dir)
		})
	}
}

// body is that of a key in a generation: two sizes, in the row and in a file.
func body(i int, generation string) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("%s of %d\n", generation, i)), 20+i%2*2000)
}

// writeAll writes all objects, eight at a time, and notes what was answered.
func writeAll(c sdk, generation string, note func(key string)) error {
	g := new(errgroup.Group)
	g.SetLimit(8)
	for i := range writes {
		key := fmt.Sprintf("key-%03d", i)
		g.Go(func() error {
			write := c.single
			if i%3 == 0 {
				write = c.inParts
			}
			err := write("crash", key, body(i, generation))
			if err == nil && note != nil {
				note(key)
			}
			return err
		})
	}
	return g.Wait()
}

func (c sdk) single(bucket, key string, body []byte) error {
	_, err := c.PutObject(c.ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)})
	return err
}

// inParts uploads a body as the only part of an upload, and completes that.
func (c sdk) inParts(bucket, key string, body []byte) error {
	return c.upload(bucket, key, bytes.NewReader(body), int64(len(body)))
}

// writeUntilKilled writes a new generation, and kills the server in the midst.
func writeUntilKilled(c sdk, i *signettest.Instance) *written {
	w := &written{certain: map[string]bool{}}
	var once sync.Once
	_ = writeAll(c, "new", func(key string) { // it dies
		w.lock.Lock()
		w.certain[key] = true
		w.lock.Unlock()
		if w.answered.Add(1) > writes/3 {
			once.Do(i.Kill)
		}
	})
	return w
}

func readAll(t *testing.T, c sdk, w *written) {
	t.Helper()
	fresh := 0
	for i := range writes {
		key := fmt.Sprintf("key-%03d", i)
		file := filepath.Join(t.TempDir(), "got")
		if err := c.get("crash", key, file); err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		got, err := os.ReadFile(file)
		switch {
		case err != nil:
			t.Error(err)
		case bytes.Equal(got, body(i, "new")):
			fresh++
		case w.certain[key]:
			t.Errorf("%s: the server said that it has the new one, and has not", key)
		case !bytes.Equal(got, body(i, "old")):
			t.Errorf("%s: got %d bytes %.40q, want the old or the new one", key, len(got), got)
		}
	}
	if fresh < writes/3 || fresh == writes {
		t.Errorf("%d of %d were new: that is not in the midst", fresh, writes)
	}
	t.Logf("%d were answered, %d were new", len(w.certain), fresh)
}

// nothingBehind sweeps as the server would in the days to come, and compares what is on
// the disk with what objects are made of.
func nothingBehind(t *testing.T, n *signettest.Installation, dir string) {
	t.Helper()
	d := n.Store(t)
	var began int
	for day := 1; day <= 3; day++ {
		later := func() time.Time { return time.Now().Add(time.Duration(day) * (disk.Keep + time.Minute)) }
		s, err := disk.New(d, dir, disk.Options{AbortAfter: time.Hour, Now: later})
		if err != nil {
			t.Fatal(err)
		}
		if day == 1 {
			began = len(stored(t, dir))
		}
		if _, err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	left := stored(t, dir)
	for _, query := range []string{
		`SELECT body FROM objects_disk_objects WHERE body <> '' AND parts = 0`, `SELECT file FROM objects_disk_parts`,
	} {
		for _, name := range column(t, d, query) {
			if !left[name] {
				t.Errorf("%s is named and not there", name)
			}
			delete(left, name)
		}
	}
	for name := range left {
		t.Errorf("%s is there and nothing names it", name)
	}
	for _, table := range []string{"uploads", "released"} {
		if all := column(t, d, `SELECT count(*) FROM objects_disk_`+table); all[0] != "0" {
			t.Errorf("%s rows of %s are left", all[0], table)
		}
	}
	t.Logf("%d files before sweeping, %d after", began, len(stored(t, dir)))
}

// stored are the names of the files that bodies are in.
func stored(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names[d.Name()] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
