// Package deadline has contexts that end at a time and have no timer until somebody
// waits for it: most requests are answered from memory, where a timer for each would be
// a good part of the work.
package deadline

import (
	"context"
	"sync"
	"time"
)

// Within returns a context that ends after a time, as [context.WithTimeout] does. The
// caller releases it.
func Within(ctx context.Context, after time.Duration) (_ context.Context, release context.CancelFunc) {
	d := &deadline{Context: ctx, at: time.Now().Add(after)}
	return d, d.release
}

type deadline struct {
	context.Context // the parent

	at    time.Time
	mu    sync.Mutex
	armed *timed // nil until somebody waits
}

// timed is a context that has a timer, or needs none any more.
type timed struct {
	context.Context

	stop context.CancelFunc
}

// arm starts the timer.
func (d *deadline) arm() *timed {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.armed == nil {
		ctx, stop := context.WithDeadline(d.Context, d.at)
		d.armed = &timed{ctx, stop}
	}
	return d.armed
}

// ended is what a context is armed with that was released before anybody waited.
var ended = func() *timed {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return &timed{ctx, cancel}
}()

// release ends the context and its timer.
func (d *deadline) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.armed != nil:
		d.armed.stop()
	case d.Context.Err() != nil:
		// Somebody may have seen its error, and errors do not change.
		d.armed = &timed{d.Context, func() {}}
	default:
		d.armed = ended
	}
}

// Deadline implements [context.Context].
func (d *deadline) Deadline() (at time.Time, ok bool) {
	if parent, ok := d.Context.Deadline(); ok && parent.Before(d.at) {
		return parent, true
	}
	return d.at, true
}

// Done implements [context.Context].
func (d *deadline) Done() <-chan struct{} { return d.arm().Done() }

// Err implements [context.Context].
func (d *deadline) Err() error {
	if armed := d.waitedFor(); armed != nil {
		return armed.Err()
	}
	if err := d.Context.Err(); err != nil {
		return err
	}
	if time.Now().Before(d.at) {
		return nil
	}
	return d.arm().Err()
}

// Value implements [context.Context]. Where somebody waits the contexts below find the
// one that has the timer, by a key of package context, and end with it without a
// goroutine of their own.
func (d *deadline) Value(key any) any {
	if armed := d.waitedFor(); armed != nil && armed != ended {
		return armed.Value(key)
	}
	return d.Context.Value(key)
}

// waitedFor returns nil until somebody waits.
func (d *deadline) waitedFor() *timed {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.armed
}
