// Package recent keeps what was read from the store for a second, so that a client in
// full swing costs no query a request.
package recent

import (
	"sync"
	"time"
)

const (
	// For is how long a value is kept: what other instances change is seen within it.
	For = time.Second

	most = 10_000 // values
)

// Cache keeps values for a second. What this instance changes, it must make the cache
// forget at once. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	now func() time.Time

	lock       sync.Mutex
	generation int // grows with each forgetting
	held       map[K]dated[V]
}

type dated[V any] struct {
	value V
	at    time.Time
}

// New returns an empty cache.
func New[K comparable, V any](now func() time.Time) *Cache[K, V] {
	return &Cache[K, V]{now: now, held: map[K]dated[V]{}}
}

// Get returns what is kept under key, or else what read returns. What read has begun
// before something was forgotten is not kept.
func (c *Cache[K, V]) Get(key K, read func() (V, error)) (V, error) {
	now := c.now()
	c.lock.Lock()
	d, ok := c.held[key]
	generation := c.generation
	c.lock.Unlock()
	if age := now.Sub(d.at); ok && age >= 0 && age < For {
		return d.value, nil
	}
	v, err := read()
	if err != nil {
		return v, err
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.generation != generation {
		return v, nil
	}
	if len(c.held) >= most {
		clear(c.held)
	}
	c.held[key] = dated[V]{v, now}
	return v, nil
}

// Drop forgets one value.
func (c *Cache[K, V]) Drop(key K) {
	c.lock.Lock()
	defer c.lock.Unlock()
	delete(c.held, key)
}

// Forget forgets all values, and those that are being read now.
func (c *Cache[K, V]) Forget() {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.generation++
	clear(c.held)
}
