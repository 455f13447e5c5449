package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"signet/internal/db"
)

const (
	batch     = 1000                   // rows a transaction
	gather    = 100 * time.Millisecond // from the first nudge to the batch
	poll      = time.Second            // for rows of other processes
	headEvery = 5 * time.Minute        // the tail after the last head can be cut unseen
	lastWords = 5 * time.Second        // for the last rows and head of a stop
	batchTime = 3 * time.Second        // until a batch counts as failed: rows must not wait for a store that hangs
	signTime  = 10 * time.Second
)

// Run links rows within a second of their commit, signs a head every hour and then
// removes rows that are kept no longer, until ctx ends; at last it links and signs
// what is left. What fails is logged and tried again.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	told := ""
	for {
		told = tell(ctx, told, l.round(ctx, headEvery))
		select {
		case <-ctx.Done():
			rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
			defer cancel()
			l.flushSamples(rest, 0)
			tell(rest, told, l.round(rest, 0))
			return nil
		case <-tick.C:
			l.flushSamples(ctx, sampleFlush)
		case <-l.wake:
			pause(ctx, gather)
		}
	}
}

// tell logs an error once for as long as it is of the same kind. Its text may differ
// each time, by the port of a connection.
func tell(ctx context.Context, told string, err error) string {
	if err == nil {
		return ""
	}
	if ctx.Err() != nil {
		return told // it failed because we stop
	}
	kind := "failed"
	if errors.Is(err, ErrTampered) {
		kind = "tampered"
	}
	if kind != told {
		slog.ErrorContext(ctx, "audit log not linked and signed", "error", err)
	}
	return kind
}

// round links what there is, signs where the last head is older than age, and
// prunes after that.
func (l *Log) round(ctx context.Context, age time.Duration) error {
	if _, err := l.Link(ctx); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, signTime)
	defer cancel()
	signed, err := l.sign(limited, age)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	if signed && l.keep > 0 {
		_, err = l.Prune(ctx, l.now().Add(-l.keep))
	}
	return err
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Link links all rows that are committed and that no other linker is at, and
// returns how many.
func (l *Log) Link(ctx context.Context) (int, error) {
	total := 0
	for {
		n, err := l.linkBatch(ctx)
		total += n
		if err != nil || n < batch {
			return total, err
		}
	}
}

func (l *Log) linkBatch(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, batchTime)
	defer cancel()
	if any, err := l.anyUnlinked(ctx); err != nil || !any {
		return 0, err
	}
	err = l.db.Update(ctx, func(tx *db.Tx) error {
		end, err := freeChain(ctx, tx)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // the one that we added was taken at once: the next round finds one
		}
		if err != nil {
			return fmt.Errorf("take a chain: %w", err)
		}
		list, err := selectEntries(ctx, tx, `SELECT `+columns+` FROM audit_events WHERE mac IS NULL ORDER BY at LIMIT $1`+tx.Dialect().SkipLocked(), batch)
		if err != nil {
			return fmt.Errorf("take unlinked rows: %w", err)
		}
		for i := range list {
			e := &list[i]
			e.Chain, e.Sequence = end.Chain, end.Sequence+1
			e.MAC = l.mac(end.MAC, e)
			end.Sequence, end.MAC = e.Sequence, e.MAC
		}
		n = len(list)
		return writeLinks(ctx, tx, list, end)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// anyUnlinked spares idle instances a writing transaction a second.
func (l *Log) anyUnlinked(ctx context.Context) (yes bool, err error) {
	err = l.db.View(ctx, func(tx *db.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM (SELECT 1 FROM audit_events WHERE mac IS NULL LIMIT 1) AS one`).Scan(&yes)
	})
	return yes, err
}
