package once

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"time"

	"signet/internal/db"
)

const (
	maxBatch   = 128                  // uses in one transaction
	maxLinger  = 2 * time.Millisecond // that a use waits for the batch before it to end
	batchTime  = 2 * time.Second      // until a batch counts as failed
	pruneEvery = 5 * time.Second
	pruneBatch = 1000
)

// SQL keeps values in the database. On PostgreSQL a commit does not wait for the
// disk; a crash that loses the last ones also gives the store a new birth.
type SQL struct {
	db  *db.DB
	now func() time.Time

	mu      sync.Mutex
	waiting []*request
	leading bool // somebody will take what waits
}

// NewSQL returns a store in d.
func NewSQL(d *db.DB) *SQL { return &SQL{db: d, now: time.Now} }

// Name implements [Store].
func (s *SQL) Name() string { return "sql" }

// Birth implements [Store].
func (s *SQL) Birth(ctx context.Context) (at time.Time, err error) {
	err = s.db.Relaxed(ctx, func(tx *db.Tx) error {
		at, err = s.birth(ctx, tx)
		return err
	})
	return at, err
}

// birth returns the birth, and begins a new one where the engine has lost it. In an
// installation that has never used a value there is nothing that could be forgotten:
// its birth lies before every proof.
func (s *SQL) birth(ctx context.Context, tx *db.Tx) (at time.Time, err error) {
	const query = `SELECT birth FROM once_births WHERE id = 1`
	err = tx.QueryRowContext(ctx, query).Scan(&at)
	if !errors.Is(err, sql.ErrNoRows) {
		return at, err
	}
	at = time.Unix(0, 0).UTC()
	first, err := beginEpoch(ctx, tx, s.Name(), at)
	if err != nil {
		return at, err
	}
	switch {
	case !first:
		at = db.Now(s.now())
	case tx.Dialect() == db.Postgres: // that values were used must not be lost with the first of them
		if _, err := tx.ExecContext(ctx, `SET LOCAL synchronous_commit = on`); err != nil {
			return at, err
		}
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO once_births (id, birth) VALUES (1, $1) ON CONFLICT (id) DO NOTHING`, at)
	if err != nil {
		return at, err
	}
	return at, tx.QueryRowContext(ctx, query).Scan(&at)
}

// request is a use that waits for its batch.
type request struct {
	Entry

	answer Answer
	err    error
	done   chan struct{}
}

// Take implements [Store]. Uses that come while a transaction runs share the next.
func (s *SQL) Take(ctx context.Context, e Entry) (Answer, error) {
	if e.Counts {
		return s.count(ctx, e)
	}
	r := &request{Entry: e, done: make(chan struct{})}
	if s.enqueue(r) {
		// The batch is not only this caller's: it goes on when this caller leaves.
		go s.lead(context.WithoutCancel(ctx))
	}
	select {
	case <-ctx.Done():
		return Answer{}, context.Cause(ctx)
	case <-r.done:
		return r.answer, r.err
	}
}

// enqueue reports whether nobody will take what waits yet.
func (s *SQL) enqueue(r *request) (lead bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, r)
	lead = !s.leading
	s.leading = true
	return lead
}

// lead runs batches until nothing waits. A batch that takes long does not hold up
// the next.
func (s *SQL) lead(ctx context.Context) {
	for {
		batch := s.next()
		if batch == nil {
			return
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.flush(ctx, batch)
		}()
		linger := time.NewTimer(maxLinger)
		select {
		case <-ended:
		case <-linger.C:
		}
		linger.Stop()
	}
}

func (s *SQL) next() []*request {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(s.waiting), maxBatch)
	if n == 0 {
		s.leading = false
		return nil
	}
	batch := s.waiting[:n:n]
	s.waiting = s.waiting[n:]
	return batch
}

// flush answers the requests of a batch.
func (s *SQL) flush(ctx context.Context, batch []*request) {
	ctx, cancel := context.WithTimeout(ctx, batchTime)
	defer cancel()
	first := map[[32]byte]Entry{} // of several uses of a value in a batch, the first holds it
	for _, r := range batch {
		if _, double := first[r.Key]; !double {
			first[r.Key] = r.Entry
		}
	}
	var holders map[[32]byte]string
	var refused map[[32]byte]error
	var birth time.Time
	err := s.db.Relaxed(ctx, func(tx *db.Tx) (err error) {
		holders, refused, birth, err = s.take(ctx, tx, first)
		return err
	})
	for _, r := range batch {
		r.answer, r.err = Answer{Holder: holders[r.Key], Birth: birth}, err
		if err == nil {
			r.err = refused[r.Key]
		}
		close(r.done)
	}
}

// take inserts the entries that are new and fit, and returns the holder of each
// or why it was refused.
func (s *SQL) take(ctx context.Context, tx *db.Tx, entries map[[32]byte]Entry) (holders map[[32]byte]string, refused map[[32]byte]error, birth time.Time, err error) {
	live, birth, err := s.state(ctx, tx, slices.Collect(maps.Values(entries)))
	if err != nil {
		return nil, nil, birth, err
	}
	fit, refused := admit(entries, live)
	inserted, err := insert(ctx, tx, fit)
	if err != nil {
		return nil, nil, birth, err
	}
	var held [][32]byte
	for k := range entries {
		if !inserted[k] {
			held = append(held, k)
		}
	}
	if holders, err = holdersOf(ctx, tx, held); err != nil {
		return nil, nil, birth, err
	}
	added := map[countKey]int{}
	for _, e := range fit {
		if inserted[e.Key] {
			holders[e.Key] = e.By
			e.add(added, 1)
		} else if _, ok := holders[e.Key]; !ok {
			return nil, nil, birth, errors.New("a value ended while it was taken")
		}
	}
	for k := range holders {
		delete(refused, k) // there is no room, but it needs none
	}
	return holders, refused, birth, grow(ctx, tx, added)
}

// admit returns the entries that there is room for, in the order of their keys, so
// that two transactions never wait for each other.
func admit(entries map[[32]byte]Entry, live map[countKey]int) (fit []Entry, refused map[[32]byte]error) {
	refused = map[[32]byte]error{}
	for _, k := range slices.SortedFunc(maps.Keys(entries), func(a, b [32]byte) int { return slices.Compare(a[:], b[:]) }) {
		e := entries[k]
		if err := e.room(live); err != nil {
			refused[k] = err
			continue
		}
		e.add(live, 1)
		fit = append(fit, e)
	}
	return fit, refused
}

func holdersOf(ctx context.Context, tx *db.Tx, keys [][32]byte) (map[[32]byte]string, error) {
	out := map[[32]byte]string{}
	if len(keys) == 0 {
		return out, nil
	}
	keys = padded(keys)
	args := make([]any, len(keys))
	for i, k := range keys {
		args[i] = k[:]
	}
	rows, err := tx.QueryContext(ctx, `SELECT key, holder FROM once_values WHERE key IN (`+parameters(1, len(keys))+`)`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key, holder []byte
		if err := rows.Scan(&key, &holder); err != nil {
			return nil, err
		}
		out[[32]byte(key)] = string(holder)
	}
	return out, rows.Err()
}

// state returns the counts that the entries would add to, and the birth.
func (s *SQL) state(ctx context.Context, tx *db.Tx, entries []Entry) (live map[countKey]int, birth time.Time, err error) {
	live = map[countKey]int{}
	for _, e := range entries {
		e.add(live, 0)
	}
	var where []string
	var args []any
	for _, k := range padded(slices.Collect(maps.Keys(live))) {
		where = append(where, fmt.Sprintf("(space = $%d AND subject = $%d)", len(args)+1, len(args)+2))
		args = append(args, k.space, []byte(k.subject))
	}
	rows, err := tx.QueryContext(ctx, `
		SELECT birth, space, subject, live FROM once_births LEFT JOIN once_counts ON `+strings.Join(where, " OR "), args...)
	if err != nil {
		return nil, birth, err
	}
	defer rows.Close()
	for rows.Next() {
		var space sql.NullString
		var subject []byte
		var n sql.NullInt64
		if err := rows.Scan(&birth, &space, &subject, &n); err != nil {
			return nil, birth, err
		}
		if space.Valid {
			live[countKey{space.String, string(subject)}] = int(n.Int64)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, birth, err
	}
	if birth.IsZero() { // and so there was no row to join with
		if birth, err = s.birth(ctx, tx); err != nil {
			return nil, birth, err
		}
		return s.state(ctx, tx, entries)
	}
	return live, birth, nil
}

// insert returns which of the entries are in now by this call.
func insert(ctx context.Context, tx *db.Tx, entries []Entry) (map[[32]byte]bool, error) {
	if len(entries) == 0 {
		return map[[32]byte]bool{}, nil
	}
	var values []string
	var args []any
	for _, e := range padded(entries) {
		values = append(values, "("+parameters(len(args)+1, 6)+")")
		args = append(args, e.Key[:], e.Space.Name, []byte(e.Subject), []byte(e.By), 1, e.Until)
	}
	rows, err := tx.QueryContext(ctx, `
		INSERT INTO once_values (key, space, subject, holder, uses, until) VALUES `+strings.Join(values, ", ")+`
		ON CONFLICT (key) DO NOTHING RETURNING key`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	inserted := map[[32]byte]bool{}
	for rows.Next() {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		inserted[[32]byte(key)] = true
	}
	return inserted, rows.Err()
}

// count adds one use to a counted value.
func (s *SQL) count(ctx context.Context, e Entry) (a Answer, err error) {
	err = s.db.Relaxed(ctx, func(tx *db.Tx) error {
		err := tx.QueryRowContext(ctx, `
			INSERT INTO once_values (key, space, subject, holder, uses, until) VALUES ($1, $2, $3, $4, 1, $5)
			ON CONFLICT (key) DO UPDATE SET uses = once_values.uses + 1 RETURNING uses`,
			e.Key[:], e.Space.Name, []byte(e.Subject), []byte(e.By), e.Until).Scan(&a.Uses)
		if err != nil {
			return err
		}
		var live map[countKey]int
		if live, a.Birth, err = s.state(ctx, tx, []Entry{e}); err != nil || a.Uses > 1 {
			return err
		}
		if err := e.room(live); err != nil {
			return err // and the insert is undone
		}
		added := map[countKey]int{}
		e.add(added, 1)
		return grow(ctx, tx, added)
	})
	if err != nil {
		return Answer{}, err
	}
	return a, nil
}

// grow adds to the counts, which always come after the values and in one order.
func grow(ctx context.Context, tx *db.Tx, by map[countKey]int) error {
	keys := sorted(by)
	for len(keys) > 0 {
		n := 1 << (bits.Len(uint(len(keys))) - 1) // powers of two again, see padded
		var values []string
		var args []any
		for _, k := range keys[:n] {
			values = append(values, "("+parameters(len(args)+1, 3)+")")
			args = append(args, k.space, []byte(k.subject), by[k])
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO once_counts (space, subject, live) VALUES `+strings.Join(values, ", ")+`
			ON CONFLICT (space, subject) DO UPDATE SET live = once_counts.live + excluded.live`, args...)
		if err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

func sorted(m map[countKey]int) []countKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b countKey) int {
		return strings.Compare(a.space+"\x00"+a.subject, b.space+"\x00"+b.subject)
	})
}

