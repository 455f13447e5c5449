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
	rows := make([]objectFigures, len(servers))
	for i, s := range servers {
		s.put("/bench", nil)
		s.measureSmall(&rows[i])
	}
	for turn := range largeTurns { // in turns: what disk and memory can do changes by the second
		for i, s := range servers {
			s.measureLarge(&rows[i], turn)
		}
	}
	for i, r := range rows {
		t.Logf("%-10s GET 4 KiB %4.0f us   PUT 4 KiB %4.0f us   PUT 64 MiB %4.0f MB/s   GET 64 MiB %5.0f MB/s   grew to %d MiB",
			servers[i].name, r.get, r.put, median(r.putLarge), median(r.getLarge), r.memory>>20)
	}
	o, floor := rows[0], rows[1]
	t.Logf("GET 4 KiB, each of another key: %.0f us, %.2f of the floor; it has no bar", o.cold, o.cold/floor.cold)
	figure(t, o.get <= 60, "GET 4 KiB of one key: %.0f us of processor; the bar is 60 us", o.get)
	figure(t, o.put <= 260, "PUT 4 KiB: %.0f us of processor; the bar is 260 us", o.put)
	figure(t, o.get/floor.get <= 60.0/35, "GET 4 KiB of one key: %.0f us of processor, %.2f of the floor; the bar is %.2f (60 us where it costs 35)", o.get, o.get/floor.get, 60.0/35)
	figure(t, o.put/floor.put <= 260.0/239, "PUT 4 KiB: %.0f us of processor, %.2f of the floor; the bar is %.2f (260 us where it costs 239)", o.put, o.put/floor.put, 260.0/239)
	put, get := median(ratios(o.putLarge, floor.putLarge)), median(ratios(o.getLarge, floor.getLarge))
	figure(t, put >= 0.95, "PUT 64 MiB: %.2f of the floor; the bar is 0.95", put)
	figure(t, get >= 0.90, "GET 64 MiB: %.2f of the floor; the bar is 0.90", get)
}

// ratios are those of two in the same turn.
func ratios(a, b []float64) (all []float64) {
	for i := range a {
		all = append(all, a[i]/b[i])
	}
	return all
}

// objectFigures are microseconds of processor time, megabytes a second of each turn, and
// bytes.
type objectFigures struct {
	get, put, cold     float64
	putLarge, getLarge []float64
	memory             int64
}

// coldKeys is how many keys of 4 KiB do not fit into what a store may remember.
const coldKeys = 12_000

func (s *s3Server) measureSmall(f *objectFigures) {
	const small = 4 << 10
	body := make([]byte, small)
	_, _ = rand.Read(body)
	s.put("/bench/small", body)
	cpu := func() time.Duration { return signettest.CPU(s.t, s.pid) }
	f.get = microsecondsOf(cpu, 8000, func() { s.get("/bench/small", small) })
	var n atomic.Int64
	f.put = microsecondsOf(cpu, coldKeys, func() { s.put("/bench/new-"+strconv.FormatInt(n.Add(1), 10), body) })
	n.Store(0)
	f.cold = microsecondsOf(cpu, coldKeys, func() { s.get("/bench/new-"+strconv.FormatInt(n.Add(1), 10), small) })
}

// largeTurns is how often each server has its turn with large bodies.
const largeTurns = 9

// measureLarge makes new objects, so that all write to memory that is new to them.
func (s *s3Server) measureLarge(f *objectFigures, turn int) {
	const large, puts = 64 << 20, 6
	big := make([]byte, large)
	_, _ = rand.Read(big)
	f.putLarge = append(f.putLarge, megabytes(large, puts, func(i int) { s.put("/bench/large-"+strconv.Itoa(turn*puts+i), big) }))
	f.getLarge = append(f.getLarge, megabytes(large, 16, func(int) { s.get("/bench/large-"+strconv.Itoa(turn*puts), large) }))
	f.memory = signettest.Peak(s.t, s.pid)
}

// megabytes returns megabytes a second of n bodies one after the other.
func megabytes(size, n int, do func(i int)) float64 {
	begun := time.Now()
	for i := range n {
		do(i)
	}
	return float64(size) * float64(n) / 1e6 / time.Since(begun).Seconds()
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
