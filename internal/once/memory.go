package once

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"signet/internal/db"
)

const shards = 64

// Memory keeps values in this process: for one instance. Its birth is its making,
// so after a restart older proofs are refused.
type Memory struct {
	now    func() time.Time
	birth  time.Time
	keeper keeper
	shards [shards]shard
	counts counts
}

// keeper writes down what is taken, before anybody is told.
type keeper interface {
	// keep returns the place of the entry. An error means that it is not kept.
	keep(e Entry, uses int) (place uint32, err error)
	// forget says that the entry at a place has ended, or has another one.
	forget(place uint32)
}

// nowhere keeps nothing.
type nowhere struct{}

func (nowhere) keep(Entry, int) (uint32, error) { return 0, nil }
func (nowhere) forget(uint32)                   {}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	m := &Memory{now: time.Now, birth: db.Now(time.Now()), keeper: nowhere{}, counts: counts{live: map[countKey]int{}}}
	for i := range m.shards {
		m.shards[i].held = map[[32]byte]*held{}
	}
	return m
}

// Name implements [Store].
func (m *Memory) Name() string { return "memory" }

// Birth implements [Store].
func (m *Memory) Birth(context.Context) (time.Time, error) { return m.birth, nil }

// Take implements [Store].
func (m *Memory) Take(_ context.Context, e Entry) (Answer, error) {
	now := m.now()
	if !e.Until.After(now) {
		return Answer{}, ErrPast
	}
	a, err := m.shard(e).take(e, now, m)
	if err == ErrFull || err == ErrQuota { //nolint:errorlint // our own, as it is
		// What has expired in the other shards takes no room.
		m.prune()
		a, err = m.shard(e).take(e, now, m)
	}
	a.Birth = m.birth
	return a, err
}

// prune removes what has ended.
func (m *Memory) prune() {
	now := m.now()
	for i := range m.shards {
		m.shards[i].prune(now, m)
	}
}

// restore puts an entry back that was kept at a place. Of several of one key the
// first holds it; the last has its place, and its uses.
func (m *Memory) restore(e Entry, uses int, place uint32) {
	if !e.Until.After(m.now()) {
		return
	}
	s := m.shard(e)
	if h, ok := s.held[e.Key]; ok {
		h.uses, h.place = max(h.uses, uses), place
		return
	}
	e.add(m.counts.live, 1)
	s.hold(&held{e, uses, place})
}

// places calls f with the place of each entry.
func (m *Memory) places(f func(place uint32)) {
	for i := range m.shards {
		for _, h := range m.shards[i].held {
			f(h.place)
		}
	}
}

// keepAnew has everything at a place kept at another.
func (m *Memory) keepAnew(place uint32) error {
	for i := range m.shards {
		if err := m.shards[i].keepAnew(place, m.keeper); err != nil {
			return err
		}
	}
	return nil
}

func (m *Memory) shard(e Entry) *shard { return &m.shards[e.Key[0]%shards] }

// shard is a part of the values, with those that end first on top of ends.
type shard struct {
	mu   sync.Mutex
	held map[[32]byte]*held
	ends endHeap
}

type held struct {
	Entry

	uses  int
	place uint32
}

func (s *shard) take(e Entry, now time.Time, m *Memory) (Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pruneLocked(now, m)
	if h, ok := s.held[e.Key]; ok {
		return h.again(e, m.keeper)
	}
	if err := m.counts.add(e); err != nil {
		return Answer{}, err
	}
	place, err := m.keeper.keep(e, 1)
	if err != nil {
		m.counts.remove(e)
		return Answer{}, err
	}
	s.hold(&held{e, 1, place})
	return Answer{Holder: e.By, Uses: 1}, nil
}

func (s *shard) hold(h *held) {
	s.held[h.Key] = h
	heap.Push(&s.ends, h)
}

// again is one more use of a value that is held.
func (h *held) again(e Entry, k keeper) (Answer, error) {
	if e.Counts {
		if err := h.keep(h.uses+1, k); err != nil {
			return Answer{}, err
		}
		h.uses++
	}
	return Answer{Holder: h.By, Uses: h.uses}, nil
}

// keep keeps the entry at another place, with that many uses.
func (h *held) keep(uses int, k keeper) error {
	place, err := k.keep(h.Entry, uses)
	if err == nil {
		k.forget(h.place)
		h.place = place
	}
	return err
}

func (s *shard) keepAnew(place uint32, k keeper) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.held {
		if h.place != place {
			continue
		}
		if err := h.keep(h.uses, k); err != nil {
			return err
		}
	}
	return nil
}

func (s *shard) prune(now time.Time, m *Memory) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pruneLocked(now, m)
}

func (s *shard) pruneLocked(now time.Time, m *Memory) {
	for len(s.ends) > 0 && !s.ends[0].Until.After(now) {
		h, _ := heap.Pop(&s.ends).(*held)
		delete(s.held, h.Key)
		m.counts.remove(h.Entry)
		m.keeper.forget(h.place)
	}
}

// endHeap is a heap of values by their end.
type endHeap []*held

func (h endHeap) Len() int           { return len(h) }
func (h endHeap) Less(i, j int) bool { return h[i].Until.Before(h[j].Until) }
func (h endHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements [heap.Interface].
func (h *endHeap) Push(x any) {
	if v, ok := x.(*held); ok {
		*h = append(*h, v)
	}
}

// Pop implements [heap.Interface].
func (h *endHeap) Pop() any {
	last := len(*h) - 1
	v := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return v
}

// counts is how many values live, by space and by subject in it.
type counts struct {
	mu   sync.Mutex
	live map[countKey]int
}

type countKey struct{ space, subject string }

// keys returns what an entry counts for: its space, and its subject where it has one.
func (e Entry) keys() []countKey {
	if e.Subject == "" {
		return []countKey{{e.Space.Name, ""}}
	}
	return []countKey{{e.Space.Name, ""}, {e.Space.Name, e.Subject}}
}

// add adds n to what an entry counts for.
func (e Entry) add(live map[countKey]int, n int) {
	for _, k := range e.keys() {
		live[k] += n
	}
}

// room returns an error where one more entry would be too many.
func (e Entry) room(live map[countKey]int) error {
	if live[countKey{e.Space.Name, ""}] >= e.Space.Cap {
		return ErrFull
	}
	if e.Subject != "" && live[countKey{e.Space.Name, e.Subject}] >= e.Space.Quota {
		return ErrQuota
	}
	return nil
}

func (c *counts) add(e Entry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := e.room(c.live); err != nil {
		return err
	}
	e.add(c.live, 1)
	return nil
}

func (c *counts) remove(e Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range e.keys() {
		if c.live[k]--; c.live[k] <= 0 {
			delete(c.live, k)
		}
	}
}
