package authroute

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"strconv"
	"time"

	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/ticket"
)

const (
	readMail    = "authroute:read"
	searchLimit = 500
)

// ErrResult is of a search for what is no result.
var ErrResult = fault.New(fault.Invalid, "is not one of pass, fail, none, temperror")

// Search returns verdicts, the last written first unless f says otherwise, at most limit of them (500 at
// most, 100 where limit is 0), and the cursor of those that come after; it is empty
// at the end. The caller needs authroute:read.
func (v *Verdicts) Search(ctx context.Context, f Filter, cursor string, limit int) (page []Verification, next string, err error) {
	if err := ticket.From(ctx).Demand(readMail); err != nil {
		return nil, "", err
	}
	last, err := f.check(cursor)
	if err != nil {
		return nil, "", err
	}
	limit = min(max(cmp.Or(limit, 100), 1), searchLimit)
	err = v.db.View(ctx, func(tx *db.Tx) (err error) {
		page, err = searchVerifications(ctx, tx, f, last, limit+1)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if len(page) > limit {
		page = page[:limit]
		next = strconv.FormatInt(page[limit-1].ID, 10)
	}
	return page, next, nil
}

func (f Filter) check(cursor string) (last int64, err error) {
	switch f.Result {
	case "", Pass, Fail, None, TempError:
	default:
		return 0, ErrResult.At("result")
	}
	for field, value := range map[string]string{"message_id": f.MessageID, "sender": f.Sender, "domain": f.Domain, "key_id": f.KeyID} {
		if err := db.Clean(field, value); err != nil {
			return 0, err
		}
	}
	if cursor == "" && f.Oldest {
		return 0, nil
	}
	if cursor == "" {
		return math.MaxInt64, nil
	}
	last, err = strconv.ParseInt(cursor, 10, 64)
	if err != nil || last < 1 {
		return 0, db.ErrCursor.At("cursor")
	}
	return last, nil
}

const (
	pruneEvery = time.Hour
	pruneBatch = 1000
	prunePause = 50 * time.Millisecond // lets others write in between
)

// pruning remembers how far each kind was pruned: rows that stay are not looked at
// again every hour.
type pruning struct{ none, others time.Time }

// prune deletes old verdicts, now and every hour, until ctx ends.
func (v *Verdicts) prune(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		if err := v.Prune(ctx); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "old verdicts were not pruned", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Prune deletes the verdicts that are older than they are kept, in batches. It must
// not run twice at a time.
func (v *Verdicts) Prune(ctx context.Context) error {
	now := v.config.Now()
	if err := v.pruneKind(ctx, pruneNone, &v.pruned.none, now.Add(-v.config.KeepNone)); err != nil {
		return err
	}
	return v.pruneKind(ctx, pruneOthers, &v.pruned.others, now.Add(-v.config.Keep))
}

func (v *Verdicts) pruneKind(ctx context.Context, query string, from *time.Time, to time.Time) error {
	pause := time.NewTicker(prunePause)
	defer pause.Stop()
	for n := pruneBatch; n == pruneBatch; {
		err := v.db.Update(ctx, func(tx *db.Tx) (err error) {
			n, err = pruneRows(ctx, tx, query, *from, to, pruneBatch)
			return err
		})
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pause.C:
		}
	}
	// Rows may come late: those of an instance that could not write for a while.
	*from = to.Add(-24 * time.Hour)
	return nil
}
