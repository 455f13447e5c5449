package authroute

import (
	"sync"
	"time"
)

// memory remembers values for a while: at least keep after each was last used, and
// at most twice as long, but never more than size of them. It is safe for
// concurrent use.
type memory[K comparable, V any] struct {
	keep time.Duration
	size int
	now  func() time.Time

	mu         sync.Mutex
	turned     time.Time
	young, old map[K]V // at each turn the old generation goes and the young one grows old
}

func newMemory[K comparable, V any](size int, keep time.Duration, now func() time.Time) *memory[K, V] {
	return &memory[K, V]{keep: keep, size: size, now: now, turned: now(), young: map[K]V{}}
}

func (m *memory[K, V]) get(k K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	if v, ok := m.young[k]; ok {
		return v, true
	}
	v, ok := m.old[k]
	if ok {
		m.young[k] = v
		delete(m.old, k)
	}
	return v, ok
}

// getOr returns the value of k, which is v from now on where it had none.
func (m *memory[K, V]) getOr(k K, v V) V {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	if there, ok := m.young[k]; ok {
		return there
	}
	if there, ok := m.old[k]; ok {
		v = there
		delete(m.old, k)
	}
	m.young[k] = v
	return v
}

func (m *memory[K, V]) put(k K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	delete(m.old, k)
	m.young[k] = v
}

func (m *memory[K, V]) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.young) + len(m.old)
}

// turn is called with the lock held.
func (m *memory[K, V]) turn() {
	now := m.now()
	age := now.Sub(m.turned)
	if age < m.keep && len(m.young) < m.size/2 {
		return
	}
	m.old, m.young, m.turned = m.young, map[K]V{}, now
	if age >= 2*m.keep {
		m.old = nil
	}
}
