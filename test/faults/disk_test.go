package faults_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"signet/client"
	signettest "signet/test/signet"
)

// insideEnv marks the process that sees a small disk.
const insideEnv = "SIGNET_FAULTS_INSIDE"

// diskSize is that of the small disk, in bytes. The write-ahead log alone has up to 32 MiB
// before it begins anew.
const diskSize = 64 << 20

// On a full disk writes are refused with a status that says so, mail goes on being
// answered, and when there is room again everything goes on by itself.
func TestFullDiskRefusesWritesAndLosesNothing(t *testing.T) {
	t.Parallel()
	if os.Getenv(insideEnv) == "" {
		runInside(t)
		return
	}
	s := newSiteOn(t, signettest.Options{}, func(data string) { mountSmall(t, data) })
	l := s.startLoad(t, s.signet)
	for range size(2, 10) {
		s.more(t, "PREPEND", 50, 20*time.Second)
		s.restart()
		filler := filepath.Join(s.Data(), "filler")
		fill(t, filler)
		s.awaitRefusal(t, http.StatusInsufficientStorage)
		before := s.answers()
		signettest.Await(t, "mail is answered on a full disk", 20*time.Second, func() error {
			if now := s.answers(); now < before+100 {
				return fmt.Errorf("%d answers", now-before)
			}
			return nil
		})
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		s.awaitWrite(t, backWithin)
		s.more(t, "PREPEND", 50, 20*time.Second)
		t.Logf("writes again %v after there was room; slowest answer %v", time.Since(back), s.slowestAnswer())
		if slowest := s.slowestAnswer(); slowest > answerBar {
			t.Errorf("a mail was answered after %v, want %v at most", slowest, answerBar)
		}
	}
	l.end()
	s.verify(t, s.signet)
	if gap := s.signet.Metric("authroute_verdict_gaps_total"); gap != 0 {
		t.Errorf("%v verdicts count as missing, want none", gap)
	}
	t.Log(s.ledger)
}

// runInside runs the test again in a mount namespace of its own, where it may mount a
// small disk: as root at once, as another user with a user namespace around it.
func runInside(t *testing.T) {
	t.Helper()
	args := []string{"--mount"}
	if os.Getuid() != 0 {
		args = append(args, "--user", "--map-root-user")
	}
	args = append(args, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=10m")
	cmd := exec.CommandContext(t.Context(), "unshare", args...)
	cmd.Env = append(os.Environ(), insideEnv+"=1", fmt.Sprintf("SIGNET_FAULTS_SEED=%d", seed))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("with a small disk: %v (it needs unshare(1) and the right to mount: root, or user namespaces)", err)
	}
}

func mountSmall(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", diskSize)); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fill takes all the room that there is.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); ; {
		n, err := f.Write(block)
		switch {
		case errors.Is(err, syscall.ENOSPC) && len(block) == 1:
			return
		case errors.Is(err, syscall.ENOSPC):
			block = block[:max(1, len(block)/2)]
		case err != nil:
			t.Fatalf("write %d: %v", n, err)
		}
	}
}

// awaitRefusal waits until the API refuses a write with a status.
func (s *site) awaitRefusal(t *testing.T, status int) {
	t.Helper()
	signettest.Await(t, fmt.Sprintf("the API answers %d", status), 20*time.Second, func() error {
		_, err := s.register(t.Context(), s.alice)
		refused, ok := errors.AsType[*client.Error](err)
		if !ok || refused.Status != status {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
}
