package disk

import (
	"context"
	"math"

	"signet/internal/db"
	"signet/internal/objects"
)

// ListCounting is List, and says how many rows it read.
func (s *Store) ListCounting(ctx context.Context, l objects.List) (out objects.Listing, rows int, err error) {
	err = s.viewPage(ctx, l.Bucket, func(tx *db.Tx, _ objects.Versioning) error {
		from := rowsOf(ctx, tx, tableObjects, l, math.MaxInt64)
		fetch := from.fetch
		from.fetch = func(b bound[int64], limit int) ([]*row, error) {
			got, err := fetch(b, limit)
			rows += len(got)
			return got, err
		}
		p, err := collect(from, l, keyOf)
		out = listing(p, objects.Unversioned)
		return err
	})
	return out, rows, err
}

// ViewPage is the transaction in which pages are read.
func (s *Store) ViewPage(ctx context.Context, bucket string, fn func(tx *db.Tx) error) error {
	return s.viewPage(ctx, bucket, func(tx *db.Tx, _ objects.Versioning) error { return fn(tx) })
}

// ListQueries are the queries of a batch of objects and of versions within a prefix.
func ListQueries() []string {
	return []string{versionsQuery(tableObjects, "x"), versionsQuery(tableVersions, "x")}
}

// Combine is the CRC of two texts behind each other by those of each.
func Combine(algorithm string, a, b []byte, length int64) ([]byte, bool) {
	return combineAll(algorithm, [][]byte{a, b}, []objects.Part{{Size: 1}, {Size: length}})
}

// LeaveFile writes a file as who crashes before its row is committed leaves it.
func (s *Store) LeaveFile() (path string, err error) {
	name := newName(s.now())
	f, err := s.files.create(name)
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// Dirty reports whether a body waits to be synced.
func (s *Store) Dirty() bool { return s.files.dirty.Load() }

// Waiting is how many writes wait for a transaction to share.
func (s *Store) Waiting() int {
	s.group.mu.Lock()
	defer s.group.mu.Unlock()
	return len(s.group.waiting)
}

// Hot is what a store keeps of keys that were read, of one bucket.
type Hot struct{ h *hot }

// NewHot returns an empty one.
func NewHot() Hot { return Hot{newHot()} }

// Get reports whether what stands at a key is kept.
func (h Hot) Get(key string) (bool, uint64) {
	_, ok, since := h.h.get(name{"b", key})
	return ok, since
}

// Keep keeps an object at a key.
func (h Hot) Keep(key string, since uint64) { h.KeepBytes(key, "x", since) }

// KeepBytes keeps an object with those bytes.
func (h Hot) KeepBytes(key, bytes string, since uint64) {
	h.h.keep(name{"b", key}, slot{current: &row{bytes: []byte(bytes)}}, since)
}

// Change begins a change of a key, or with an empty one of the bucket.
func (h Hot) Change(key string) (end func()) { return h.h.change(name{"b", key}) }

// Bytes is how many bytes of objects are kept.
func (h Hot) Bytes() (n int) {
	for _, kept := range []map[name]slot{h.h.young, h.h.old} {
		for _, at := range kept {
			n += len(at.current.bytes)
		}
	}
	return n
}
