package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
)

// running starts Run, and returns what stops it.
func running(t *testing.T, l *audit.Log) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// await polls until ok holds; it fails the test after 10 s.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func (in *installation) unlinked(t testing.TB) (n int) {
	t.Helper()
	if err := in.db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM audit_events WHERE mac IS NULL`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRowsAreLinkedWithinASecondOfTheirCommit(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		running(t, in.log)
		for range 3 {
			in.record(t, 5)
			committed := time.Now()
			await(t, "all rows are linked", func() bool { return in.unlinked(t) == 0 })
			if took := time.Since(committed); took > time.Second {
				t.Errorf("linked after %v, want within 1s", took)
			}
		}
		// Rows of another process, which cannot nudge this one.
		other := in.instance(d, audit.Options{})
		if err := other.RecordAlone(t.Context(), audit.Event{Action: "test.row"}); err != nil {
			t.Fatal(err)
		}
		await(t, "the other process's row is linked", func() bool { return in.unlinked(t) == 0 })
	})
}

func TestRowsOfAnInstanceThatDiedAreLinkedByWhoeverComes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		in.record(t, 5)
		in.stop(t)
		in.record(t, 5) // and killed before it linked them
		in.clock.add(11 * time.Second)
		if r := in.verify(t); len(r.Findings) != 5 || r.Findings[0].Kind != audit.Unlinked || r.Unlinked != 5 {
			t.Errorf("after 11 s: got %+v, want 5 unlinked rows named", r)
		}

		in.log = in.instance(d, audit.Options{HeadsFile: in.heads})
		in.stop(t)
		r := in.verify(t)
		intact(t, r, 10)
		var chains int
		if err := d.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM audit_chains`).Scan(&chains); err != nil || chains != 1 {
			t.Errorf("got %d chains %v, want the old one to go on", chains, err)
		}
	})
}

