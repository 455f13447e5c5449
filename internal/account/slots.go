package account

import (
	"context"
	"sync"
	"time"

	"signet/internal/fault"
)

// How many password hashes are computed or waited for in one process.
const (
	slotQueue     = 32 // wait at a time, in each lane
	slotsPerGroup = 2  // computed or waited for at a time, for one address prefix or one known browser
)

// ErrBusy means that too many passwords are being checked. It says when to try again.
var ErrBusy = fault.New(fault.Unavailable, "too many sign-ins at once: try again in a moment")

// slots lets two callers at a time through, at most one of them a stranger: whoever
// floods the login form never keeps out the users that are known.
type slots struct {
	open, known lane

	mu     sync.Mutex
	groups map[string]int
}

// lane is a slot and those who wait for it.
type lane struct {
	slot    chan struct{}
	waiting int // under slots.mu
}

func newSlots() *slots {
	lane := func() lane { return lane{slot: make(chan struct{}, 1)} }
	return &slots{open: lane(), known: lane(), groups: map[string]int{}}
}

// do runs fn in a slot. Strangers wait for the open one; known callers take
// whichever is free. Where too many wait, or two of the group are in already, do
// returns ErrBusy.
func (s *slots) do(ctx context.Context, group string, known bool, fn func()) error {
	queue := &s.open
	if known {
		queue = &s.known
	}
	if err := s.enter(group, queue); err != nil {
		return err
	}
	defer s.leave(group)
	slot, err := s.wait(ctx, queue, known)
	if err != nil {
		return err
	}
	defer func() { <-slot }()
	fn()
	return nil
}

func (s *slots) enter(group string, queue *lane) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if queue.waiting >= slotQueue || s.groups[group] >= slotsPerGroup {
		return ErrBusy.After(time.Second)
	}
	queue.waiting++
	s.groups[group]++
	return nil
}

func (s *slots) leave(group string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups[group]--; s.groups[group] == 0 {
		delete(s.groups, group)
	}
}

// wait returns the slot that the caller now holds.
func (s *slots) wait(ctx context.Context, queue *lane, known bool) (chan struct{}, error) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		queue.waiting--
	}()
	var kept chan struct{} // nil is never ready
	if known {
		kept = s.known.slot
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case s.open.slot <- struct{}{}:
		return s.open.slot, nil
	case kept <- struct{}{}:
		return kept, nil
	}
}
