package authroute

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
)

// counterFile counts the verdicts that were answered and those that are settled:
// written, or known to be lost. A kill of the process leaves both in the file, as
// the kernel has them; the difference is what the kill cost.
type counterFile struct {
	gap uint64 // answered and not settled when the file was opened

	mu       sync.Mutex
	file     *os.File
	answered uint64
	settled  uint64
	failed   bool
}

// Where the counters stand in the file, in little-endian order.
const (
	answeredAt = 0
	settledAt  = 8
)

// openCounter opens or makes the file, and locks it: two writers would count each
// other's verdicts as lost.
func openCounter(path string) (*counterFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names the path
	if err != nil {
		return nil, err
	}
	c := &counterFile{file: f}
	if err := c.read(path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return c, nil
}

func (c *counterFile) read(path string) error {
	if err := syscall.Flock(int(c.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("%s is in use by another process: %w", path, err)
	}
	var b [16]byte
	if n, _ := c.file.ReadAt(b[:], 0); n < len(b) {
		b = [16]byte{} // new, or cut off by a crash of the machine
	}
	c.answered = binary.LittleEndian.Uint64(b[answeredAt:])
	// A kill between a verdict's writing and its answer leaves one settled too many.
	c.settled = min(binary.LittleEndian.Uint64(b[settledAt:]), c.answered)
	c.gap = c.answered - c.settled
	_, err := c.file.WriteAt(c.bytes(), 0)
	return err
}

func (c *counterFile) bytes() []byte {
	b := binary.LittleEndian.AppendUint64(nil, c.answered)
	return binary.LittleEndian.AppendUint64(b, c.settled)
}

// answer counts a verdict that is about to be answered.
func (c *counterFile) answer() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered++
	c.put(answeredAt, c.answered)
}

// settle counts verdicts whose fate is known.
func (c *counterFile) settle(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settled += n
	c.put(settledAt, c.settled)
}

// open returns how many verdicts are answered and not settled.
func (c *counterFile) open() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered - c.settled
}

// put is called with the lock held.
func (c *counterFile) put(at int64, n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	_, err := c.file.WriteAt(b[:], at)
	if err != nil && !c.failed {
		slog.Error("verdicts are not counted any more", "error", err)
	}
	c.failed = err != nil
}

func (c *counterFile) close() error { return c.file.Close() }
