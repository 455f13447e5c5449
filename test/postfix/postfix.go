// Package postfix runs Debian's Postfix for tests, with the files of deploy/postfix
// as they are shipped.
//
// Each server is an instance of its own on loopback: configuration, queue and log lie
// in a temporary directory, and nothing of the system's Postfix is read or changed.
// Mail that it accepts goes to a [Sink].
//
// Postfix needs root, since each of its processes gives up a right that the next one
// must not have. An ordinary user's test runs it under libuid-wrapper, which
// pretends. scripts/test-deps installs what is needed.
package postfix

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Stage says which restriction list asks the policy service.
type Stage int

// Data, the default, asks once a message; Recipient once a recipient.
const (
	Data Stage = iota
	Recipient
)

// Options say what a server is to do. The zero Options are a Postfix that knows
// nothing of authenticated routing.
type Options struct {
	PolicyAddr    string            // host:port or unix:PATH of the policy service; empty: files of deploy/postfix unused
	Stage         Stage             // where the policy service is asked
	TaggedSender  bool              // also main.cf.authroute-tagged; only with Data
	DefaultAction string            // instead of default_action=DUNNO
	Extra         map[string]string // further settings of main.cf, which go before all others
}

// Server is a running Postfix. It stops when its test ends.
type Server struct {
	addr string
	dir  string
	sink *Sink
	cmd  *exec.Cmd
	done chan struct{} // closed when the master process has ended
}

const (
	startWithin = 10 * time.Second
	stopWithin  = 10 * time.Second
	daemons     = "/usr/lib/postfix/sbin"
)

// Start returns a server that answers. It ends the test where Postfix is not installed
// or does not start, and logs what Postfix said where the test fails.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{dir: newDir(t), sink: startSink(t), done: make(chan struct{})}
	t.Cleanup(func() { s.logIfFailed(t) })
	s.addr = freeAddr(t)
	s.configure(t, o)
	s.startMaster(t)
	s.awaitGreeting(t)
	return s
}

// Addr returns the host and port of SMTP.
func (s *Server) Addr() string { return s.addr }

// Sink returns the next hop, which receives all mail.
func (s *Server) Sink() *Sink { return s.sink }

// Dir returns the configuration directory, for postconf -c and postqueue -c.
func (s *Server) Dir() string { return filepath.Join(s.dir, "etc") }

// Queue returns the queue directory, where names of UNIX sockets begin.
func (s *Server) Queue() string { return filepath.Join(s.dir, "queue") }

// Log returns what Postfix logged up to now.
func (s *Server) Log() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Held returns the queue ids of the messages on hold, as postqueue(1) shows them. That
// is a set-gid program, which an ordinary user's pretence does not reach: their test
// looks into the queue itself.
func (s *Server) Held(t testing.TB) []string {
	t.Helper()
	if os.Geteuid() != 0 {
		return s.holdQueue(t)
	}
	list, err := exec.Command("postqueue", "-c", s.Dir(), "-p").Output() //nolint:noctx,gosec // its own directory
	if err != nil {
		t.Fatalf("postqueue: %v", err)
	}
	var held []string
	for line := range strings.Lines(string(list)) {
		first, _, _ := strings.Cut(line, " ")
		if id, ok := strings.CutSuffix(first, "!"); ok {
			held = append(held, id)
		}
	}
	return held
}

func (s *Server) holdQueue(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.dir, "queue", "hold"))
	if err != nil {
		t.Fatal(err)
	}
	var held []string
	for _, e := range entries {
		held = append(held, e.Name())
	}
	return held
}

// newDir makes the server's directory. Postfix's own user must be able to enter it,
// which the directory of t.TempDir does not allow.
func newDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "postfix") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // Postfix's user must enter
		t.Fatal(err)
	}
	return dir
}

// SocketDir returns a directory for a UNIX socket: its path is short enough for one,
// and Postfix's user may enter. It goes with the test.
func SocketDir(t testing.TB) string {
	t.Helper()
	return newDir(t)
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l := listen(t)
	defer l.Close()
	return l.Addr().String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// startMaster starts Postfix's master process as the leader of its own process group,
// which it ends as a whole when it gets SIGTERM.
func (s *Server) startMaster(t testing.TB) {
	t.Helper()
	var said bytes.Buffer
	s.cmd = exec.Command(filepath.Join(daemons, "master"), "-c", s.Dir(), "-d") //nolint:noctx,gosec // stopped by signal; its own directory
	s.cmd.Env = append(os.Environ(), pretence(t)...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Stdout, s.cmd.Stderr = &said, &said
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start postfix: %v (scripts/test-deps installs it)", err)
	}
	go func() {
		defer close(s.done)
		if err := s.cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Logf("postfix: %v", err)
		}
	}()
	t.Cleanup(func() {
		s.stop(t)
		if t.Failed() && said.Len() > 0 {
			t.Logf("postfix said:\n%s", said.String())
		}
	})
}

// pretence returns the environment in which Postfix runs without being root:
// libuid-wrapper lets it change users, libnss-wrapper groups.
func pretence(t testing.TB) []string {
	t.Helper()
	if os.Geteuid() == 0 {
		return nil
	}
	var preload []string
	for _, name := range []string{"libnss_wrapper.so", "libuid_wrapper.so"} {
		found, err := filepath.Glob("/usr/lib/*-linux-gnu/" + name)
		if err != nil || len(found) == 0 {
			t.Fatalf("Postfix needs root, or Debian's %s (scripts/test-deps installs it)", name)
		}
		preload = append(preload, found[0])
	}
	return []string{
		"LD_PRELOAD=" + strings.Join(preload, ":"), "UID_WRAPPER=1", "UID_WRAPPER_ROOT=1",
		"NSS_WRAPPER_PASSWD=/etc/passwd", "NSS_WRAPPER_GROUP=/etc/group",
	}
}

func (s *Server) stop(t testing.TB) {
	t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(stopWithin):
		t.Errorf("postfix did not stop within %v", stopWithin)
	}
	// What the master process did not wait for; the group is ours alone.
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
}

func (s *Server) awaitGreeting(t testing.TB) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	late := time.After(startWithin)
	for {
		if greets(s.addr) {
			return
		}
		select {
		case <-again.C:
		case <-s.done:
			t.Fatal("postfix ended while it started")
		case <-late:
			t.Fatalf("postfix did not answer on %s within %v", s.addr, startWithin)
		}
	}
}

func greets(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second) //nolint:noctx // bounded by its timeout
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(startWithin))
	code := make([]byte, 4)
	_, err = c.Read(code)
	return err == nil && strings.HasPrefix(string(code), strconv.Itoa(220))
}

func (s *Server) logIfFailed(t testing.TB) {
	t.Helper()
	if t.Failed() {
		t.Logf("mail log:\n%s", s.Log())
	}
}
