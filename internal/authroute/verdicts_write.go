package authroute

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"signet/internal/db"
)

const (
	// Verdicts are written in windows that begin with the first of them: short ones,
	// so that they can be read soon; where many come long ones, since each then costs
	// less. A kill takes what waits (see counterFile).
	shortWindow = 50 * time.Millisecond
	longWindow  = 400 * time.Millisecond
	manyInOne   = 16 // verdicts

	verdictBatch = 1024 // in one transaction at most, so that others write between
	// One try to write a batch; a store that hangs must not hold the stop.
	writeTimeout = 10 * time.Second
	writeBackoff = time.Second
)

// write returns when nothing more will come, or ctx ends.
func (v *Verdicts) write(ctx context.Context) error {
	window := shortWindow
	for {
		batch := v.first(ctx)
		if len(batch) == 0 {
			break
		}
		v.wait(window)
		batch = v.queued(batch)
		if !v.saveAll(ctx, batch) {
			break
		}
		window = shortWindow
		if len(batch) >= manyInOne {
			window = longWindow
		}
	}
	if lost := v.counter.open(); lost > 0 && ctx.Err() != nil {
		return fmt.Errorf("%d verdicts could not be written before the end of the drain time", lost)
	}
	return nil
}

// first waits for a verdict. It returns none where nothing more will come, or ctx ends.
func (v *Verdicts) first(ctx context.Context) []*Verification {
	select {
	case one := <-v.queue:
		return []*Verification{one}
	case <-v.done:
		return v.queued(nil)
	case <-ctx.Done():
		return nil
	}
}

// wait lets the window pass, or less where nothing more will come.
func (v *Verdicts) wait(window time.Duration) {
	t := time.NewTimer(window)
	defer t.Stop()
	select {
	case <-t.C:
	case <-v.done:
	}
}

// queued adds what is queued to batch. Between two calls nobody receives, so that those
// who record wake nobody.
func (v *Verdicts) queued(batch []*Verification) []*Verification {
	for {
		select {
		case one := <-v.queue:
			batch = append(batch, one)
		default:
			return batch
		}
	}
}

// saveAll writes any number of verdicts, in transactions that let others write between
// them. It returns false where ctx ended before.
func (v *Verdicts) saveAll(ctx context.Context, all []*Verification) bool {
	for batch := range slices.Chunk(all, verdictBatch) {
		if !v.save(ctx, batch) {
			return false
		}
	}
	return true
}

// save writes a batch, again and again where the store is away. It returns false
// where ctx ended before.
func (v *Verdicts) save(ctx context.Context, batch []*Verification) bool {
	for attempt := 0; ; attempt++ {
		err := v.saveOnce(ctx, batch, attempt > 0)
		if err == nil {
			v.counter.settle(uint64(len(batch)))
			if attempt > 0 {
				slog.InfoContext(ctx, "verdicts are written again", "attempts", attempt+1)
			}
			v.noteUsed(ctx, batch)
			return true
		}
		if attempt == 0 {
			slog.ErrorContext(ctx, "verdicts were not written; they wait in memory", "error", err)
		}
		pause := time.NewTimer(min(writeBackoff, time.Duration(attempt+1)*50*time.Millisecond))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return false
		}
	}
}

func (v *Verdicts) saveOnce(ctx context.Context, batch []*Verification, again bool) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return v.db.Update(ctx, func(tx *db.Tx) error {
		if again {
			// The connection may have gone after the commit and before its answer.
			there, err := verificationExists(ctx, tx, batch[0])
			if err != nil || there {
				return err
			}
		}
		return insertVerifications(ctx, tx, batch)
	})
}
