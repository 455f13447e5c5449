package dbtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Cluster is a PostgreSQL that one test has for itself, to stop and start it.
type Cluster struct {
	t      testing.TB
	server *server
	serve  *exec.Cmd
	gone   chan struct{} // closed when the server has ended
}

// stopWithin bounds how long a server takes to end.
const stopWithin = 30 * time.Second

// NewCluster starts a PostgreSQL that ends with the test.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "signet-pg-own-") //nolint:usetesting // postgres, another user, must pass
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	if err := initialize(t.Context(), dir); err != nil {
		t.Fatalf("%v (scripts/test-deps installs PostgreSQL)", err)
	}
	port, err := freePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{t: t, server: &server{dir, port}}
	c.Start()
	t.Cleanup(c.Crash)
	return c
}

// URL returns the URL of its one database, which is empty at first.
func (c *Cluster) URL() string { return c.server.url("postgres") }

// Start starts a server that was ended, on the same port, and returns once it answers.
func (c *Cluster) Start() {
	c.t.Helper()
	serve, err := launch(c.t.Context(), c.server.dir, c.server.port)
	if err != nil {
		c.t.Fatal(err)
	}
	gone := make(chan struct{})
	c.serve, c.gone = serve, gone
	go func() {
		_ = serve.Wait() // ended by a signal
		close(gone)
	}()
	if err := c.server.await(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

// Stop ends the server as "pg_ctl stop -m fast" does: transactions are cut, nothing
// committed is lost.
func (c *Cluster) Stop() {
	c.t.Helper()
	c.end(syscall.SIGINT)
}

// Crash ends the server as "pg_ctl stop -m immediate" does: the next start recovers.
func (c *Cluster) Crash() {
	c.t.Helper()
	c.end(syscall.SIGQUIT)
}

func (c *Cluster) end(s syscall.Signal) {
	c.t.Helper()
	_ = c.serve.Process.Signal(s) // it may have ended already
	select {
	case <-c.gone:
	case <-time.After(stopWithin):
		_ = c.serve.Process.Kill()
		c.t.Errorf("PostgreSQL in %s did not end within %v", filepath.Base(c.server.dir), stopWithin)
	}
}
