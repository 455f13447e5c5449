package authroute_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"signet/internal/audit"
	"signet/internal/authroute"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/fault"
	"signet/internal/ticket"
)

// book is a recorder of verdicts with its metrics.
type book struct {
	*authroute.Verdicts
	*clock
	db   *db.DB
	reg  *prometheus.Registry
	file string
}

func newBook(t testing.TB, d *db.DB) *book {
	t.Helper()
	return openBook(t, d, filepath.Join(t.TempDir(), "verdicts"))
}

func openBook(t testing.TB, d *db.DB, file string) *book {
	t.Helper()
	b := &book{clock: newClock(), db: d, reg: prometheus.NewRegistry(), file: file}
	v, err := authroute.NewVerdicts(d, audit.New(d, [32]byte{}, nil, audit.Options{}), authroute.NewMetrics(b.reg, authroute.Sources{}),
		authroute.VerdictsConfig{CounterFile: file, Drain: 2 * time.Minute, Now: b.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	b.Verdicts = v
	return b
}

// start runs the book; stop ends it and waits.
func (b *book) start() (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	return func() error { cancel(); return <-done }
}

func (b *book) rows(t testing.TB) (n int) {
	t.Helper()
	err := b.db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM authroute_verifications`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// judged is the n-th of many verdicts.
func judged(n int) authroute.Verification {
	return authroute.Verification{
		MessageID: fmt.Sprintf("<%d@example.org>", n), Sender: "alice@example.org", KeyID: aliceHash,
		Result: authroute.Pass, At: time.Now(), Instance: fmt.Sprint(n), QueueID: fmt.Sprint("Q", n),
		ClientAddress: "192.0.2.1", Mode: authroute.Enforce, Action: passHeader,
	}
}

func (b *book) record(t testing.TB, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := b.Record(t.Context(), judged(n)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStopFlushesEveryVerdict(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBook(t, d)
		stop := b.start()
		b.record(t, 0, 2345)
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if got := b.rows(t); got != 2345 {
			t.Errorf("%d rows, want 2345", got)
		}
		if got := metricOf(t, b.reg, "authroute_verdict_queue_length"); got != 0 {
			t.Errorf("%v verdicts wait after the end", got)
		}
	})
}

// A crash of the machine takes what did not wait for the disk.
func TestEveryVerdictWaitsForTheDisk(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		everyVerdictIsWrittenAt(t, dbtest.SQLite(t), "2", // FULL
			`CREATE TABLE levels (level TEXT)`,
			`CREATE TRIGGER note AFTER INSERT ON authroute_verifications BEGIN
				INSERT INTO levels SELECT synchronous FROM pragma_synchronous; END`)
	})
	t.Run("postgres", func(t *testing.T) {
		everyVerdictIsWrittenAt(t, dbtest.Postgres(t), "on",
			`CREATE TABLE levels (level TEXT)`,
			`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
				$$ BEGIN INSERT INTO levels VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$`,
			`CREATE TRIGGER note AFTER INSERT ON authroute_verifications FOR EACH ROW EXECUTE FUNCTION note()`)
	})
}

// everyVerdictIsWrittenAt has the statements make a table of the level at which each
// row is committed.
func everyVerdictIsWrittenAt(t *testing.T, d *db.DB, level string, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := d.SQL().ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	b := newBook(t, d)
	run(t, b.Run)
	for window := range 3 { // a short one and long ones
		b.record(t, 30*window, 30*(window+1))
		eventually(t, "the rows of a window", func() bool { return b.rows(t) == 30*(window+1) })
	}
	var all, right int
	err := d.SQL().QueryRowContext(t.Context(), `SELECT count(*), count(*) FILTER (WHERE level = $1) FROM levels`, level).Scan(&all, &right)
	if err != nil || all != 90 || right != all {
		t.Errorf("of %d rows %d were committed at level %s, %v, want all 90", all, right, level, err)
	}
}

func TestVerdictsAreTakenUntilTheLastHolderLetsGo(t *testing.T) {
	b := newBook(t, dbtest.SQLite(t))
	release := b.Hold()
	stop := b.start()
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	b.record(t, 0, 10)
	eventually(t, "ten rows", func() bool { return b.rows(t) == 10 })
	b.record(t, 10, 20)
	release()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if got := b.rows(t); got != 20 {
		t.Errorf("%d rows, want 20", got)
	}
}

func TestVerdictIsReadableWithinASecond(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBook(t, d)
		run(t, b.Run)
		for n, from := range []int{0, 1, 101} { // in a quiet hour, a hundred at once, and after them
			to := []int{1, 101, 102}[n]
			start := time.Now()
			b.record(t, from, to)
			eventually(t, "the rows", func() bool { return b.rows(t) == to })
			if took := time.Since(start); took > time.Second {
				t.Errorf("verdicts %d to %d took %s", from, to, took)
			}
		}
	})
}

func TestTextsThatNoEngineKeepsAreCleaned(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBook(t, d)
		stop := b.start()
		v := judged(1)
		v.Sender = "\xff\x00" + strings.Repeat("ä", 5000)
		v.MessageID, v.KeyID, v.Instance, v.QueueID, v.ClientAddress = "\x00", "\xc3", "\x00\xff", "'; --", "\xed\xa0\x80"
		if err := b.Record(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		b.record(t, 2, 3)
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if got := b.rows(t); got != 2 {
			t.Errorf("%d rows, want 2", got)
		}
	})
}

func TestVerdictsWaitWhileTheStoreIsAway(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBook(t, d)
		stop := b.start()
		hide(t, d, "authroute_verifications", "hidden")
		b.record(t, 0, 1500)
		eventually(t, "a try", func() bool { return metricOf(t, b.reg, "authroute_verdict_queue_length") <= 1000 })
		hide(t, d, "hidden", "authroute_verifications")
		eventually(t, "all rows", func() bool { return b.rows(t) == 1500 })
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if got := b.rows(t); got != 1500 {
			t.Errorf("%d rows, want 1500", got)
		}
	})
}

func TestNoVerdictIsLostOverARestartOfPostgreSQL(t *testing.T) {
	cluster := dbtest.NewCluster(t)
	d, err := db.Open(t.Context(), cluster.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := newBook(t, d)
	stop := b.start()
	recorded := make(chan int)
	enough := make(chan struct{})
	go func() {
		n, pace := 0, time.NewTicker(time.Millisecond)
		defer pace.Stop()
		for ; ; n++ {
			select {
			case <-enough:
				recorded <- n
				return
			case <-pace.C:
				if err := b.Record(context.Background(), judged(n)); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	for _, end := range []func(){cluster.Stop, cluster.Crash, cluster.Stop, cluster.Crash} {
		before := b.rows(t)
		eventually(t, "rows are written", func() bool { return b.rows(t) > before })
		end()
		cluster.Start()
		eventually(t, "the store answers", func() bool { return d.Ping(t.Context()) == nil })
	}
	close(enough)
	want := <-recorded
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if got := b.rows(t); got != want {
		t.Errorf("%d rows for %d verdicts", got, want)
	}
}

// hide renames a table, so that statements on it fail.
func hide(t testing.TB, d *db.DB, from, to string) {
	t.Helper()
	if _, err := d.SQL().ExecContext(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to); err != nil {
		t.Fatal(err)
	}
}

func TestFullQueuePushesBackAndCountsAGap(t *testing.T) {
	d := dbtest.SQLite(t)
	b := newBook(t, d)
	b.record(t, 0, 65_536) // nothing runs that would write them
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := b.Record(ctx, judged(-1)); err == nil {
		t.Error("one more than the queue holds: got no error")
	}
	if got := metricOf(t, b.reg, "authroute_verdict_gaps_total reason=queue_full"); got != 1 {
		t.Errorf("%v gaps, want 1", got)
	}
	if got := metricOf(t, b.reg, "authroute_verdict_queue_length"); got != 65_536 {
		t.Errorf("%v wait, want 65536", got)
	}
	if err := b.Close(); err != nil { // as a kill leaves it
		t.Fatal(err)
	}
	if got := openBookAfter(t, b); got != 65_536 {
		t.Errorf("the next start reports a gap of %v, want 65536: the one more is known to be lost", got)
	}
}

// openBookAfter closes a book, opens it again and returns the gap that it reports.
func openBookAfter(t *testing.T, b *book) float64 {
	t.Helper()
	_ = b.Close() // it may be closed
	next := openBook(t, b.db, b.file)
	stop := next.start()
	eventually(t, "the gap is reported", func() bool { return settled(t, b.file) })
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	return metricOf(t, next.reg, "authroute_verdict_gaps_total reason=crash")
}

// settled reports whether a counter file shows no gap.
func settled(t *testing.T, file string) bool {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(content[:8], content[8:])
}

func TestKillShowsAsAGapOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBook(t, d)
		b.record(t, 0, 7) // answered, never written
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		next := openBook(t, d, b.file)
		stop := next.start()
		gaps := func() (n int, detail string) {
			log := audit.New(d, [32]byte{}, nil, audit.Options{})
			ctx := ticket.With(t.Context(), ticket.Operator([]string{"audit:read"}))
			list, _, err := log.List(ctx, audit.Filter{Action: "authroute.verdict_gap"}, "")
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				detail = string(e.Detail)
			}
			return len(list), detail
		}
		eventually(t, "the audit row", func() bool { n, _ := gaps(); return n == 1 })
		if _, detail := gaps(); detail != `{"verdicts":7}` {
			t.Errorf("the audit row says %s", detail)
		}
		next.record(t, 100, 103)
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if got := metricOf(t, next.reg, "authroute_verdict_gaps_total reason=crash"); got != 7 {
			t.Errorf("a gap of %v, want 7", got)
		}
		if again := openBookAfter(t, next); again != 0 {
			t.Errorf("the start after that reports a gap of %v again", again)
		}
		if n, _ := gaps(); n != 1 {
			t.Errorf("%d audit rows, want 1", n)
		}
	})
}

func TestCounterFileHasOneOwner(t *testing.T) {
	d := dbtest.SQLite(t)
	b := newBook(t, d)
	_, err := authroute.NewVerdicts(d, audit.Discard, testMetrics(), authroute.VerdictsConfig{CounterFile: b.file})
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("second owner: got %v, want an error", err)
	}
}

func TestTornCounterFileStartsAnew(t *testing.T) {
	d := dbtest.SQLite(t)
	for _, content := range []string{"", "short", strings.Repeat("\xff", 8) + strings.Repeat("\x00", 3)} {
		file := filepath.Join(t.TempDir(), "verdicts")
		writeFile(t, file, content)
		b := openBook(t, d, file)
		b.record(t, 0, 3)
		if got := openBookAfter(t, b); got != 3 {
			t.Errorf("%q: a gap of %v, want 3", content, got)
		}
	}
}

func TestRowsOfABatchAreWrittenOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBook(t, d)
		// Every row of a mail looks alike but for its time: a second's batch must not
		// be taken for the first one's.
		stop := b.start()
		for range 3 {
			for range 100 {
				v := judged(1)
				v.At = b.Now()
				if err := b.Record(t.Context(), v); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if got := b.rows(t); got != 300 {
			t.Errorf("%d rows, want 300", got)
		}
		var distinct int
		if err := d.SQL().QueryRowContext(t.Context(), `SELECT count(DISTINCT verified_at) FROM authroute_verifications`).Scan(&distinct); err != nil || distinct != 300 {
			t.Errorf("%d different times, %v, want 300", distinct, err)
		}
	})
}

func TestSearchFindsWhatItIsAskedFor(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBook(t, d)
		stop := b.start()
		start := db.Now(time.Now())
		for n := range 250 {
			v := judged(n)
			v.At = start.Add(time.Duration(n) * time.Second)
			if n%10 == 0 {
				v.Result, v.Cause, v.Sender, v.KeyID = authroute.Fail, authroute.Revoked, "Bob@example.org", strings.Repeat("b", 64)
			}
			if err := b.Record(t.Context(), v); err != nil {
				t.Fatal(err)
			}
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		ctx := operator(t.Context())
		for name, c := range map[string]struct {
			filter authroute.Filter
			want   int
		}{
			"all":            {authroute.Filter{}, 250},
			"message":        {authroute.Filter{MessageID: "<17@example.org>"}, 1},
			"sender":         {authroute.Filter{Sender: "Bob@example.org"}, 25},
			"case counts":    {authroute.Filter{Sender: "bob@example.org"}, 0},
			"no pattern":     {authroute.Filter{Sender: "%"}, 0},
			"key":            {authroute.Filter{KeyID: strings.Repeat("b", 64)}, 25},
			"result":         {authroute.Filter{Result: authroute.Pass}, 225},
			"from":           {authroute.Filter{From: start.Add(200 * time.Second)}, 50},
			"oldest first":   {authroute.Filter{Oldest: true}, 250},
			"to":             {authroute.Filter{To: start.Add(200 * time.Second)}, 200},
			"from and to":    {authroute.Filter{From: start.Add(100 * time.Second), To: start.Add(101 * time.Second)}, 1},
			"everything set": {authroute.Filter{MessageID: "<20@example.org>", Sender: "Bob@example.org", KeyID: strings.Repeat("b", 64), Result: authroute.Fail, From: start, To: start.Add(time.Hour)}, 1},
		} {
			seen, cursor := map[int64]bool{}, ""
			last := int64(1 << 62)
			if c.filter.Oldest {
				last = 0
			}
			for pages := 0; ; pages++ {
				page, next, err := b.Search(ctx, c.filter, cursor, 40)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for _, v := range page {
					if (v.ID >= last) != c.filter.Oldest {
						t.Errorf("%s: row %d comes after %d", name, v.ID, last)
					}
					last, seen[v.ID] = v.ID, true
				}
				if cursor = next; cursor == "" || pages > 10 {
					break
				}
			}
			if len(seen) != c.want {
				t.Errorf("%s: %d rows, want %d", name, len(seen), c.want)
			}
		}
		page, _, err := b.Search(ctx, authroute.Filter{MessageID: "<10@example.org>"}, "", 1)
		want := judged(10)
		want.Result, want.Cause, want.Sender, want.KeyID = authroute.Fail, authroute.Revoked, "Bob@example.org", strings.Repeat("b", 64)
		want.At = start.Add(10 * time.Second)
		if diff := cmp.Diff([]authroute.Verification{want}, page, cmpopts.IgnoreFields(authroute.Verification{}, "ID"), cmpopts.IgnoreUnexported(authroute.Verification{})); err != nil || diff != "" {
			t.Errorf("one row: %v %s", err, diff)
		}
	})
}

func TestSearchRefusesWhatItCannotAnswer(t *testing.T) {
	b := newBook(t, dbtest.SQLite(t))
	for name, c := range map[string]struct {
		ctx    context.Context
		filter authroute.Filter
		cursor string
		want   error
		field  string
	}{
		"nobody":             {t.Context(), authroute.Filter{}, "", ticket.ErrNone, ""},
		"without permission": {as(t, "alice"), authroute.Filter{}, "", ticket.ErrForbidden, ""},
		"unknown result":     {operator(t.Context()), authroute.Filter{Result: "passed"}, "", authroute.ErrResult, "result"},
		"cursor of nowhere":  {operator(t.Context()), authroute.Filter{}, "x", db.ErrCursor, "cursor"},
		"cursor below zero":  {operator(t.Context()), authroute.Filter{}, "-1", db.ErrCursor, "cursor"},
	} {
		_, _, err := b.Search(c.ctx, c.filter, c.cursor, 0)
		if f, ok := fault.As(err); !errors.Is(err, c.want) || !ok || f.Field != c.field {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if _, _, err := b.Search(operator(t.Context()), authroute.Filter{Sender: "a\x00"}, "", 0); fault.KindOf(err) != fault.Invalid {
		t.Errorf("NUL: got %v, want it refused", err)
	}
}

func TestOldVerdictsArePruned(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBook(t, d)
		stop := b.start()
		const day = 24 * time.Hour
		now := b.Now()
		put := func(count int, age time.Duration, r authroute.Result) {
			for n := range count {
				v := judged(n)
				v.At, v.Result = now.Add(-age), r
				if err := b.Record(t.Context(), v); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, r := range []authroute.Result{authroute.Pass, authroute.Fail, authroute.TempError, authroute.None} {
			put(1, 100*day, r)
		}
		put(2500, 91*day, authroute.Pass)
		put(10, 89*day, authroute.Pass)
		put(2500, 8*day, authroute.None)
		put(10, 8*day, authroute.Fail)
		put(10, 6*day, authroute.None)
		if err := errors.Join(stop(), b.Close()); err != nil {
			t.Fatal(err)
		}
		b = openBook(t, d, b.file) // which has pruned nothing yet
		for range 2 {
			if err := b.Prune(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := b.rows(t); got != 30 {
				t.Errorf("%d rows are left, want 30", got)
			}
		}
		b.advance(2 * day)
		if err := b.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.rows(t); got != 10 {
			t.Errorf("two days later %d rows are left, want 10", got)
		}
	})
}
