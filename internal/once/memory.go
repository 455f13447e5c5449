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
	shards [shards]shard
	counts counts
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	m := &Memory{now: time.Now, birth: db.Now(time.Now()), counts: counts{live: map[countKey]int{}}}
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
	a, err := m.shard(e).take(e, now, &m.counts)
	if err == ErrFull || err == ErrQuota { //nolint:errorlint // our own, as it is
		// What has expired in the other shards takes no room.
		for i := range m.shards {
			m.shards[i].prune(now, &m.counts)
		}
		a, err = m.shard(e).take(e, now, &m.counts)
	}
	a.Birth = m.birth
	return a, err
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

	uses int
}

func (s *shard) take(e Entry, now time.Time, c *counts) (Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pruneLocked(now, c)
	if h, ok := s.held[e.Key]; ok {
		h.uses++
		return Answer{Holder: h.By, Uses: h.uses}, nil
	}
	if err := c.add(e); err != nil {
		return Answer{}, err
	}
	h := &held{e, 1}
	s.held[e.Key] = h
	heap.Push(&s.ends, h)
	return Answer{Holder: e.By, Uses: 1}, nil
}

func (s *shard) prune(now time.Time, c *counts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pruneLocked(now, c)
}

func (s *shard) pruneLocked(now time.Time, c *counts) {
	for len(s.ends) > 0 && !s.ends[0].Until.After(now) {
		h, _ := heap.Pop(&s.ends).(*held)
		delete(s.held, h.Key)
		c.remove(h.Entry)
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
