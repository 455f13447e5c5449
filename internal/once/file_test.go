package once_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/once"
)

func openFile(tb testing.TB, d *db.DB, dir string) *once.File {
	tb.Helper()
	f, err := once.OpenFile(tb.Context(), d, dir)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// ledger is a store in a directory, and what was used there.
type ledger struct {
	db     *db.DB
	dir    string
	file   *once.File
	issued time.Time
}

// newLedger has 100 values used, of which "counted" twice.
func newLedger(t *testing.T) *ledger {
	t.Helper()
	l := &ledger{db: dbtest.SQLite(t), dir: t.TempDir(), issued: time.Now()}
	l.file = openFile(t, l.db, l.dir)
	for n := range 100 {
		if h, err := l.guard().TakeUse(t.Context(), l.use(n, "alice")); err != nil || h != "alice" {
			t.Fatalf("first use of %d: got %q, %v; want alice", n, h, err)
		}
	}
	for range 2 {
		if _, err := l.guard().Count(t.Context(), "jti", "counted", soon()); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func (l *ledger) guard() *once.Guard { return once.New(l.db, l.file, nil, spaces...) }

func (l *ledger) use(n int, by string) once.Use {
	return once.Use{Space: "jti", Value: fmt.Sprint(n), By: by, Subject: "key", Issued: l.issued, Until: soon()}
}

// reopen opens the store again, after whatever became of it.
func (l *ledger) reopen(t *testing.T) {
	t.Helper()
	l.file = openFile(t, l.db, l.dir)
}

// wantKnown checks that every use is known, and who it was.
func (l *ledger) wantKnown(t *testing.T, what string) {
	t.Helper()
	for n := range 100 {
		if h, err := l.guard().TakeUse(t.Context(), l.use(n, "mallory")); err != nil || h != "alice" {
			t.Fatalf("%s: used value %d: got %q, %v; want alice", what, n, h, err)
		}
	}
}

// wantForgotten checks that the store says that it does not know, and goes on with
// what is newer.
func (l *ledger) wantForgotten(t *testing.T, what string) {
	t.Helper()
	for n := range 100 {
		if h, err := l.guard().TakeUse(t.Context(), l.use(n, "mallory")); !errors.Is(err, once.ErrOlder) {
			t.Fatalf("%s: used value %d: got %q, %v; want ErrOlder", what, n, h, err)
		}
	}
	u := l.use(1000, "bob")
	u.Issued = time.Now().Add(time.Second)
	if h, err := l.guard().TakeUse(t.Context(), u); err != nil || h != "bob" {
		t.Errorf("%s: a newer proof: got %q, %v; want bob", what, h, err)
	}
}

// edit changes a file of the store.
func (l *ledger) edit(t *testing.T, name string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(l.dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// rebootMachine makes the state one of an earlier start of the machine.
func (l *ledger) rebootMachine(t *testing.T) {
	t.Helper()
	l.edit(t, "state.json", func(text []byte) []byte {
		at := bytes.Index(text, []byte(`"boot":"`)) + len(`"boot":"`)
		text[at] ^= 1
		return text
	})
}

func (l *ledger) segments(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(l.dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestFileKnowsWhatWasUsedBeforeTheProcessEnded(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(t *testing.T, l *ledger)
	}{
		{"killed", func(*testing.T, *ledger) {}},
		{"closed", func(t *testing.T, l *ledger) {
			t.Helper()
			if err := l.file.Close(); err != nil {
				t.Error(err)
			}
		}},
		{"closed, and the machine started anew", func(t *testing.T, l *ledger) {
			t.Helper()
			if err := l.file.Close(); err != nil {
				t.Error(err)
			}
			l.rebootMachine(t)
		}},
		{"killed in the middle of a write", func(t *testing.T, l *ledger) {
			t.Helper()
			all := l.segments(t)
			cut := []byte{200, 0, 0, 0, 1, 2, 3, 4, 5}
			l.edit(t, filepath.Base(all[len(all)-1]), func(b []byte) []byte { return append(b, cut...) })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(t)
			for range 3 {
				c.end(t, l)
				l.reopen(t)
				l.wantKnown(t, c.name)
			}
			if n, err := l.guard().Count(t.Context(), "jti", "counted", soon()); err != nil || n != 3 {
				t.Errorf("third use of a counted value: got %d, %v; want 3", n, err)
			}
		})
	}
}

func TestFileThatMayHaveForgottenSaysSo(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(t *testing.T, l *ledger)
	}{
		{"the machine crashed", func(t *testing.T, l *ledger) {
			t.Helper()
			l.rebootMachine(t)
		}},
		{"closed, opened, and then the machine crashed", func(t *testing.T, l *ledger) {
			t.Helper()
			if err := l.file.Close(); err != nil {
				t.Fatal(err)
			}
			l.reopen(t)
			l.rebootMachine(t)
		}},
		{"removed", func(t *testing.T, l *ledger) {
			t.Helper()
			if err := os.RemoveAll(l.dir); err != nil {
				t.Fatal(err)
			}
		}},
		{"state removed", func(t *testing.T, l *ledger) {
			t.Helper()
			if err := os.Remove(filepath.Join(l.dir, "state.json")); err != nil {
				t.Fatal(err)
			}
		}},
		{"state cut off", func(t *testing.T, l *ledger) {
			t.Helper()
			l.edit(t, "state.json", func(b []byte) []byte { return b[:10] })
		}},
		{"damaged at its end", func(t *testing.T, l *ledger) {
			t.Helper()
			l.edit(t, filepath.Base(l.segments(t)[0]), func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
		}},
		{"damaged in a length", func(t *testing.T, l *ledger) {
			t.Helper()
			l.edit(t, filepath.Base(l.segments(t)[0]), func(b []byte) []byte { b[3] = 0xff; return b })
		}},
		{"damaged", func(t *testing.T, l *ledger) {
			t.Helper()
			first := filepath.Base(l.segments(t)[0])
			l.reopen(t) // which begins another file
			l.edit(t, first, func(b []byte) []byte { b[300] ^= 1; return b })
		}},
		{"database restored from a backup", func(t *testing.T, l *ledger) {
			t.Helper()
			err := l.db.Update(t.Context(), func(tx *db.Tx) error { return once.Forget(t.Context(), tx) })
			if err != nil {
				t.Fatal(err)
			}
		}},
		{"another store was used meanwhile", func(t *testing.T, l *ledger) {
			t.Helper()
			other := once.New(l.db, once.NewSQL(l.db), nil, spaces...)
			if err := other.Watcher().Look(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, err := l.db.SQL().ExecContext(t.Context(), `UPDATE once_epoch SET store = 'sql', epoch = epoch + 1`)
			if err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(t)
			c.end(t, l)
			l.reopen(t)
			l.wantForgotten(t, c.name)
			before, err := l.file.Birth(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			l.reopen(t)
			if after, _ := l.file.Birth(t.Context()); !after.Equal(before) {
				t.Errorf("birth moved again, from %v to %v", before, after)
			}
		})
	}
}

// A nonce of the epoch before must not be taken either.
func TestFileThatForgotMovesTheEpoch(t *testing.T) {
	l := newLedger(t)
	u := l.use(0, "mallory")
	u.Epoch = epochOf(t, l.guard())
	l.rebootMachine(t)
	l.reopen(t)
	if h, err := l.guard().TakeUse(t.Context(), u); !errors.Is(err, once.ErrEpoch) {
		t.Errorf("got %q, %v; want ErrEpoch", h, err)
	}
	if u.Epoch = epochOf(t, l.guard()); u.Epoch != 2 {
		t.Errorf("epoch %d, want 2", u.Epoch)
	}
	if _, err := l.guard().TakeUse(t.Context(), u); err != nil {
		t.Errorf("nonce of the new epoch: %v", err)
	}
}

func TestValueThatCannotBeWrittenIsNotGiven(t *testing.T) {
	l := newLedger(t)
	l.file.Break()
	for range 2 {
		if h, err := l.guard().TakeUse(t.Context(), l.use(1000, "bob")); !errors.Is(err, once.ErrAway) {
			t.Errorf("got %q, %v; want ErrAway", h, err)
		}
		if n, err := l.guard().Count(t.Context(), "jti", "counted", soon()); !errors.Is(err, once.ErrAway) {
			t.Errorf("got %d, %v; want ErrAway", n, err)
		}
	}
	l.wantKnown(t, "cannot write")
	l.reopen(t)
	if h, err := l.guard().TakeUse(t.Context(), l.use(1000, "bob")); err != nil || h != "bob" {
		t.Errorf("it can write again: got %q, %v; want bob", h, err)
	}
	if n, err := l.guard().Count(t.Context(), "jti", "counted", soon()); err != nil || n != 3 {
		t.Errorf("it can write again: got %d, %v; want 3", n, err)
	}
}

func TestFilesGoWithWhatIsInThem(t *testing.T) {
	l := newLedger(t)
	l.file.SetSegmentSize(1000)
	c := &clock{at: time.Now()}
	l.file.SetClock(c.now)
	g := once.New(l.db, l.file, nil, spaces...)
	g.SetClock(c.now)
	take := func(value string, by string, d time.Duration) string {
		t.Helper()
		h, err := g.Take(t.Context(), "jti", value, by, c.now().Add(d))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	prune := func() {
		t.Helper()
		if err := l.file.Prune(); err != nil {
			t.Fatal(err)
		}
	}
	take("lasting", "alice", time.Hour)
	for round := range 20 {
		for n := range 20 {
			take(fmt.Sprint(round, " ", n), "alice", time.Minute)
		}
		c.pass(10 * time.Second)
		prune()
	}
	// Of twenty files those of the last minute, and one with the lasting value.
	if got := l.segments(t); len(got) > 10 {
		t.Errorf("%d files are left, want 10 at most: %v", len(got), got)
	}
	c.pass(time.Minute)
	prune()
	prune()
	if got := l.segments(t); len(got) > 2 {
		t.Errorf("%d files are left for one value, want 2 at most: %v", len(got), got)
	}
	for range 2 {
		if h := take("lasting", "mallory", time.Hour); h != "alice" {
			t.Errorf("the lasting value: got %q, want alice", h)
		}
		l.reopen(t)
		l.file.SetClock(c.now)
		g = once.New(l.db, l.file, nil, spaces...)
	}
	if h := take("19 0", "bob", time.Minute); h != "bob" {
		t.Errorf("a value that has ended: got %q, want bob", h)
	}
}

func FuzzReadRecord(f *testing.F) {
	e := once.Entry{Space: &once.Space{Name: "jti"}, Key: [32]byte{1}, Subject: "subject", By: "alice", Until: time.UnixMicro(1)}
	f.Add(once.AppendRecord(nil, e, 2))
	f.Add([]byte{200, 0, 0, 0, 1, 2, 3, 4, 5})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, uses, size, err := once.ReadRecord(bytes.NewReader(b))
		if err != nil {
			return
		}
		if again := once.AppendRecord(nil, e, uses); !bytes.Equal(again, b[:size]) {
			t.Errorf("read %x\nwrote %x", b[:size], again)
		}
	})
}
