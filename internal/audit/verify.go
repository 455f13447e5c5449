package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"signet/internal/db"
)

const (
	maxFindings = 1000
	page        = 1000 // rows in memory
	unlinkedFor = 10 * time.Second
)

// What a verification finds.
const (
	Altered  = "altered"  // a row was changed, moved, swapped or put there
	Missing  = "missing"  // rows were removed
	Unlinked = "unlinked" // a row should be in a chain by now
	BadHead  = "head"     // a signed head was removed, changed or forged
)

// Finding is one thing that is wrong.
type Finding struct {
	Kind     string `json:"kind"`
	Chain    int    `json:"chain,omitempty"`
	Sequence int64  `json:"sequence,omitempty"` // of the row, or the first that is missing
	ID       string `json:"id,omitempty"`       // of the row, where there is one
	Text     string `json:"text"`
}

// Report is what a verification saw.
type Report struct {
	Rows     int64     `json:"rows"`     // linked rows that were checked
	Unlinked int64     `json:"unlinked"` // rows that wait to be linked
	Heads    int64     `json:"heads"`    // signed heads that were checked, in the store and in the file
	LastHead time.Time `json:"last_head"`
	Open     int64     `json:"open"` // rows after the last head: their removal would not be seen yet
	Findings []Finding `json:"findings"`
	More     int64     `json:"more"` // findings beyond the first 1000
}

// OK reports that nothing is wrong.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

func (r *Report) add(f Finding) {
	if len(r.Findings) == maxFindings {
		r.More++
		return
	}
	r.Findings = append(r.Findings, f)
}

// Verify checks every row, chain and head, and the heads file against them. It
// reads in pages and may run beside linkers; its error means that it could not
// look, not that something is wrong.
func (l *Log) Verify(ctx context.Context) (Report, error) {
	for {
		v := &verifier{Log: l}
		cuts, err := v.run(ctx)
		if err != nil {
			return v.report, fmt.Errorf("verify audit log: %w", err)
		}
		// Rows that were pruned while we looked are not missing: look again.
		if !v.report.OK() && !slices.Equal(cuts, v.cuts) {
			continue
		}
		return v.report, nil
	}
}

type verifier struct {
	*Log
	report Report
	last   *signedHead // the newest head of the store that is genuine
	cuts   []int64
}

