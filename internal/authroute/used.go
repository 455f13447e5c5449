package authroute

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"signet/internal/db"
)

// usedKeys remembers which keys have their event of today. Only the writer of
// verdicts uses it.
type usedKeys struct {
	day  time.Time
	keys map[string]bool
}

// fresh returns the first pass of each hosted key in batch that has no event on the
// day of the batch yet, by key.
func (u *usedKeys) fresh(batch []*Verification) []*Verification {
	var first []*Verification
	for _, one := range batch {
		if one.Result != Pass || !one.hosted {
			continue
		}
		if day := one.At.Truncate(24 * time.Hour); day.After(u.day) {
			u.day, u.keys = day, map[string]bool{}
		}
		if !u.keys[one.KeyID] {
			u.keys[one.KeyID] = true
			first = append(first, one)
		}
	}
	// In one order everywhere, or two instances lock each other out.
	slices.SortFunc(first, func(a, b *Verification) int { return strings.Compare(a.KeyID, b.KeyID) })
	return first
}

func (u *usedKeys) forget(batch []*Verification) {
	for _, one := range batch {
		delete(u.keys, one.KeyID)
	}
}

// noteUsed adds at most one event a day to each key that signed mail.
func (v *Verdicts) noteUsed(ctx context.Context, batch []*Verification) {
	first := v.used.fresh(batch)
	if len(first) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err := v.db.Update(ctx, func(tx *db.Tx) error {
		for _, one := range first {
			if err := noteUse(ctx, tx, one, v.used.day); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		v.used.forget(first) // their next mail tries again
		slog.WarnContext(ctx, "uses of keys were not noted", "error", err)
	}
}
