package authroute

import "sync"

// turns lets those who ask for the same thing go one after the other.
type turns[K comparable] struct {
	mu      sync.Mutex
	waiting map[K]*turn
}

type turn struct {
	sync.Mutex
	users int // who has it or waits for it
}

// take waits until nobody else has k, and returns how to give it back.
func (t *turns[K]) take(k K) (give func()) {
	t.mu.Lock()
	if t.waiting == nil {
		t.waiting = map[K]*turn{}
	}
	mine := t.waiting[k]
	if mine == nil {
		mine = &turn{}
		t.waiting[k] = mine
	}
	mine.users++
	t.mu.Unlock()
	mine.Lock()
	return func() {
		mine.Unlock()
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.users--; mine.users == 0 {
			delete(t.waiting, k)
		}
	}
}