func (v *verifier) run(ctx context.Context) (cutsAfter []int64, err error) {
	if err := v.storedHeads(ctx); err != nil {
		return nil, err
	}
	chains, err := v.chains(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range chains {
		if err := v.chain(ctx, c); err != nil {
			return nil, err
		}
	}
	if err := v.fileHeads(ctx); err != nil {
		return nil, err
	}
	if err := v.unlinked(ctx); err != nil {
		return nil, err
	}
	var now *signedHead
	err = v.db.View(ctx, func(tx *db.Tx) error { now, err = v.newestGenuine(ctx, tx); return err })
	if err != nil {
		return nil, err
	}
	return now.cuts(), nil
}

func (h *Head) cuts() []int64 {
	list := make([]int64, 0, len(h.Chains))
	for _, p := range h.Chains {
		list = append(list, p.Cut)
	}
	return list
}

// newestGenuine returns the newest head that verifies: a forged one on top must
// not hide where the rows were cut.
func (v *verifier) newestGenuine(ctx context.Context, tx *db.Tx) (*signedHead, error) {
	for before := int64(1<<63 - 1); ; {
		var payload, signature string
		err := tx.QueryRowContext(ctx, `
			SELECT number, payload, signature FROM audit_heads WHERE number < $1 ORDER BY number DESC LIMIT 1`, before).
			Scan(&before, &payload, &signature)
		if errors.Is(err, sql.ErrNoRows) {
			return &signedHead{}, nil
		}
		if err != nil {
			return nil, err
		}
		if h, err := openHead(payload, signature, v.signer.HeadPublic()); err == nil && h.Number == before {
			return h, nil
		}
	}
}

// storedHeads checks the heads of the store among themselves and against the rows.
func (v *verifier) storedHeads(ctx context.Context) (err error) {
	err = v.db.View(ctx, func(tx *db.Tx) error { v.last, err = v.newestGenuine(ctx, tx); return err })
	if err != nil {
		return err
	}
	v.cuts, v.report.LastHead = v.last.cuts(), v.last.At
	var previous *signedHead
	for next := v.last.First; ; {
		list, err := v.heads(ctx, next, 100)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, s := range list {
			if s.number > next {
				v.badHead("signed heads %d to %d are missing", next, s.number-1)
				previous = nil
			}
			next = s.number + 1
			h, err := openHead(s.payload, s.signature, v.signer.HeadPublic())
			switch {
			case err != nil:
				v.badHead("head %d: %v", s.number, err)
				previous = nil
				continue
			case h.Number != s.number:
				v.badHead("head %d was put in the place of head %d", h.Number, s.number)
			case previous != nil && h.Previous != previous.digest():
				v.badHead("head %d does not follow the head before it", s.number)
			}
			if err := v.headRows(ctx, h, previous); err != nil {
				return err
			}
			previous = h
			v.report.Heads++
		}
	}
}

func (v *verifier) badHead(format string, args ...any) {
	v.report.add(Finding{Kind: BadHead, Text: fmt.Sprintf(format, args...)})
}

// headRows checks that the rows are there which a head says were the last then.
func (v *verifier) headRows(ctx context.Context, h, previous *signedHead) error {
	for _, p := range h.Chains {
		if previous != nil && slices.Contains(previous.Chains, p) {
			continue // seen with that one
		}
		if cut, _ := v.last.position(p.Chain); p.Sequence <= cut.Cut {
			continue // pruned since
		}
		mac, err := v.storedMAC(ctx, p.Chain, p.Sequence)
		if err != nil {
			return err
		}
		if mac != p.MAC {
			v.report.add(Finding{
				Kind: Missing, Chain: p.Chain, Sequence: p.Sequence,
				Text: fmt.Sprintf("head %d of %s has another row here than the store", h.Number, h.At.Format(time.RFC3339)),
			})
		}
	}
	return nil
}

func (l *Log) storedMAC(ctx context.Context, chain int, sequence int64) (mac string, err error) {
	err = l.db.View(ctx, func(tx *db.Tx) error {
		var s sql.NullString
		err := tx.QueryRowContext(ctx, `SELECT mac FROM audit_events WHERE chain = $1 AND sequence = $2`, chain, sequence).Scan(&s)
		mac = s.String
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return mac, err
}

// chains returns every chain that a row, the table of chains or a head names.
func (v *verifier) chains(ctx context.Context) (list []int, err error) {
	err = v.db.View(ctx, func(tx *db.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT chain FROM audit_chains UNION SELECT DISTINCT chain FROM audit_events WHERE chain IS NOT NULL`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var c int
			if err := rows.Scan(&c); err != nil {
				return err
			}
			list = append(list, c)
		}
		return rows.Err()
	})
	for _, p := range v.last.Chains {
		if !slices.Contains(list, p.Chain) {
			list = append(list, p.Chain)
		}
	}
	slices.Sort(list)
	return list, err
}

// chain checks the rows of one chain from its last cut on, and where it ends.
func (v *verifier) chain(ctx context.Context, chain int) error {
	signed, _ := v.last.position(chain)
	at := chainEnd{Chain: chain, Sequence: signed.Cut, MAC: signed.CutMAC}
	for {
		// First the end, then the rows: a linker writes both at once, so a row up to
		// the end that we read must be there.
		end, rows, err := v.chainPage(ctx, at)
		if err != nil {
			return err
		}
		for i := range rows {
			v.row(&at, &rows[i])
		}
		if len(rows) == 0 {
			v.end(at, end)
			v.report.Open += max(0, at.Sequence-max(signed.Sequence, signed.Cut))
			return nil
		}
	}
}

func (v *verifier) chainPage(ctx context.Context, at chainEnd) (end chainEnd, rows []Entry, err error) {
	err = v.db.View(ctx, func(tx *db.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT sequence, mac FROM audit_chains WHERE chain = $1`, at.Chain).Scan(&end.Sequence, &end.MAC)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		rows, err = chainRows(ctx, tx, at.Chain, at.Sequence)
		return err
	})
	return end, rows, err
}

// chainRows returns the next rows of a chain after a sequence.
func chainRows(ctx context.Context, tx *db.Tx, chain int, after int64) ([]Entry, error) {
	return selectEntries(ctx, tx, `
		SELECT `+columns+` FROM audit_events WHERE chain = $1 AND sequence > $2 ORDER BY sequence LIMIT $3`, chain, after, page)
}

// row checks the row that comes after at. After a wrong one it goes on from what
// that says of itself, so that each change is found once.
func (v *verifier) row(at *chainEnd, e *Entry) {
	v.report.Rows++
	switch {
	case e.Sequence != at.Sequence+1:
		v.missing(e.Chain, at.Sequence+1, e.Sequence-1, fmt.Sprintf("before row %s", e.ID))
	case e.MAC != v.mac(at.MAC, e):
		v.report.add(Finding{
			Kind: Altered, Chain: e.Chain, Sequence: e.Sequence, ID: e.ID,
			Text: "the row does not fit its place: it was changed, moved, swapped or put there",
		})
	}
	at.Sequence, at.MAC = e.Sequence, e.MAC
}

func (v *verifier) missing(chain int, from, to int64, where string) {
	text := fmt.Sprintf("row %d is missing %s", from, where)
	if to > from {
		text = fmt.Sprintf("rows %d to %d are missing %s", from, to, where)
	}
	v.report.add(Finding{Kind: Missing, Chain: chain, Sequence: from, Text: text})
}

// end checks the last row against where the chain should end.
func (v *verifier) end(at, end chainEnd) {
	signed, _ := v.last.position(at.Chain)
	switch should := max(end.Sequence, signed.Sequence); {
	case should > at.Sequence:
		v.missing(at.Chain, at.Sequence+1, should, "at the end")
	case end.Sequence < at.Sequence || end.MAC != at.MAC:
		v.report.add(Finding{
			Kind: Altered, Chain: at.Chain, Sequence: at.Sequence,
			Text: fmt.Sprintf("the chain goes on to row %d, its end is noted as %d", at.Sequence, end.Sequence),
		})
	}
}

// fileHeads checks the heads of the file against those of the store and the rows.
func (v *verifier) fileHeads(ctx context.Context) error {
	if v.file.path == "" {
		return nil
	}
	return v.file.each(v.signer.HeadPublic(), func(line int, h *signedHead, bad error) error {
		if bad != nil {
			v.badHead("heads file, line %d: %v", line, bad)
			return nil
		}
		v.report.Heads++
		if h.Number >= v.last.First {
			list, err := v.heads(ctx, h.Number, 1)
			if err != nil {
				return err
			}
			switch {
			case len(list) == 0 || list[0].number != h.Number:
				v.badHead("head %d of %s is in the file and not in the store", h.Number, h.At.Format(time.RFC3339))
			case list[0].payload != h.payload:
				v.badHead("head %d is another in the file than in the store", h.Number)
			default:
				return nil // its rows were checked with the store's
			}
		}
		return v.headRows(ctx, h, nil)
	})
}

// unlinked counts rows that wait, and names those that wait too long.
func (v *verifier) unlinked(ctx context.Context) error {
	return v.db.View(ctx, func(tx *db.Tx) error {
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM audit_events WHERE mac IS NULL`).Scan(&v.report.Unlinked); err != nil {
			return err
		}
		late, err := selectEntries(ctx, tx, `
			SELECT `+columns+` FROM audit_events WHERE mac IS NULL AND at < $1 ORDER BY at LIMIT 100`, db.Now(v.now().Add(-unlinkedFor)))
		for i := range late {
			v.report.add(Finding{
				Kind: Unlinked, ID: late[i].ID,
				Text: fmt.Sprintf("the row of %s is in no chain: no instance links rows", late[i].Time.Format(time.RFC3339)),
			})
		}
		return err
	})
}
