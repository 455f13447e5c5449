//go:build bench

package bench

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signet/internal/sigv4"
	signettest "signet/test/signet"
)

// The key of the servers that check one.
const benchKey, benchSecret = "AKIABENCHBENCHBENCH0", "bench-secret-of-forty-characters-1234567"

// s3Server is one server that is measured.
type s3Server struct {
	t    *testing.T
	name string
	url  string
	pid  int
	key  *sigv4.Credential
	http *http.Client
}

// TestBenchObjects compares the S3 API with a bare net/http server that does the same to
// the disk and checks nothing but the hash of a body, and with versitygw where VERSITYGW
// names it. Processor time is that of the server.
func TestBenchObjects(t *testing.T) {
	own := startOwn(t)
	servers := []*s3Server{own, startFloor(t)}
	if path := os.Getenv("VERSITYGW"); path != "" {
		servers = append(servers, startVersity(t, path))
	} else {
		t.Log("not compared with versitygw: VERSITYGW names no binary")
	}
	var rows []objectFigures
	for _, s := range servers {
		s.put("/bench", nil)
		rows = append(rows, s.measure())
	}
	for i, r := range rows {
		t.Logf("%-10s GET 4 KiB %4.0f us   PUT 4 KiB %4.0f us   PUT 64 MiB %4.0f MB/s   GET 64 MiB %5.0f MB/s   grew to %d MiB",
			servers[i].name, r.get, r.put, r.putLarge, r.getLarge, r.memory>>20)
	}
	o, floor := rows[0], rows[1]
	figure(t, o.get <= 60, "GET 4 KiB: %.0f us of processor, %.2f of the floor; the bar is 60 us", o.get, o.get/floor.get)
	figure(t, o.put <= 260, "PUT 4 KiB: %.0f us of processor, %.2f of the floor; the bar is 260 us", o.put, o.put/floor.put)
	figure(t, o.putLarge >= 0.95*floor.putLarge, "PUT 64 MiB: %.2f of the floor; the bar is 0.95", o.putLarge/floor.putLarge)
	figure(t, o.getLarge >= 0.90*floor.getLarge, "GET 64 MiB: %.2f of the floor; the bar is 0.90", o.getLarge/floor.getLarge)
}

// objectFigures are microseconds of processor time, megabytes a second, and bytes.
type objectFigures struct {
	get, put           float64
	putLarge, getLarge float64
	memory             int64
}

func (s *s3Server) measure() (f objectFigures) {
	const small, large = 4 << 10, 64 << 20
	body, big := make([]byte, small), make([]byte, large)
	_, _ = rand.Read(body)
	_, _ = rand.Read(big)
	s.put("/bench/small", body)
	cpu := func() time.Duration { return signettest.CPU(s.t, s.pid) }
	f.get = microsecondsOf(cpu, 8000, func() { s.get("/bench/small", small) })
	var n atomic.Int64
	f.put = microsecondsOf(cpu, 4000, func() { s.put("/bench/new-"+strconv.FormatInt(n.Add(1), 10), body) })
	f.putLarge = megabytes(large, 12, func(i int) { s.put("/bench/large-"+strconv.Itoa(i%3), big) })
	f.getLarge = megabytes(large, 48, func(int) { s.get("/bench/large-0", large) })
	f.memory = signettest.Peak(s.t, s.pid)
	return f
}

// megabytes returns megabytes a second, the best of three runs of n one after the other.
func megabytes(size, n int, do func(i int)) (best float64) {
	for range 3 {
		begun := time.Now()
		for i := range n {
			do(i)
		}
		best = max(best, float64(size)*float64(n)/1e6/time.Since(begun).Seconds())
	}
	return best
}

func (s *s3Server) put(path string, body []byte) {
	sum := sha256.Sum256(body)
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, s.url+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	s.send(r, hex.EncodeToString(sum[:]), 0)
}

func (s *s3Server) get(path string, size int64) {
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	s.send(r, "UNSIGNED-PAYLOAD", size)
}

func (s *s3Server) send(r *http.Request, hash string, size int64) {
	sigv4.Sign(r, s.key, hash, sigv4.Options{Now: time.Now(), Region: "us-east-1", Service: "s3"})
	res, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil || res.StatusCode != http.StatusOK || size > 0 && n != size {
		s.t.Fatalf("%s: %s %s: %d, %d bytes, %v", s.name, r.Method, r.URL.Path, res.StatusCode, n, err)
	}
}

func newS3Server(t *testing.T, name, url string, pid int, id, secret string) *s3Server {
	return &s3Server{t, name, url, pid, sigv4.NewCredential(id, secret, "", nil), &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
}

func startOwn(t *testing.T) *s3Server {
	t.Helper()
	n := signettest.New(t, signettest.Options{
		Config: "telemetry: {logLevel: warn}\n", Env: []string{"SIGNET_OBJECTS_ACCESS_KEY_ID=" + benchKey, "SIGNET_OBJECTS_SECRET_ACCESS_KEY=" + benchSecret},
	})
	at := n.Start()
	return newS3Server(t, "signet", at.Objects, at.Pid(), benchKey, benchSecret)
}

// startProcess starts a server that prints where it listens, or where listens is not
// empty, one that listens there.
func startProcess(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

func startVersity(t *testing.T, path string) *s3Server {
	t.Helper()
	dir := t.TempDir()
	address := "127.0.0.1:" + strconv.Itoa(signettest.FreePorts(t))
	cmd := exec.CommandContext(t.Context(), path, "--access", benchKey, "--secret", benchSecret, "--port", address, "--region", "us-east-1", "--keep-alive", "--quiet", "posix", dir) //nolint:gosec // the operator names it
	startProcess(t, cmd)
	s := newS3Server(t, "versitygw", "http://"+address, cmd.Process.Pid, benchKey, benchSecret)
	for end := time.Now().Add(10 * time.Second); ; {
		if res, err := http.Get(s.url); err == nil { //nolint:noctx // loopback
			res.Body.Close()
			return s
		}
		if time.Now().After(end) {
			t.Fatal("versitygw does not answer")
		}
	}
}

// startFloor starts this binary as the floor.
func startFloor(t *testing.T) *s3Server {
	t.Helper()
	address, pid := startSelf(t, "files:"+t.TempDir())
	return newS3Server(t, "floor", "http://"+address, pid, benchKey, benchSecret)
}

// serveFiles is the floor: PUT checks the hash of the body and keeps it as durably as the
// product does, GET sends it.
func serveFiles(dir string) http.Handler {
	var n atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := filepath.Join(dir, strings.ReplaceAll(r.URL.Path[1:], "/", "_"))
		if r.Method == http.MethodGet {
			f, err := os.Open(path) //nolint:gosec // a benchmark's
			if err != nil {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			defer f.Close()
			info, _ := f.Stat()
			w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
			_, _ = io.Copy(w, f)
			return
		}
		if err := keepFile(r, path, filepath.Join(dir, "tmp-"+strconv.FormatInt(n.Add(1), 10)), dir); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
}

func keepFile(r *http.Request, path, tmp, dir string) error {
	f, err := os.Create(tmp) //nolint:gosec // as above
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(f, h)}, r.Body, make([]byte, 256<<10)); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != r.Header.Get("X-Amz-Content-Sha256") {
		return fmt.Errorf("hash: got %s", got)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	d, err := os.Open(dir) //nolint:gosec // as above
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
