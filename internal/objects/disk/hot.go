package disk

import "sync"

// hotMost is how many bytes [hot] keeps, and the others what a row and one pair of what is
// said of an object take besides their texts.
const (
	hotMost = 32 << 20
	hotRow  = 512
	hotPair = 96
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
	if h == nil || at.current == nil || at.current.parts != 0 { // where parts are is asked for each time
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
	h.size += len(n.bucket) + len(n.key) + at.current.weight()
}

// weight is how many bytes a row takes in memory, about.
func (r *row) weight() int {
	w := hotRow + len(r.body) + len(r.etag) + len(r.checksum) + len(r.attributes) + len(r.tags) + len(r.bytes)
	if r.said != nil { // once more, as a map and a list
		w += len(r.attributes) + len(r.tags) + hotPair*(len(r.said.Meta)+len(r.said.Tags))
	}
	return w
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