func TestLinkersSideBySideLinkEachRowOnce(t *testing.T) {
	in := install(t, dbtest.Postgres(t))
	const linkers, writers, each = 3, 4, 500
	var linking sync.WaitGroup
	written := make(chan bool)
	for range linkers {
		d, err := db.Open(t.Context(), in.db.URL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		l := in.instance(d, audit.Options{})
		linking.Go(func() { // without Run's pauses
			for done := false; !done; {
				select {
				case <-written:
					done = true
				default:
				}
				if _, err := l.Link(context.WithoutCancel(t.Context())); err != nil {
					t.Errorf("link: %v", err)
				}
			}
		})
	}
	verified := make(chan audit.Report)
	go func() { // beside them, as an operator would
		r, err := in.instance(in.db, audit.Options{}).Verify(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Errorf("verify beside linkers: %v", err)
		}
		verified <- r
	}()
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if err := in.log.RecordAlone(t.Context(), audit.Event{Action: "test.row"}); err != nil {
					t.Errorf("record: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if r := <-verified; !r.OK() {
		t.Errorf("verify beside linkers: got %+v", r.Findings)
	}
	close(written)
	linking.Wait()
	if _, err := in.log.Link(t.Context()); err != nil { // what one left to another that had just ended
		t.Fatal(err)
	}
	intact(t, in.verify(t), writers*each)
	var chains int
	if err := in.db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM audit_chains`).Scan(&chains); err != nil || chains > linkers {
		t.Errorf("got %d chains %v, want at most %d", chains, err, linkers)
	}
}

func TestSeveralChainsVerifyAndAreHeldAgainstTheirHeads(t *testing.T) {
	in := install(t, dbtest.Postgres(t))
	in.record(t, 5)
	in.link(t)

	// Another linker is in the middle of a batch of the first chain.
	conn, err := in.db.SQL().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var chain int
	if err := conn.QueryRowContext(t.Context(), `SELECT chain FROM audit_chains FOR UPDATE`).Scan(&chain); err != nil {
		t.Fatal(err)
	}
	in.record(t, 5)
	in.stop(t)
	if err := conn.Rollback(); err != nil {
		t.Fatal(err)
	}
	r := in.verify(t)
	intact(t, r, 10)
	in.exec(t, `DELETE FROM audit_events WHERE chain = 2 AND sequence = 5`)
	in.exec(t, `DELETE FROM audit_chains WHERE chain = 2`)
	found(t, in.verify(t), "missing 2/5", "missing 2/5")
}

func TestHeadIsSignedEveryHourAndOnlyForNewRows(t *testing.T) {
	in := install(t, dbtest.SQLite(t))
	heads := func() int64 { return in.verify(t).Heads / 2 } // each is in the store and in the file
	in.record(t, 3)
	running(t, in.log)
	await(t, "a first head", func() bool { return heads() == 1 })

	in.record(t, 3)
	await(t, "rows are linked", func() bool { return in.unlinked(t) == 0 })
	if r := in.verify(t); r.Heads != 2 || r.Open != 3 {
		t.Errorf("within the hour: got %+v, want no new head and 3 open rows", r)
	}
	in.clock.add(time.Hour)
	await(t, "a second head", func() bool { return heads() == 2 })
	in.clock.add(3 * time.Hour)
	in.record(t, 1)
	await(t, "a third head", func() bool { return heads() == 3 })
}

func TestRunPrunesWhatIsKeptNoLonger(t *testing.T) {
	in := install(t, dbtest.SQLite(t))
	in.record(t, 10)
	in.stop(t)
	in.clock.add(48 * time.Hour)
	in.record(t, 5)
	in.log = in.instance(in.db, audit.Options{HeadsFile: in.heads, Keep: 24 * time.Hour})
	in.stop(t)
	intact(t, in.verify(t), 5)
}

func TestErrorThatStaysIsLoggedOnce(t *testing.T) {
	in := install(t, dbtest.SQLite(t))
	in.record(t, 3)
	in.stop(t)
	in.exec(t, `UPDATE audit_heads SET signature = 'x'`)
	var mu sync.Mutex
	var log bytes.Buffer
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(b)
	}), nil)))
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return strings.Count(log.String(), "level=ERROR")
	}
	stop := running(t, in.log)
	await(t, "it is logged", func() bool { return count() > 0 })
	for range 2 { // the store is away: that it fails is not what is tested here
		_ = in.log.RecordAlone(t.Context(), audit.Event{Action: "test.row"})
	}
	stop()
	if n := count(); n != 1 {
		t.Errorf("logged %d times, want once:\n%s", n, log.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestExportGoesOnWhereItStopped(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		in.record(t, 1500)
		in.link(t)
		var first bytes.Buffer
		place, err := in.log.Export(t.Context(), &first, nil, false)
		if err != nil || place.String() != "1:1500" || strings.Count(first.String(), "\n") != 1500 {
			t.Fatalf("got %d lines up to %s, %v", strings.Count(first.String(), "\n"), place, err)
		}
		var e audit.Entry
		if err := json.Unmarshal(first.Bytes()[:bytes.IndexByte(first.Bytes(), '\n')], &e); err != nil || e.Detail != `{"i":0}` || e.Sequence != 1 || e.MAC == "" {
			t.Errorf("first line: got %+v %v", e, err)
		}

		in.record(t, 3)
		in.link(t)
		from, err := audit.ParsePlace(place.String())
		if err != nil {
			t.Fatal(err)
		}
		var second bytes.Buffer
		if _, err := in.log.Export(t.Context(), &second, from, false); err != nil || strings.Count(second.String(), "\n") != 3 {
			t.Errorf("got %q %v, want 3 lines", second.String(), err)
		}
	})
}

func TestExportFollowsNewRows(t *testing.T) {
	in := install(t, dbtest.SQLite(t))
	running(t, in.log)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		_, err := in.log.Export(ctx, w, nil, true)
		ended <- err
	}()
	dec := json.NewDecoder(r)
	for i := range 3 {
		in.event(t, audit.Event{Action: "test.row", Target: fmt.Sprint(i)})
		var e audit.Entry
		if err := dec.Decode(&e); err != nil || e.Target != fmt.Sprint(i) {
			t.Fatalf("got %+v %v, want row %d", e, err, i)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

func TestPlaceThatIsNoneIsRefused(t *testing.T) {
	for _, bad := range []string{"x", "1", "1:", "0:5", "1:-1", "99999999:1"} {
		if p, err := audit.ParsePlace(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, p)
		}
	}
}

// fill writes n rows in batches.
func (in *installation) fill(b *testing.B, n int) {
	b.Helper()
	for n > 0 {
		err := in.db.Update(b.Context(), func(tx *db.Tx) error {
			for range min(n, 1000) {
				e := audit.Event{Action: "test.row", Target: "some key id", Detail: map[string]string{"what": "a detail of usual length"}}
				if err := in.log.Record(b.Context(), tx, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		n -= min(n, 1000)
	}
}

func benchmark(b *testing.B, f func(b *testing.B, in *installation, rows int)) {
	const rows = 10_000
	for name, open := range map[string]func(testing.TB) *db.DB{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		b.Run(name, func(b *testing.B) {
			in := install(b, open(b))
			f(b, in, rows)
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func BenchmarkLink(b *testing.B) {
	benchmark(b, func(b *testing.B, in *installation, rows int) {
		for range b.N {
			b.StopTimer()
			in.fill(b, rows)
			b.StartTimer()
			in.link(b)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	benchmark(b, func(b *testing.B, in *installation, rows int) {
		in.fill(b, rows)
		in.link(b)
		b.ResetTimer()
		for range b.N {
			intact(b, in.verify(b), int64(rows))
		}
	})
}
