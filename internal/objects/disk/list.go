package disk

import (
	"cmp"
	"context"
	"errors"
	"math"
	"strings"

	"signet/internal/db"
	"signet/internal/objects"
)

// page is what a list collects.
type page[T any] struct {
	rows     []T
	prefixes []string
	next     string // empty: it was the last page
	last     *T     // the row that ended the page, unless a prefix did
}

// lister is where a list comes from.
type lister[T any] interface {
	peek() (T, bool, error)
	take()
	skip(key string)
}

// collect fills a page. What a delimiter rolls up is not read: the list goes on behind
// it. So a page costs as much as it has entries, however many keys there are.
func collect[T any](from lister[T], l objects.List, key func(T) string) (p page[T], err error) {
	if l.Max <= 0 {
		return p, nil
	}
	for {
		row, ok, err := from.peek()
		if err != nil || !ok || !strings.HasPrefix(key(row), l.Prefix) {
			p.next, p.last = "", nil
			return p, err
		}
		common := roll(key(row), l.Prefix, l.Delimiter)
		if common != "" && common <= l.After { // the page before had it, or began behind it
			if !skipPrefix(from, common) {
				p.next, p.last = "", nil
				return p, nil
			}
			continue
		}
		if len(p.rows)+len(p.prefixes) == l.Max {
			return p, nil
		}
		if common == "" {
			p.rows = append(p.rows, row)
			p.next, p.last = key(row), &row
			from.take()
			continue
		}
		p.prefixes = append(p.prefixes, common)
		p.next, p.last = common, nil
		if !skipPrefix(from, common) {
			p.next = ""
			return p, nil
		}
	}
}

// skipPrefix moves behind all keys with that prefix. It returns false where nothing can
// sort there.
func skipPrefix[T any](from lister[T], prefix string) bool {
	to := after(prefix)
	if to != "" {
		from.skip(to)
	}
	return to != ""
}

// firstBatch is how many rows a list fetches first.
func firstBatch(l objects.List) int {
	if l.Delimiter != "" {
		return min(l.Max+1, 64)
	}
	return min(l.Max+1, mostBatch)
}

// viewPage runs fn, which reads a page, in a transaction in which PostgreSQL takes rows from
// an index in their order. Where it knows little of a table yet, as after many writes, it
// would sort all of a bucket for the first thousand.
func (s *Store) viewPage(ctx context.Context, bucket string, fn func(tx *db.Tx, v objects.Versioning) error) error {
	return s.db.View(ctx, func(tx *db.Tx) error {
		if tx.Dialect() == db.Postgres {
			_, err := tx.ExecContext(ctx, "SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true)")
			if err != nil {
				return err
			}
		}
		versioning, err := readVersioning(ctx, tx, bucket)
		if err != nil {
			return err
		}
		return fn(tx, versioning)
	})
}

// List implements [objects.Store]. The objects come without their attributes.
func (s *Store) List(ctx context.Context, l objects.List) (out objects.Listing, err error) {
	err = s.viewPage(ctx, l.Bucket, func(tx *db.Tx, versioning objects.Versioning) error {
		p, err := collect(rowsOf(ctx, tx, tableObjects, l, math.MaxInt64), l, keyOf)
		out = listing(p, versioning)
		out.NextID = ""
		return err
	})
	return out, err
}

// ListVersions implements [objects.Store]. The versions come without their attributes.
func (s *Store) ListVersions(ctx context.Context, l objects.List) (out objects.Listing, err error) {
	err = s.viewPage(ctx, l.Bucket, func(tx *db.Tx, versioning objects.Versioning) error {
		rank, err := rankAfter(ctx, tx, l)
		if err != nil {
			return err
		}
		both := &merged{a: rowsOf(ctx, tx, tableObjects, l, rank), b: rowsOf(ctx, tx, tableVersions, l, rank)}
		p, err := collect(both, l, keyOf)
		if err != nil {
			return err
		}
		out = listing(p, versioning)
		return s.markLatest(ctx, tx, l, p.rows, out.Objects)
	})
	return out, err
}

// rankAfter returns the place of the version that ended the page before. Where it is gone
// meanwhile, as it is when somebody deletes what a page lists, all that is left of its
// key comes next.
func rankAfter(ctx context.Context, tx *db.Tx, l objects.List) (int64, error) {
	if l.AfterID == "" {
		return math.MaxInt64, nil
	}
	v, err := readVersion(ctx, tx, objects.Ref{Bucket: l.Bucket, Key: l.After, VersionID: l.AfterID})
	if errors.Is(err, objects.ErrNoSuchVersion) {
		return math.MinInt64, nil
	}
	if err != nil {
		return 0, err
	}
	return v.place, nil
}

