// Package nginxtest gives tests a real nginx of their own.
package nginxtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// server is an nginx in a process of its own, with all that it writes in a temporary
// directory.
type server struct {
	dir  string
	cmd  *exec.Cmd
	gone chan struct{}
}

// frame is a configuration with no path of the machine's in it, so that an ordinary user
// can run it too.
// One process: nobody gives up rights, and its id is that of all.
const frame = `daemon off;
master_process off;
pid %[1]s/pid;
error_log %[1]s/error.log;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
%[2]s
}
`

// FreePort returns a port of 127.0.0.1 that is free now.
func FreePort(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

// Start starts an nginx with a text in its http block, which has to listen on a port of
// 127.0.0.1. It ends with the test.
func Start(t testing.TB, port, text string) {
	t.Helper()
	bin := "/usr/sbin/nginx" // which is in root's path alone
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("%v (scripts/test-deps installs it)", err)
	}
	s := &server{dir: t.TempDir()}
	file := filepath.Join(s.dir, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, frame, s.dir, text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(bin, "-p", s.dir, "-c", file, "-e", filepath.Join(s.dir, "error.log")) //nolint:gosec,noctx // own words; stop ends it
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start nginx: %v", err)
	}
	s.gone = make(chan struct{})
	go func() {
		_ = s.cmd.Wait() // killed, mostly
		close(s.gone)
	}()
	t.Cleanup(func() { s.stop(t) })
	s.guard(t)
	s.await(t, net.JoinHostPort("127.0.0.1", port))
}

func (s *server) stop(t testing.TB) {
	t.Helper()
	if t.Failed() {
		t.Logf("nginx:\n%s", s.log())
	}
	_ = s.cmd.Process.Kill() // it may have ended already
	<-s.gone
}

func (s *server) log() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "error.log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// guard ends nginx where the test's process was killed and could not.
func (s *server) guard(t testing.TB) {
	t.Helper()
	script := `while kill -0 "$1" 2>/dev/null; do kill -0 "$2" 2>/dev/null || exit; sleep 1; done; kill -9 "$2"`
	w := exec.Command("sh", "-c", script, "sh", strconv.Itoa(os.Getpid()), strconv.Itoa(s.cmd.Process.Pid)) //nolint:gosec,noctx // own process ids; it ends by itself
	w.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := w.Start(); err != nil {
		t.Fatalf("watch nginx: %v", err)
	}
	go func() { _ = w.Wait() }()
}

// await returns once something listens.
func (s *server) await(t testing.TB, addr string) {
	t.Helper()
	late := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-s.gone:
			t.Fatalf("nginx ended: %v\n%s", s.cmd.ProcessState, s.log())
		case <-late:
			t.Fatalf("nginx does not listen on %s: %v", addr, err)
		case <-tick.C:
		}
	}
}
