package audit_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/node"
	"signet/internal/seal"
	"signet/internal/ticket"
)

var key = [32]byte{1, 2, 3}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// installation is a store with its keys, a heads file and a clock.
type installation struct {
	db    *db.DB
	node  *node.Node
	heads string
	clock *clock
	log   *audit.Log
}

func install(t testing.TB, d *db.DB) *installation {
	t.Helper()
	n, err := node.Load(t.Context(), d, seal.New(seal.NewRing(seal.NewKey())))
	if err != nil {
		t.Fatal(err)
	}
	in := &installation{db: d, node: n, heads: filepath.Join(t.TempDir(), "heads"), clock: newClock()}
	in.log = in.instance(d, audit.Options{HeadsFile: in.heads})
	return in
}

// instance returns another log of the installation.
func (in *installation) instance(d *db.DB, o audit.Options) *audit.Log {
	o.Now = in.clock.now
	return audit.New(d, key, in.node, o)
}

// record writes n rows, each in a transaction of its own.
func (in *installation) record(t testing.TB, n int) {
	t.Helper()
	for i := range n {
		in.clock.add(time.Millisecond)
		in.event(t, audit.Event{Action: "test.row", Target: fmt.Sprint("target ", i), Detail: map[string]int{"i": i}})
	}
}

func (in *installation) event(t testing.TB, e audit.Event) {
	t.Helper()
	err := in.db.Update(t.Context(), func(tx *db.Tx) error { return in.log.Record(t.Context(), tx, e) })
	if err != nil {
		t.Fatalf("record: %v", err)
	}
}

func (in *installation) link(t testing.TB) {
	t.Helper()
	if _, err := in.log.Link(t.Context()); err != nil {
		t.Fatalf("link: %v", err)
	}
}

// stop does what a stopping instance does: it links and signs all there is.
func (in *installation) stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := in.log.Run(ctx); err != nil {
		t.Fatalf("run: %v", err)
	}
}

func (in *installation) verify(t testing.TB) audit.Report {
	t.Helper()
	// A log of its own, as the command line has: nothing may come from memory.
	r, err := in.instance(in.db, audit.Options{HeadsFile: in.heads}).Verify(t.Context())
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return r
}

func (in *installation) exec(t testing.TB, query string, args ...any) {
	t.Helper()
	if _, err := in.db.SQL().ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func (in *installation) id(t testing.TB, sequence int64) (id string) {
	t.Helper()
	err := in.db.SQL().QueryRowContext(t.Context(), `SELECT id FROM audit_events WHERE chain = 1 AND sequence = $1`, sequence).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// intact fails the test where a report finds something.
func intact(t testing.TB, r audit.Report, rows int64) {
	t.Helper()
	if !r.OK() || r.Rows != rows {
		t.Fatalf("got %d rows, findings %+v, want %d rows and none", r.Rows, r.Findings, rows)
	}
}

// found fails the test unless the report has exactly the findings, in any order:
// "kind chain/sequence id".
func found(t testing.TB, r audit.Report, want ...string) {
	t.Helper()
	var got []string
	for _, f := range r.Findings {
		s := f.Kind
		if f.Chain != 0 {
			s += fmt.Sprintf(" %d/%d", f.Chain, f.Sequence)
		}
		if f.ID != "" {
			s += " " + f.ID
		}
		got = append(got, s)
	}
	left := append([]string(nil), want...)
	for _, g := range got {
		for i, w := range left {
			if g == w {
				left = append(left[:i], left[i+1:]...)
				break
			}
		}
	}
	if len(got) != len(want) || len(left) > 0 {
		t.Errorf("found:\n  %s\nwant:\n  %s\n%+v", strings.Join(got, "\n  "), strings.Join(want, "\n  "), r.Findings)
	}
}

// reader is a context of somebody who may read the whole log.
func reader(t *testing.T) context.Context {
	t.Helper()
	return ticket.With(t.Context(), ticket.Operator([]string{"audit:read"}))
}
