package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"signet/internal/db"
	"signet/internal/fault"
)

const followEvery = 500 * time.Millisecond

// Place is how far a reader of the log has come: the last sequence that it has of
// each chain. Rows are linked in the order of their chain and never before one
// that was read, so a reader that goes on from its place misses none.
type Place map[int]int64

// String writes a place as "1:120,2:7".
func (p Place) String() string {
	var parts []string
	for chain := range maxChain(p) {
		if seq, ok := p[chain+1]; ok {
			parts = append(parts, fmt.Sprintf("%d:%d", chain+1, seq))
		}
	}
	return strings.Join(parts, ",")
}

func maxChain(p Place) (n int) {
	for c := range p {
		n = max(n, c)
	}
	return n
}

// ParsePlace reads what String wrote; "" is the beginning.
func ParsePlace(s string) (Place, error) {
	p := Place{}
	for part := range strings.SplitSeq(s, ",") {
		if part == "" {
			continue
		}
		chain, seq, _ := strings.Cut(part, ":")
		c, err1 := strconv.Atoi(chain)
		n, err2 := strconv.ParseInt(seq, 10, 64)
		if err1 != nil || err2 != nil || c < 1 || c > 1<<16 || n < 0 {
			return nil, fault.Newf(fault.Invalid, "%q is not a place in the audit log (try 1:120)", part)
		}
		p[c] = n
	}
	return p, nil
}

// Export writes the linked rows after a place to w, one JSON object a line, each
// chain in its order, and returns how far it came. With follow it goes on with new
// rows until ctx ends, which then is no error.
func (l *Log) Export(ctx context.Context, w io.Writer, from Place, follow bool) (Place, error) {
	at := Place{}
	maps.Copy(at, from)
	for {
		if err := l.exportRest(ctx, w, at); err != nil {
			if follow && ctx.Err() != nil {
				return at, nil //nolint:nilerr // the end of ctx is how following ends
			}
			return at, fmt.Errorf("export audit log: %w", err)
		}
		if !follow || !pause(ctx, followEvery) {
			return at, nil
		}
	}
}

// exportRest writes all rows after the place, and moves it.
func (l *Log) exportRest(ctx context.Context, w io.Writer, at Place) error {
	var ends []chainEnd
	err := l.db.View(ctx, func(tx *db.Tx) (err error) { ends, err = chainEnds(ctx, tx); return err })
	if err != nil {
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // the detail stays as it was authenticated
	for _, end := range ends {
		for at[end.Chain] < end.Sequence {
			rows, err := l.pageAfter(ctx, end.Chain, at[end.Chain])
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				break
			}
			for i := range rows {
				if err := enc.Encode(&rows[i]); err != nil {
					return err
				}
				at[end.Chain] = rows[i].Sequence
			}
		}
	}
	return nil
}

func (l *Log) pageAfter(ctx context.Context, chain int, after int64) (rows []Entry, err error) {
	err = l.db.View(ctx, func(tx *db.Tx) error {
		rows, err = chainRows(ctx, tx, chain, after)
		return err
	})
	return rows, err
}
