package disk_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/durable"
	"signet/internal/objects"
	"signet/internal/objects/disk"
)

// eachStore measures on both engines and by both policies.
func eachStore(b *testing.B, f func(b *testing.B, s store)) {
	for name, open := range map[string]func(testing.TB) *db.DB{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		for _, policy := range []disk.Sync{disk.Always, disk.Interval} {
			b.Run(name+"/"+string(policy), func(b *testing.B) { f(b, newStore(b, open(b), disk.Options{Sync: policy})) })
		}
	}
}

// cpu reports the CPU time of this process for each round, and calls f for each.
func cpu(b *testing.B, f func(i int)) {
	b.Helper()
	before := used(b)
	i := 0
	for b.Loop() {
		f(i)
		i++
	}
	b.ReportMetric(float64((used(b)-before).Microseconds())/float64(i), "cpu-us/op")
}

func used(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkPut4KiB(b *testing.B) {
	content := noise(1, 4096)
	for _, sync := range []bool{true, false} {
		b.Run(fmt.Sprintf("file/sync=%v", sync), func(b *testing.B) {
			dir := b.TempDir()
			cpu(b, func(i int) { writeFile(b, dir, fmt.Sprint(i), content, sync) })
		})
	}
	eachStore(b, func(b *testing.B, s store) {
		cpu(b, func(i int) {
			_, err := s.Put(b.Context(), objects.Put{Bucket: bucket, Key: fmt.Sprintf("%08x", uint32(i)*2654435761), Body: bytesOf(content)})
			if err != nil {
				b.Fatal(err)
			}
		})
	})
}

// Many clients at once, as a server has.
func BenchmarkPut4KiBTogether(b *testing.B) {
	content := noise(1, 4096)
	eachStore(b, func(b *testing.B, s store) {
		var n atomic.Uint32
		b.SetParallelism(16)
		before := used(b)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				key := fmt.Sprintf("%08x", n.Add(1)*2654435761)
				if _, err := s.Put(b.Context(), objects.Put{Bucket: bucket, Key: key, Body: bytesOf(content)}); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64((used(b)-before).Microseconds())/float64(b.N), "cpu-us/op")
	})
}

// writeFile is the least that a store of files does.
func writeFile(b *testing.B, dir, name string, content []byte, sync bool) {
	b.Helper()
	temp := filepath.Join(dir, name+".tmp")
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := f.Write(content); err != nil {
		b.Fatal(err)
	}
	if sync {
		err = f.Sync()
	}
	if err != nil || f.Close() != nil || os.Rename(temp, filepath.Join(dir, name)) != nil {
		b.Fatal("the file was not written", err)
	}
	if sync {
		if err := durable.SyncDir(dir); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet4KiB(b *testing.B) {
	content := noise(1, 4096)
	const keys = 1000
	b.Run("file", func(b *testing.B) {
		dir := b.TempDir()
		for i := range keys {
			writeFile(b, dir, fmt.Sprint(i), content, false)
		}
		cpu(b, func(i int) {
			f, err := os.Open(filepath.Join(dir, fmt.Sprint(i%keys)))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, f); err != nil || f.Close() != nil {
				b.Fatal(err)
			}
		})
	})
	eachStore(b, func(b *testing.B, s store) {
		for i := range keys {
			if _, err := s.Put(b.Context(), objects.Put{Bucket: bucket, Key: fmt.Sprint(i), Body: bytesOf(content)}); err != nil {
				b.Fatal(err)
			}
		}
		cpu(b, func(i int) {
			c, err := s.Get(b.Context(), objects.Get{Ref: ref(fmt.Sprint(i % keys))})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c.Body); err != nil || c.Body.Close() != nil {
				b.Fatal(err)
			}
		})
	})
}

func BenchmarkPut64MiB(b *testing.B) {
	content := bytes.Repeat(noise(1, 1<<20), 64)
	b.Run("file", func(b *testing.B) {
		dir := b.TempDir()
		b.SetBytes(int64(len(content)))
		cpu(b, func(int) { writeFile(b, dir, "one", content, false) })
	})
	s := newStore(b, dbtest.SQLite(b), disk.Options{Sync: disk.Interval})
	b.Run("sqlite/interval", func(b *testing.B) {
		b.SetBytes(int64(len(content)))
		cpu(b, func(int) {
			if _, err := s.Put(b.Context(), objects.Put{Bucket: bucket, Key: "one", Body: bytesOf(content)}); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			*s.now = s.now.Add(disk.Keep + time.Second)
			if _, err := s.Sweep(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		})
	})
}

func BenchmarkList1000(b *testing.B) {
	for _, keys := range []int{10_000, 1_000_000} {
		for name, open := range map[string]func(testing.TB) *db.DB{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
			b.Run(fmt.Sprintf("%s/%d", name, keys), func(b *testing.B) {
				s := newStore(b, open(b), disk.Options{})
				fill(b, s.db, bucket, keys, func(i int) string { return fmt.Sprintf("%04d/%08d", i/1000, i) })
				cpu(b, func(i int) {
					l := objects.List{Bucket: bucket, Max: 1000, After: fmt.Sprintf("%04d/", i%(keys/1000))}
					if got, err := s.List(b.Context(), l); err != nil || len(got.Objects) != 1000 {
						b.Fatalf("got %d, %v", len(got.Objects), err)
					}
				})
			})
		}
	}
}
