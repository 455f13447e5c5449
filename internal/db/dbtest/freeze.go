package dbtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Freeze stops the server and all of its backends from doing anything, with their
// connections open (SIGSTOP).
func (c *Cluster) Freeze() {
	c.t.Helper()
	c.t.Cleanup(c.Thaw) // so that it can be ended
	// The parent first: it must start no further ones.
	c.signal(c.serve.Process.Pid, syscall.SIGSTOP)
	for _, pid := range c.backends() {
		c.signal(pid, syscall.SIGSTOP)
	}
}

// Thaw lets a frozen server go on.
func (c *Cluster) Thaw() {
	c.t.Helper()
	for _, pid := range slices.Concat(c.backends(), []int{c.serve.Process.Pid}) {
		c.signal(pid, syscall.SIGCONT)
	}
}

func (c *Cluster) signal(pid int, s syscall.Signal) {
	c.t.Helper()
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		c.t.Fatalf("signal PostgreSQL: %v", err)
	}
}

// backends returns the process ids of the server's children.
func (c *Cluster) backends() (pids []int) {
	c.t.Helper()
	pid := c.serve.Process.Pid
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has ended
	}
	if err != nil {
		c.t.Fatal(err)
	}
	for field := range strings.FieldsSeq(string(text)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			c.t.Fatal(err)
		}
		pids = append(pids, child)
	}
	return pids
}
