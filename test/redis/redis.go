// Package redistest gives tests a real Redis of their own.
package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Server is a Redis in a process of its own, with a temporary directory, on a free
// port of loopback. It keeps nothing on disk.
type Server struct {
	Addr string // host:port

	t    testing.TB
	dir  string
	args []string
	cmd  *exec.Cmd
	gone chan struct{}
}

// Start starts a server and ends it with the test. Further arguments are Redis's
// own, such as "--maxmemory-policy", "allkeys-lru".
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir(), args: args, Addr: freeAddr(t)}
	s.run()
	t.Cleanup(func() {
		s.Thaw()
		s.Kill()
	})
	return s
}

// URL returns the server's URL.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Kill ends the server at once (SIGKILL), as a crash would.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // it may have ended already
	<-s.gone
}

// Restart starts a killed server again, on the same port.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	s.run()
}

// Freeze stops the server from answering, with its connections open (SIGSTOP).
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Errorf("signal redis-server: %v", err)
	}
}

func (s *Server) run() {
	s.t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatalf("%v (scripts/test-deps installs it)", err)
	}
	host, port, _ := net.SplitHostPort(s.Addr)
	// A configuration on standard input, so that none of the machine's counts.
	args := append([]string{"--bind", host, "--port", port, "--dir", s.dir, "--save", "", "--appendonly", "no"}, s.args...)
	s.cmd = exec.Command(bin, args...) //nolint:gosec,noctx // own arguments; Kill ends it
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
	s.gone = make(chan struct{})
	go func(cmd *exec.Cmd, gone chan struct{}) {
		_ = cmd.Wait() // killed, mostly
		close(gone)
	}(s.cmd, s.gone)
	s.guard()
	s.await()
}

// guard ends the server where the test's process was killed and could not.
func (s *Server) guard() {
	script := `while kill -0 "$1" 2>/dev/null; do kill -0 "$2" 2>/dev/null || exit; sleep 1; done; kill -9 "$2"`
	w := exec.Command("sh", "-c", script, "sh", strconv.Itoa(os.Getpid()), strconv.Itoa(s.cmd.Process.Pid)) //nolint:gosec,noctx // own process ids; it ends by itself
	w.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := w.Start(); err != nil {
		s.t.Fatalf("watch redis-server: %v", err)
	}
	go func() { _ = w.Wait() }()
}

// await returns once the server answers.
func (s *Server) await() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ping(ctx, s.Addr)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("redis-server on %s does not answer: %v", s.Addr, err)
		case <-s.gone:
			s.t.Fatalf("redis-server on %s ended: %v", s.Addr, s.cmd.ProcessState)
		case <-tick.C:
		}
	}
}

func ping(ctx context.Context, addr string) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer := make([]byte, 7)
	if _, err := c.Read(answer); err != nil {
		return err
	}
	if string(answer) != "+PONG\r\n" {
		return fmt.Errorf("answered %q", answer)
	}
	return nil
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return addr
}
