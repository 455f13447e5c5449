package limit

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"signet/internal/db"
)

const (
	pruneEvery = time.Minute
	pruneBatch = 1000
)

// Bucket names tokens of a bucket in the database.
type Bucket struct {
	Name string // what is bounded, such as login.address
	Key  string // whom; kept as SHA-256, since people type passwords into the field for their name
	Rate Rate
	N    int // tokens; zero is one
}

// SQL keeps buckets in the database, for all instances. It is safe for concurrent use.
// What it took outlives the end of this process; a power cut may give back that of the
// last half minute, which nobody who guesses can wait for.
type SQL struct {
	db  *db.DB
	now func() time.Time
}

// NewSQL returns buckets in d.
func NewSQL(d *db.DB) *SQL { return &SQL{db: d, now: time.Now} }

// Take takes tokens of all buckets, or of none and returns ErrRate with the longest
// wait. It has a transaction of its own, so what it took stays taken when the
// caller's work fails. To count failures only: Take before the check, and Give back
// after a success; checking first would let 64 guesses at once through.
func (s *SQL) Take(ctx context.Context, buckets ...Bucket) error {
	return s.change(ctx, buckets, func(b Bucket, full, now time.Time) (time.Time, time.Duration) {
		return b.Rate.take(full, now, b.N)
	})
}

// Give puts tokens back that a Take took.
func (s *SQL) Give(ctx context.Context, buckets ...Bucket) error {
	return s.change(ctx, buckets, func(b Bucket, full, now time.Time) (time.Time, time.Duration) {
		return b.Rate.give(full, now, b.N), 0
	})
}

func (s *SQL) change(ctx context.Context, buckets []Bucket, f func(b Bucket, full, now time.Time) (time.Time, time.Duration)) error {
	buckets, err := ordered(buckets)
	if err != nil {
		return err
	}
	return s.db.Relaxed(ctx, func(tx *db.Tx) error {
		now := db.Now(s.now())
		var longest time.Duration
		for _, b := range buckets {
			full, err := lock(ctx, tx, b, now)
			if err != nil {
				return err
			}
			full, wait := f(b, full, now)
			longest = max(longest, wait)
			if err := store(ctx, tx, b, full); err != nil {
				return err
			}
		}
		if longest > 0 {
			return ErrRate.After(longest)
		}
		return nil
	})
}

// ordered returns the buckets in one order, so that two transactions never wait for
// each other.
func ordered(buckets []Bucket) ([]Bucket, error) {
	out := slices.Clone(buckets)
	for i := range out {
		b := &out[i]
		b.N = max(b.N, 1)
		if b.N > b.Rate.Burst || b.Rate.Every <= 0 {
			return nil, fmt.Errorf("limit %s: %d tokens never fit into %+v", b.Name, b.N, b.Rate)
		}
	}
	slices.SortFunc(out, func(a, b Bucket) int { return strings.Compare(a.Name+"\x00"+a.Key, b.Name+"\x00"+b.Key) })
	return out, nil
}

// lock returns when a bucket is full, and holds its row until the transaction ends.
func lock(ctx context.Context, tx *db.Tx, b Bucket, now time.Time) (full time.Time, err error) {
	err = tx.QueryRowContext(ctx, `
		INSERT INTO limit_buckets (name, key, full_at) VALUES ($1, $2, $3)
		ON CONFLICT (name, key) DO UPDATE SET name = excluded.name RETURNING full_at`, b.Name, b.hash(), now).Scan(&full)
	return full, err
}

func store(ctx context.Context, tx *db.Tx, b Bucket, full time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE limit_buckets SET full_at = $1 WHERE name = $2 AND key = $3`, db.Now(full), b.Name, b.hash())
	return err
}

func (b Bucket) hash() []byte {
	h := sha256.Sum256([]byte(b.Key))
	return h[:]
}

// Run removes buckets that are full again, until ctx ends.
func (s *SQL) Run(ctx context.Context) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.prune(ctx); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "full buckets not removed", "error", err)
		}
	}
}

func (s *SQL) prune(ctx context.Context) error {
	for {
		var n int64
		err := s.db.Update(ctx, func(tx *db.Tx) error {
			res, err := tx.ExecContext(ctx, `
				DELETE FROM limit_buckets WHERE (name, key) IN (
					SELECT name, key FROM limit_buckets WHERE full_at <= $1 ORDER BY full_at LIMIT $2`+tx.Dialect().SkipLocked()+`)`,
				db.Now(s.now()), pruneBatch)
			if err != nil {
				return err
			}
			n, err = res.RowsAffected()
			return err
		})
		if err != nil || n < pruneBatch {
			return err
		}
	}
}
