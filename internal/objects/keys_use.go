package objects

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"signet/internal/db"
	"signet/internal/limit"
)

// Admit notes that a key was used, and returns ErrSlowDown where it asks too often.
// Temporary keys of one owner share a rate.
func (k *Keys) Admit(c Caller) error {
	if c.Anonymous() || c.Open {
		return nil
	}
	k.lock.Lock()
	rate, bucket := 0, c.Owner
	if s := k.signers[c.AccessKeyID]; s != nil {
		rate = s.rate
	}
	if !c.Temporary {
		k.used[c.Key] = k.o.Now()
		bucket = c.Key
	}
	buckets := k.rates.of(rate)
	k.lock.Unlock()
	if buckets == nil || buckets.Take(bucket) == nil {
		return nil
	}
	return ErrSlowDown
}

// rates are the token buckets of keys, by the rate that they have.
type rates struct {
	usual  int
	byRate map[int]*limit.Memory
}

func newRates(usual int) *rates { return &rates{usual: usual, byRate: map[int]*limit.Memory{}} }

// of returns the buckets of a rate; of 0 those of the usual one. nil: no limit.
func (r *rates) of(rate int) *limit.Memory {
	if rate == 0 {
		rate = r.usual
	}
	if rate == 0 {
		return nil
	}
	if r.byRate[rate] == nil {
		r.byRate[rate] = limit.NewMemory(limit.Rate{Burst: rate, Every: time.Second / time.Duration(rate)}, maxSigners)
	}
	return r.byRate[rate]
}

// Run writes each minute when keys were used, and removes temporary keys that expired,
// until ctx ends.
func (k *Keys) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return k.flush(context.WithoutCancel(ctx))
		case <-tick.C:
		}
		if err := errors.Join(k.flush(ctx), k.prune(ctx)); err != nil {
			slog.WarnContext(ctx, "uses of access keys were not written", "error", err)
		}
	}
}

func (k *Keys) flush(ctx context.Context) error {
	k.lock.Lock()
	used := k.used
	k.used = map[string]time.Time{}
	k.lock.Unlock()
	if len(used) == 0 {
		return nil
	}
	return k.db.Relaxed(ctx, func(tx *db.Tx) error {
		for id, at := range used {
			if err := noteUse(ctx, tx, id, db.Now(at)); err != nil {
				return err
			}
		}
		return nil
	})
}

// prune removes temporary keys an hour after their end: until then they are told that
// they expired.
func (k *Keys) prune(ctx context.Context) error {
	return k.db.Update(ctx, func(tx *db.Tx) error {
		return pruneSessions(ctx, tx, db.Now(k.o.Now().Add(-time.Hour)))
	})
}
