package limit

import (
	"container/list"
	"sync"
	"time"
)

// Memory keeps buckets of one rate in this process. It is safe for concurrent use.
type Memory struct {
	rate Rate
	max  int
	now  func() time.Time

	mu      sync.Mutex
	buckets map[string]*list.Element
	used    *list.List // of *bucket, the longest unused in front
}

type bucket struct {
	key  string
	full time.Time
}

// NewMemory returns buckets for at most keys different keys. Where there are more,
// the longest unused is forgotten: who has that many keys is not bounded by one
// bucket anyway, and nobody else is shut out.
func NewMemory(r Rate, keys int) *Memory {
	return &Memory{rate: r, max: keys, now: time.Now, buckets: map[string]*list.Element{}, used: list.New()}
}

// Take takes one token of the key's bucket, or returns ErrRate.
func (m *Memory) Take(key string) error {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.bucket(key)
	full, wait := m.rate.take(b.full, now, 1)
	if wait > 0 {
		return ErrRate.After(wait)
	}
	b.full = full
	return nil
}

func (m *Memory) bucket(key string) *bucket {
	if e, ok := m.buckets[key]; ok {
		m.used.MoveToBack(e)
		b, _ := e.Value.(*bucket)
		return b
	}
	if m.used.Len() >= m.max {
		oldest, _ := m.used.Remove(m.used.Front()).(*bucket)
		delete(m.buckets, oldest.key)
	}
	b := &bucket{key: key}
	m.buckets[key] = m.used.PushBack(b)
	return b
}