// Run removes values that have ended, until ctx ends.
func (s *SQL) Run(ctx context.Context) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		if err := s.Prune(ctx); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "replay store not pruned", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Prune removes values that have ended. Until then they are still refused.
func (s *SQL) Prune(ctx context.Context) error {
	for {
		gone := 0
		err := s.db.Relaxed(ctx, func(tx *db.Tx) error {
			freed, err := remove(ctx, tx, db.Now(s.now()))
			if err != nil {
				return err
			}
			gone = 0
			for k, n := range freed {
				if k.subject == "" {
					gone -= n
				}
			}
			return shrink(ctx, tx, freed)
		})
		if err != nil || gone < pruneBatch {
			return err
		}
	}
}

// remove deletes a batch of values that ended before at, and returns what that
// adds to the counts: negative numbers.
func remove(ctx context.Context, tx *db.Tx, at time.Time) (map[countKey]int, error) {
	rows, err := tx.QueryContext(ctx, `
		DELETE FROM once_values WHERE key IN (
			SELECT key FROM once_values WHERE until <= $1 ORDER BY until LIMIT $2`+tx.Dialect().SkipLocked()+`)
		RETURNING space, subject`, at, pruneBatch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	freed := map[countKey]int{}
	for rows.Next() {
		var space string
		var subject []byte
		if err := rows.Scan(&space, &subject); err != nil {
			return nil, err
		}
		e := Entry{Space: &Space{Name: space}, Subject: string(subject)}
		e.add(freed, -1)
	}
	return freed, rows.Err()
}

func shrink(ctx context.Context, tx *db.Tx, freed map[countKey]int) error {
	if err := grow(ctx, tx, freed); err != nil || len(freed) == 0 {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM once_counts WHERE live <= 0`)
	return err
}

// padded repeats the last element until there is a power of two of them: so there
// are few query texts, and the engine has them all prepared. Asking for a row twice
// is asking once, and so is inserting it where a conflict does nothing.
func padded[T any](list []T) []T {
	list = slices.Clone(list)
	for n := len(list); n&(n-1) != 0; n++ {
		list = append(list, list[n-1])
	}
	return list
}

func parameters(from, n int) string {
	ps := make([]string, n)
	for i := range ps {
		ps[i] = fmt.Sprintf("$%d", from+i)
	}
	return strings.Join(ps, ", ")
}
