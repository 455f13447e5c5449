package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"signet/internal/db"
)

const deleteBatch = 5000

// Prune removes linked rows from before a time, and returns how many. It first
// checks the rows that it is about to remove, and signs a head that says up to
// where each chain was cut, so that a verification can tell this cut from any
// other; it removes nothing where the check fails (ErrTampered).
//
// A row stays where an older-numbered one of its chain is younger.
func (l *Log) Prune(ctx context.Context, before time.Time) (removed int64, err error) {
	for {
		cut, signed, err := l.signCut(ctx, db.Now(before))
		if err != nil {
			return 0, fmt.Errorf("prune audit log: %w", err)
		}
		if signed {
			// Also what an interrupted run left behind.
			if removed, err = l.removeCut(ctx, cut); err != nil {
				return removed, fmt.Errorf("prune audit log: %w", err)
			}
			return removed, l.file.catchUp(ctx, l)
		}
		// Another instance signed meanwhile: look again.
	}
}

// signCut signs a head with the new cuts, and reports false where another head
// came first. Where there is nothing to cut it returns the last head as it is.
func (l *Log) signCut(ctx context.Context, before time.Time) (Head, bool, error) {
	last, next, err := l.prepare(ctx)
	if err != nil {
		return Head{}, false, err
	}
	if err := l.stands(ctx, last); err != nil {
		return Head{}, false, err
	}
	changed := false
	for i := range next.Chains {
		p := &next.Chains[i]
		cut, err := l.cutOf(ctx, *p, before)
		if err != nil {
			return next, false, err
		}
		if cut.Sequence > p.Cut {
			p.Cut, p.CutMAC, changed = cut.Sequence, cut.MAC, true
		}
	}
	if !changed {
		return last.Head, true, nil
	}
	if next.First, err = l.firstHeadSince(ctx, before, next.Number); err != nil {
		return next, false, err
	}
	ok, err := l.store(ctx, next)
	return next, ok, err
}

// cutOf returns the last row of a chain that is from before the time, with all
// that come before it, once they are checked.
func (l *Log) cutOf(ctx context.Context, p Position, before time.Time) (chainEnd, error) {
	v := &verifier{Log: l}
	at := chainEnd{Chain: p.Chain, Sequence: p.Cut, MAC: p.CutMAC}
	for {
		_, rows, err := v.chainPage(ctx, at)
		if err != nil || len(rows) == 0 {
			return at, err
		}
		for i := range rows {
			if !rows[i].Time.Before(before) {
				return at, nil
			}
			if v.row(&at, &rows[i]); !v.report.OK() {
				f := v.report.Findings[0]
				return at, fmt.Errorf("%w: chain %d, row %d: %s", ErrTampered, f.Chain, f.Sequence, f.Text)
			}
		}
	}
}

// firstHeadSince returns the number of the first head since the time, and
// otherwise where there is none.
func (l *Log) firstHeadSince(ctx context.Context, at time.Time, otherwise int64) (number int64, err error) {
	err = l.db.View(ctx, func(tx *db.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT number FROM audit_heads WHERE at >= $1 ORDER BY number LIMIT 1`, at).Scan(&number)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return otherwise, nil
	}
	return number, err
}

// removeCut removes the rows and heads that the head says are no longer kept.
func (l *Log) removeCut(ctx context.Context, h Head) (removed int64, err error) {
	for _, p := range h.Chains {
		for {
			n, err := l.delete(ctx, `
				DELETE FROM audit_events WHERE id IN (
					SELECT id FROM audit_events WHERE chain = $1 AND sequence <= $2 ORDER BY sequence LIMIT $3)`, p.Chain, p.Cut, deleteBatch)
			removed += n
			if err != nil {
				return removed, err
			}
			if n < deleteBatch {
				break
			}
		}
	}
	_, err = l.delete(ctx, `DELETE FROM audit_heads WHERE number < $1`, h.First)
	return removed, err
}

func (l *Log) delete(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = l.db.Update(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	return n, err
}
