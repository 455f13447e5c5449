package once

import (
	"context"
	"time"
)

// SetClock makes the guard read the time from now.
func (g *Guard) SetClock(now func() time.Time) { g.now = now }

// SetClock makes the store read the time from now.
func (s *SQL) SetClock(now func() time.Time) { s.now = now }

// SetClock makes the store read the time from now.
func (m *Memory) SetClock(now func() time.Time) { m.now = now }

// SetClock makes the store read the time from now.
func (f *File) SetClock(now func() time.Time) { f.memory.now = now }

// SetSegmentSize sets how long a file of the journal grows.
func (f *File) SetSegmentSize(n int64) { f.journal.size = n }

// Break makes every further write fail.
func (f *File) Break() { _ = f.journal.out.Close() }

// Watcher looks at the stores as Watch does, one look a call.
type Watcher struct {
	g *Guard
	h health
}

// Watcher returns a watcher that has seen nothing yet.
func (g *Guard) Watcher() *Watcher { return &Watcher{g: g} }

// Look is one look.
func (w *Watcher) Look(ctx context.Context) error { return w.g.look(ctx, &w.h) }

// AppendRecord and ReadRecord are the form of the journal.
var (
	AppendRecord = appendRecord
	ReadRecord   = readRecord
)
