package audit

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"signet/internal/db"
)

// Entry is a row of the log.
type Entry struct {
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`
	Actor     Actor     `json:"actor"`
	Account   string    `json:"account,omitempty"`
	Action    string    `json:"action"`
	Target    string    `json:"target,omitempty"`
	Outcome   Outcome   `json:"outcome"`
	Reason    string    `json:"reason,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Address   string    `json:"address,omitempty"`
	Detail    Detail    `json:"detail"`
	Chain     int       `json:"chain,omitempty"`    // 0 until it is linked
	Sequence  int64     `json:"sequence,omitempty"` // from 1 in each chain
	MAC       string    `json:"mac,omitempty"`      // hex
}

// Detail is JSON, byte for byte as it was authenticated.
type Detail string

// MarshalJSON returns the JSON itself, and as a string what is none any more: a
// row that somebody changed must still be shown.
func (d Detail) MarshalJSON() ([]byte, error) {
	if json.Valid([]byte(d)) {
		return []byte(d), nil
	}
	return json.Marshal(string(d))
}

// UnmarshalJSON keeps the JSON as it is.
func (d *Detail) UnmarshalJSON(b []byte) error {
	*d = Detail(b)
	return nil
}

const columns = `id, at, actor_kind, actor_id, account_id, action, target, outcome, reason, request_id, address, detail, chain, sequence, mac`

func insert(ctx context.Context, tx *db.Tx, e *Entry) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO audit_events (id, at, actor_kind, actor_id, account_id, action, target, outcome, reason, request_id, address, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		e.ID, e.Time, e.Actor.Kind, e.Actor.ID, e.Account, e.Action, e.Target, e.Outcome, e.Reason, e.RequestID, e.Address, string(e.Detail))
	return err
}

// selectEntries runs a query of columns.
func selectEntries(ctx context.Context, tx *db.Tx, query string, args ...any) ([]Entry, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Entry
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, rows.Err()
}

func scan(rows *sql.Rows) (Entry, error) {
	var e Entry
	var detail string
	var chain, sequence sql.NullInt64
	var mac sql.NullString
	err := rows.Scan(&e.ID, &e.Time, &e.Actor.Kind, &e.Actor.ID, &e.Account, &e.Action, &e.Target, &e.Outcome, &e.Reason,
		&e.RequestID, &e.Address, &detail, &chain, &sequence, &mac)
	e.Time = e.Time.UTC()
	e.Detail, e.Chain, e.Sequence, e.MAC = Detail(detail), int(chain.Int64), sequence.Int64, mac.String
	return e, err
}

// chainEnd is where a chain stands.
type chainEnd struct {
	Chain    int    `json:"chain"`
	Sequence int64  `json:"sequence"`
	MAC      string `json:"mac"`
}

func chainEnds(ctx context.Context, tx *db.Tx) ([]chainEnd, error) {
	rows, err := tx.QueryContext(ctx, `SELECT chain, sequence, mac FROM audit_chains ORDER BY chain`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []chainEnd
	for rows.Next() {
		var c chainEnd
		if err := rows.Scan(&c.Chain, &c.Sequence, &c.MAC); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

// freeChain locks a chain that no other linker holds, and adds one where all are held.
func freeChain(ctx context.Context, tx *db.Tx) (chainEnd, error) {
	c, err := lockChain(ctx, tx)
	if !errors.Is(err, sql.ErrNoRows) {
		return c, err
	}
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO audit_chains (chain, sequence, mac) SELECT count(*) + 1, 0, '' FROM audit_chains WHERE true
		ON CONFLICT (chain) DO NOTHING`); err != nil {
		return c, err
	}
	return lockChain(ctx, tx)
}

func lockChain(ctx context.Context, tx *db.Tx) (c chainEnd, err error) {
	err = tx.QueryRowContext(ctx, `SELECT chain, sequence, mac FROM audit_chains ORDER BY chain LIMIT 1`+tx.Dialect().SkipLocked()).
		Scan(&c.Chain, &c.Sequence, &c.MAC)
	return c, err
}

// writeLinks writes what linking adds to the rows, and where the chain stands now.
func writeLinks(ctx context.Context, tx *db.Tx, list []Entry, end chainEnd) error {
	const step = 200 // three parameters each: far below what either engine takes
	for len(list) > 0 {
		n := min(step, len(list))
		if err := writeSomeLinks(ctx, tx, list[:n], end.Chain); err != nil {
			return err
		}
		list = list[n:]
	}
	_, err := tx.ExecContext(ctx, `UPDATE audit_chains SET sequence = $1, mac = $2 WHERE chain = $3`, end.Sequence, end.MAC, end.Chain)
	return err
}

func writeSomeLinks(ctx context.Context, tx *db.Tx, list []Entry, chain int) error {
	var values strings.Builder
	args := []any{chain}
	for i := range list {
		if i > 0 {
			values.WriteString(", ")
		}
		p := func(n int) string { return "$" + strconv.Itoa(3*i+n) }
		values.WriteString("(CAST(" + p(2) + " AS TEXT), CAST(" + p(3) + " AS BIGINT), CAST(" + p(4) + " AS TEXT))")
		args = append(args, list[i].ID, list[i].Sequence, list[i].MAC)
	}
	_, err := tx.ExecContext(ctx, `
		WITH link (id, sequence, mac) AS (VALUES `+values.String()+`)
		UPDATE audit_events SET chain = $1, sequence = link.sequence, mac = link.mac
		FROM link WHERE audit_events.id = link.id`, args...)
	return err
}