// markLatest says which versions are the first of their keys. Of the first row alone
// another page may have had those before it.
func (s *Store) markLatest(ctx context.Context, tx *db.Tx, l objects.List, rows []*row, out []objects.Object) error {
	for i := range out {
		out[i].Latest = i == 0 || rows[i-1].key != rows[i].key
	}
	if len(rows) == 0 || l.AfterID == "" || rows[0].key != l.After {
		return nil
	}
	at, err := readSlot(ctx, tx, l.Bucket, l.After)
	if err != nil {
		return err
	}
	newest := at.current
	if newest == nil {
		if newest, err = readBehind(ctx, tx, l.Bucket, l.After); err != nil {
			return err
		}
	}
	out[0].Latest = newest != nil && newest.id == rows[0].id
	return nil
}

func keyOf(r *row) string { return r.key }

func listing(p page[*row], v objects.Versioning) objects.Listing {
	out := objects.Listing{Prefixes: p.prefixes, Next: p.next}
	for _, r := range p.rows {
		o := r.listed(v)
		o.Latest = true // of lists that have no versions
		out.Objects = append(out.Objects, o)
	}
	if p.last != nil {
		out.NextID = (*p.last).id
	}
	return out
}

// The tables that versions are listed from.
const (
	tableObjects  = "objects_disk_objects"
	tableVersions = "objects_disk_versions"
)

// rowsOf reads a bucket's rows of one table behind what l says; rank is that of l.After.
func rowsOf(ctx context.Context, tx *db.Tx, table string, l objects.List, rank int64) *stream[*row, int64] {
	end := after(l.Prefix)
	query := versionsQuery(table, end)
	return &stream[*row, int64]{
		at: func(r *row) bound[int64] { return bound[int64]{r.key, r.place} }, from: begin(l.Prefix, l.After, rank),
		least: math.MinInt64, batch: firstBatch(l),
		fetch: func(from bound[int64], limit int) ([]*row, error) {
			return readRows(ctx, tx, l.Bucket, query, upTo(end, l.Bucket, from.key, from.rank, limit))
		},
	}
}

// versionsQuery is the query of a batch of one table, whose arguments are of [upTo].
func versionsQuery(table, end string) string {
	marker, order := ", 0", "key" // one row a key
	if table == tableVersions {
		marker, order = ", marker", "key, place"
	}
	return `SELECT key, place, version_id, size, etag, modified_at, parts, checksum` + marker + ` FROM ` + table + `
		WHERE bucket = $1 AND key >= $2 AND (key > $2 OR place > $3)` + pageEnd(end, order)
}

// pageEnd ends the query of a batch: nothing from end on, in order, so many rows.
func pageEnd(end, order string) string {
	if end == "" {
		return " ORDER BY " + order + " LIMIT $4"
	}
	return " AND key < $5 ORDER BY " + order + " LIMIT $4"
}

// upTo returns the arguments of a query that ends in [pageEnd].
func upTo(end, bucket, key string, rank any, limit int) []any {
	args := []any{bucket, key, rank, limit}
	if end != "" {
		args = append(args, end)
	}
	return args
}

func readRows(ctx context.Context, tx *db.Tx, bucket, query string, args []any) ([]*row, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []*row
	for rows.Next() {
		r := &row{bucket: bucket}
		if err := rows.Scan(&r.key, &r.place, &r.id, &r.size, &r.etag, &r.modified, &r.parts, &r.checksum, &r.marker); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// merged reads two streams as one.
type merged struct{ a, b *stream[*row, int64] }

// first returns the stream whose row comes first; nil where both have ended.
func (m *merged) first() (*stream[*row, int64], error) {
	a, hasA, err := m.a.peek()
	if err != nil {
		return nil, err
	}
	b, hasB, err := m.b.peek()
	switch {
	case err != nil || !hasA && !hasB:
		return nil, err
	case !hasB || hasA && cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.place, b.place)) < 0:
		return m.a, nil
	}
	return m.b, nil
}

func (m *merged) peek() (*row, bool, error) {
	s, err := m.first()
	if err != nil || s == nil {
		return nil, false, err
	}
	return s.peek()
}

func (m *merged) take() {
	if s, err := m.first(); err == nil && s != nil { // both were peeked at
		s.take()
	}
}

func (m *merged) skip(key string) {
	m.a.skip(key)
	m.b.skip(key)
}
