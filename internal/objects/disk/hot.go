package disk

import "sync"

// hotMost is how many bytes [hot] keeps, and hotRow what a row takes besides its texts.
const (
	hotMost = 32 << 20
	hotRow  = 512
)

// hot keeps what stands at keys that were read lately. It is for SQLite, which one
// process serves: whatever changes there changes through its store. nil keeps nothing.
//
// A reader never gets what was before a change that is answered: from the beginning of
// a change to its end nothing is kept of its key, and a reader who began before that end
// keeps nothing of what it read.
type hot struct {
	lock       sync.Mutex
	young, old map[name]slot // old were young until young had its half of the bytes
	size       int           // of young, in bytes
	changing   map[name]int  // how many changes are under way
	ended      uint64        // how many were
}

// name is that of a key, or without one that of a bucket.
type name struct{ bucket, key string }

func newHot() *hot {
	return &hot{young: map[name]slot{}, changing: map[name]int{}}
}

// get returns what stands at n, where it is kept. Nobody may change it. Where it is not,
// who reads it hands since to keep.
func (h *hot) get(n name) (at slot, ok bool, since uint64) {
	if h == nil {
		return slot{}, false, 0
	}
	h.lock.Lock()
	defer h.lock.Unlock()
	if at, ok = h.young[n]; ok {
		return at, true, h.ended
	}
	if at, ok = h.old[n]; ok {
		h.add(n, at)
	}
	return at, ok, h.ended
}

// keep keeps what was read, unless a change came between.
func (h *hot) keep(n name, at slot, since uint64) {
	if h == nil || at.current == nil {
		return
	}
	h.lock.Lock()
	defer h.lock.Unlock()
	if h.ended == since && h.changing[n] == 0 && h.changing[name{bucket: n.bucket}] == 0 {
		h.add(n, at)
	}
}

func (h *hot) add(n name, at slot) {
	if h.size > hotMost/2 {
		h.old, h.young, h.size = h.young, map[name]slot{}, 0
	}
	h.young[n] = at
	c := at.current
	h.size += hotRow + len(n.bucket) + len(n.key) + len(c.body) + len(c.etag) + len(c.checksum) + len(c.attributes) + len(c.tags) + len(c.bytes)
}

// change forgets what stands at n before it is changed. The caller calls end afterwards,
// however that went. A name without a key is a bucket with all that is in it.
func (h *hot) change(n name) (end func()) {
	if h == nil {
		return func() {}
	}
	h.lock.Lock()
	defer h.lock.Unlock()
	h.forget(n)
	h.changing[n]++
	return func() {
		h.lock.Lock()
		defer h.lock.Unlock()
		h.ended++
		if h.changing[n]--; h.changing[n] == 0 {
			delete(h.changing, n)
		}
	}
}

func (h *hot) forget(n name) {
	if n.key == "" { // seldom
		h.young, h.old, h.size = map[name]slot{}, nil, 0
		return
	}
	delete(h.young, n)
	delete(h.old, n)
}
