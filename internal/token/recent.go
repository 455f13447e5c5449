package token

import (
	"sync"
	"time"
)

const (
	recentFor = time.Second // what other instances change is seen within
	recentMax = 10_000
)

// recent keeps what was read from the store for a second, so that a client in full
// swing costs no query a request. What this instance changes it forgets at once.
type recent[K comparable, V any] struct {
	now func() time.Time

	lock       sync.Mutex
	generation int // grows with each forgetting
	held       map[K]dated[V]
}

type dated[V any] struct {
	value V
	at    time.Time
}

func newRecent[K comparable, V any](now func() time.Time) *recent[K, V] {
	return &recent[K, V]{now: now, held: map[K]dated[V]{}}
}

// get returns what is kept under key, or else what read returns. What read has begun
// before something was forgotten is not kept.
func (r *recent[K, V]) get(key K, read func() (V, error)) (V, error) {
	now := r.now()
	r.lock.Lock()
	d, ok := r.held[key]
	generation := r.generation
	r.lock.Unlock()
	if age := now.Sub(d.at); ok && age >= 0 && age < recentFor {
		return d.value, nil
	}
	v, err := read()
	if err != nil {
		return v, err
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	if r.generation != generation {
		return v, nil
	}
	if len(r.held) >= recentMax {
		clear(r.held)
	}
	r.held[key] = dated[V]{v, now}
	return v, nil
}

func (r *recent[K, V]) drop(key K) {
	r.lock.Lock()
	defer r.lock.Unlock()
	delete(r.held, key)
}

func (r *recent[K, V]) forget() {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.generation++
	clear(r.held)
}
