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
	// so that they can be read soon; where many come longer ones, since each then
	// costs less.
	shortWindow = 50 * time.Millisecond
	longWindow  = 200 * time.Millisecond
	manyInOne   = 64 // verdicts
	// SQLite computes in this process: a short window's fifty rows at a stretch keep a
	// processor for a millisecond, which those who wait for an answer feel.
	piecePause = 5 * time.Millisecond

	verdictBatch = 4096 // in one transaction at most
	// One try to write a batch; a store that hangs must not hold the stop.
	writeTimeout = 10 * time.Second
	writeBackoff = time.Second
)

// write returns when nothing more will come, or ctx ends.
func (v *Verdicts) write(ctx context.Context) error {
	window := shortWindow
	for {
		written := v.writeWindow(ctx, window)
		if written == 0 {
			break
		}
		window = shortWindow
		if written >= manyInOne {
			window = longWindow
		}
	}
	if lost := v.counter.open(); lost > 0 && ctx.Err() != nil {
		return fmt.Errorf("%d verdicts could not be written before the end of the drain time", lost)
	}
	return nil
}

// writeWindow waits for a verdict and writes what comes within the window, and returns
// how many that were; none at the end. The window's last verdict is kept back until its
// end: with it everything waits for the disk.
func (v *Verdicts) writeWindow(ctx context.Context, window time.Duration) (written int) {
	batch := v.first(ctx)
	if len(batch) == 0 {
		return 0
	}
	pause := window // so that PostgreSQL, whose crash takes what is relaxed, has no pieces
	if window == shortWindow && v.db.Dialect() == db.SQLite {
		pause = piecePause
	}
	for end := time.Now().Add(window); v.wait(pause) && time.Now().Before(end); {
		batch = v.queued(batch)
		last := len(batch) - 1
		if !v.saveAll(ctx, v.db.Relaxed, batch[:last]) {
			return 0
		}
		written += last
		batch = batch[last:]
	}
	batch = v.queued(batch)
	if !v.saveAll(ctx, v.db.Update, batch) {
		return 0
	}
	return written + len(batch)
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

// wait returns false where nothing more will come.
func (v *Verdicts) wait(pause time.Duration) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-v.done:
		return false
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

// update is [db.DB.Update] or [db.DB.Relaxed].
type update func(ctx context.Context, fn func(tx *db.Tx) error) error

// saveAll writes any number of verdicts, in transactions that let others write between
// them. It returns false where ctx ended before.
func (v *Verdicts) saveAll(ctx context.Context, write update, all []*Verification) bool {
	for batch := range slices.Chunk(all, verdictBatch) {
		if !v.save(ctx, write, batch) {
			return false
		}
	}
	return true
}

// save writes a batch, again and again where the store is away. It returns false
// where ctx ended before.
func (v *Verdicts) save(ctx context.Context, write update, batch []*Verification) bool {
	for attempt := 0; ; attempt++ {
		err := saveOnce(ctx, write, batch, attempt > 0)
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

func saveOnce(ctx context.Context, write update, batch []*Verification, again bool) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return write(ctx, func(tx *db.Tx) error {
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
