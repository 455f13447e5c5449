package authroute

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"signet/internal/db"
)

// freshFor is how long the memory answers after the store last did. Beyond it a
// revocation on another instance could be unknown here.
const freshFor = 5 * time.Second

// keyPage is how many changes of keys are read at a time.
const keyPage = 10_000

// Subscriber gives notice of changes, and every second at the latest.
type Subscriber interface {
	Subscribe(topic string) (changes <-chan struct{}, cancel func())
}

// Keyset is every registered key in memory, as of the last second. It is safe for
// concurrent use.
type Keyset struct {
	db      *db.DB
	bus     Subscriber
	now     func() time.Time
	observe func(effect time.Duration) // time from a revocation to its effect here

	refreshed atomic.Pointer[time.Time] // when the store was asked for its last answer; nil before the first

	page      int           // changes read at a time
	loading   chan struct{} // has room for one: an older answer of the store must not overtake a younger one
	mu        sync.RWMutex
	sequence  int64
	base      int64 // below which no list of this installation may number itself
	byID      map[string]Key
	byAddress map[string][]string // ids of subkeys, oldest first
	revoked   []string            // ids, in the order of their sequence
	owners    map[string]int      // live subkeys of each user
}

// NewKeyset returns an empty keyset; Load fills it. observe may be nil.
func NewKeyset(d *db.DB, bus Subscriber, now func() time.Time, observe func(time.Duration)) *Keyset {
	if observe == nil {
		observe = func(time.Duration) {}
	}
	return &Keyset{
		db: d, bus: bus, now: now, observe: observe, page: keyPage, loading: make(chan struct{}, 1),
		byID: map[string]Key{}, byAddress: map[string][]string{}, owners: map[string]int{},
	}
}

// Load reads what changed since the last time. Where it ends early it has come part
// of the way, and the next one goes on from there.
func (s *Keyset) Load(ctx context.Context) error {
	select {
	case s.loading <- struct{}{}:
		defer func() { <-s.loading }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		asked := s.now()
		n, err := s.loadPage(ctx)
		if err != nil {
			return err
		}
		if n < s.page {
			s.refreshed.Store(&asked)
			return nil
		}
	}
}

// loadPage reads the next changes, and returns how many.
func (s *Keyset) loadPage(ctx context.Context) (int, error) {
	s.mu.RLock()
	since := s.sequence
	s.mu.RUnlock()
	var changed []Key
	var base int64
	err := s.db.View(ctx, func(tx *db.Tx) (err error) {
		if base, err = sequenceBase(ctx, tx); err != nil {
			return err
		}
		changed, err = keysAfter(ctx, tx, since, s.page)
		return err
	})
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	s.base = base
	for _, k := range changed {
		s.put(k)
	}
	s.mu.Unlock()
	if s.refreshed.Load() != nil {
		s.observeRevocations(changed)
	}
	return len(changed), nil
}

func (s *Keyset) observeRevocations(changed []Key) {
	for _, k := range changed {
		if !k.Revoked.IsZero() {
			s.observe(s.now().Sub(k.Revoked))
		}
	}
}

func (s *Keyset) put(k Key) {
	old, known := s.byID[k.ID]
	s.byID[k.ID] = k
	s.sequence = max(s.sequence, k.Sequence)
	if k.Type == Subkey && !known {
		s.byAddress[k.Address] = append(s.byAddress[k.Address], k.ID)
	}
	if k.Type == Subkey && k.Revoked.IsZero() && !known {
		s.owners[k.User]++
	}
	if !k.Revoked.IsZero() && (!known || old.Revoked.IsZero()) {
		s.revoked = append(s.revoked, k.ID)
		if known && k.Type == Subkey {
			if s.owners[k.User]--; s.owners[k.User] == 0 {
				delete(s.owners, k.User)
			}
		}
	}
}

// Run keeps the memory fresh until ctx ends.
func (s *Keyset) Run(ctx context.Context) error { return follow(ctx, s.bus, topicKeys, s.Load) }

// Fresh reports whether the memory is young enough to judge by.
func (s *Keyset) Fresh(now time.Time) bool {
	at := s.refreshed.Load()
	if at == nil {
		return false
	}
	// By both clocks: the wall clock may be set back, the other one stands still
	// while the machine sleeps.
	return now.Sub(*at) < freshFor && now.Round(0).Sub(at.Round(0)) < freshFor
}

// Sequence returns the number of the last change that the memory knows.
func (s *Keyset) Sequence() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return max(s.sequence, s.base)
}

// Find returns the key with that id, revoked or not.
func (s *Keyset) Find(id string) (Key, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k, ok := s.byID[id]
	return k, ok
}

// Live returns the subkeys that may sign for an address now, oldest first.
func (s *Keyset) Live(address string, now time.Time) []Key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []Key
	for _, id := range s.byAddress[address] {
		if k := s.byID[id]; k.Revoked.IsZero() && now.Before(k.Expires) {
			all = append(all, k)
		}
	}
	return all
}

// Owners returns how many users have a subkey that is not revoked.
func (s *Keyset) Owners() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.owners)
}

// Revocations returns the keys that were revoked after a sequence, in its order.
func (s *Keyset) Revocations(since int64) []Key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	from, _ := slices.BinarySearchFunc(s.revoked, since+1, func(id string, n int64) int {
		return int(s.byID[id].Sequence - n)
	})
	all := make([]Key, 0, len(s.revoked)-from)
	for _, id := range s.revoked[from:] {
		all = append(all, s.byID[id])
	}
	return all
}
