package authroute

import (
	"context"
	"sync"
	"time"
)

// deadline is [context.WithDeadline] without its timer until somebody waits: most
// mails are judged from memory, and a timer for each costs more than all that.
type deadline struct {
	context.Context // the parent

	at     time.Time
	once   sync.Once
	armed  context.Context //nolint:containedctx // it is part of this context
	cancel context.CancelFunc
}

// within returns a context that ends after a time, as [context.WithTimeout] does. The
// caller cancels it.
func within(ctx context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	d := &deadline{Context: ctx, at: time.Now().Add(after)}
	return d, d.release
}

// release stops the timer. The context is not to be used any more.
func (d *deadline) release() {
	d.once.Do(func() { d.armed, d.cancel = d.Context, func() {} })
	d.cancel()
}

// Deadline implements [context.Context].
func (d *deadline) Deadline() (at time.Time, ok bool) { return d.at, true }

// Done implements [context.Context].
func (d *deadline) Done() <-chan struct{} {
	d.once.Do(func() { d.armed, d.cancel = context.WithDeadline(d.Context, d.at) })
	return d.armed.Done()
}

// Err implements [context.Context].
func (d *deadline) Err() error {
	if err := d.Context.Err(); err != nil {
		return err
	}
	if time.Now().Before(d.at) {
		return nil
	}
	return context.DeadlineExceeded
}
