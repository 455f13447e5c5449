package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
)

func TestUntouchedLogVerifies(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		intact(t, in.verify(t), 0)
		for range 3 {
			in.record(t, 10)
			in.stop(t)
			in.clock.add(time.Hour)
		}
		r := in.verify(t)
		intact(t, r, 30)
		if r.Heads != 6 || r.Open != 0 || r.LastHead.IsZero() {
			t.Errorf("got %+v, want 3 heads in the store and 3 in the file", r)
		}
	})
}

func TestChangedColumnIsFoundAndNamed(t *testing.T) {
	changes := map[string]string{
		"time":            `at = at_of_another`,
		"one microsecond": `at`,
		"actor kind":      `actor_kind = 'peer'`,
		"actor":           `actor_id = 'bob'`,
		"account":         `account_id = 'x'`,
		"action":          `action = 'test.sow'`,
		"target":          `target = 'target 99'`,
		"outcome":         `outcome = 'refused'`,
		"reason":          `reason = 'because'`,
		"request id":      `request_id = 'r'`,
		"address":         `address = '192.0.2.1'`,
		"detail":          `detail = '{"i":5 }'`,
		"broken detail":   `detail = '{'`,
		"mac":             `mac = 'b' || substr(mac, 2)`,
		"id":              `id = 'x'`,
		"moved text":      `actor_kind = 'sys', actor_id = 'tem'`,
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		in.record(t, 10)
		in.stop(t)
		for name, change := range changes {
			t.Run(name, func(t *testing.T) {
				id, want := in.id(t, 5), []string{}
				saved := in.save(t)
				switch name {
				case "time":
					in.exec(t, `UPDATE audit_events SET at = (SELECT at FROM audit_events WHERE sequence = 6) WHERE id = $1`, id)
				case "one microsecond":
					var at time.Time
					if err := d.SQL().QueryRowContext(t.Context(), `SELECT at FROM audit_events WHERE id = $1`, id).Scan(&at); err != nil {
						t.Fatal(err)
					}
					in.exec(t, `UPDATE audit_events SET at = $1 WHERE id = $2`, at.Add(time.Microsecond), id)
				case "mac":
					if strings.HasPrefix(in.mac(t, 5), "b") {
						change = `mac = 'c' || substr(mac, 2)`
					}
					in.exec(t, `UPDATE audit_events SET `+change+` WHERE id = $1`, id)
					// What follows was chained to the mac that was there before.
					want = append(want, "altered 1/6 "+in.id(t, 6))
				default:
					in.exec(t, `UPDATE audit_events SET `+change+` WHERE id = $1`, id)
				}
				found(t, in.verify(t), append(want, "altered 1/5 "+in.id(t, 5))...)
				saved()
				intact(t, in.verify(t), 10)
			})
		}
	})
}

// save keeps the rows, and returns what puts them back.
func (in *installation) save(t *testing.T) (restore func()) {
	t.Helper()
	in.exec(t, `CREATE TABLE saved AS SELECT * FROM audit_events`)
	return func() {
		t.Helper()
		in.exec(t, `DELETE FROM audit_events`)
		in.exec(t, `INSERT INTO audit_events SELECT * FROM saved`)
		in.exec(t, `DROP TABLE saved`)
	}
}

func (in *installation) mac(t *testing.T, sequence int64) (mac string) {
	t.Helper()
	err := in.db.SQL().QueryRowContext(t.Context(), `SELECT mac FROM audit_events WHERE chain = 1 AND sequence = $1`, sequence).Scan(&mac)
	if err != nil {
		t.Fatal(err)
	}
	return mac
}

func TestRemovedMovedAndAddedRowsAreFoundAndNamed(t *testing.T) {
	cases := []struct {
		name string
		do   []string
		want func(in *installation, t *testing.T) []string
	}{
		{
			"one in the middle",
			[]string{`DELETE FROM audit_events WHERE sequence = 5`},
			func(*installation, *testing.T) []string { return []string{"missing 1/5"} },
		},
		{
			"several",
			[]string{`DELETE FROM audit_events WHERE sequence IN (3, 4, 7)`},
			func(*installation, *testing.T) []string { return []string{"missing 1/3", "missing 1/7"} },
		},
		{
			"the first",
			[]string{`DELETE FROM audit_events WHERE sequence = 1`},
			func(*installation, *testing.T) []string { return []string{"missing 1/1"} },
		},
		{
			"the last",
			[]string{`DELETE FROM audit_events WHERE sequence = 10`},
			func(*installation, *testing.T) []string { return []string{"missing 1/10", "missing 1/10"} },
		}, // by the chain and by the head
		{
			"the last, and the end moved back",
			[]string{
				`UPDATE audit_chains SET sequence = 9, mac = (SELECT mac FROM audit_events WHERE sequence = 9)`,
				`DELETE FROM audit_events WHERE sequence = 10`,
			},
			func(*installation, *testing.T) []string { return []string{"missing 1/10", "missing 1/10"} },
		},
		{
			"all",
			[]string{`DELETE FROM audit_events`, `DELETE FROM audit_chains`},
			func(*installation, *testing.T) []string { return []string{"missing 1/1", "missing 1/10"} },
		},
		{
			"rows and heads",
			[]string{`DELETE FROM audit_events`, `DELETE FROM audit_chains`, `DELETE FROM audit_heads`},
			func(*installation, *testing.T) []string { return []string{"head", "missing 1/10"} },
		}, // by the file
		{
			"two swapped",
			[]string{
				`UPDATE audit_events SET sequence = 99 WHERE sequence = 4`,
				`UPDATE audit_events SET sequence = 4 WHERE sequence = 5`,
				`UPDATE audit_events SET sequence = 5 WHERE sequence = 99`,
			},
			// The row after them was chained to the one that now stands before it.
			func(in *installation, t *testing.T) []string {
				return []string{"altered 1/4 " + in.id(t, 4), "altered 1/5 " + in.id(t, 5), "altered 1/6 " + in.id(t, 6)}
			},
		},
		{
			"two swapped with their macs kept in place",
			[]string{
				`UPDATE audit_events SET mac = (SELECT b.mac FROM audit_events b WHERE b.sequence = 9 - audit_events.sequence) WHERE sequence IN (4, 5)`,
				`UPDATE audit_events SET sequence = 99 WHERE sequence = 4`,
				`UPDATE audit_events SET sequence = 4 WHERE sequence = 5`,
				`UPDATE audit_events SET sequence = 5 WHERE sequence = 99`,
			},
			func(in *installation, t *testing.T) []string {
				return []string{"altered 1/4 " + in.id(t, 4), "altered 1/5 " + in.id(t, 5)}
			},
		},
		{
			"one moved to another chain",
			[]string{`UPDATE audit_events SET chain = 2, sequence = 1 WHERE sequence = 5`},
			func(in *installation, t *testing.T) []string {
				var id string
				if err := in.db.SQL().QueryRowContext(t.Context(), `SELECT id FROM audit_events WHERE chain = 2`).Scan(&id); err != nil {
					t.Fatal(err)
				}
				return []string{"missing 1/5", "altered 2/1 " + id, "altered 2/1"}
			},
		},
		{
			"one added at the end",
			[]string{
				`INSERT INTO audit_events (id, at, actor_kind, actor_id, account_id, action, target, outcome, reason, request_id, address, detail, chain, sequence, mac)
			 SELECT 'new', at, actor_kind, actor_id, account_id, action, target, outcome, reason, request_id, address, detail, chain, 11, mac
			 FROM audit_events WHERE sequence = 10`,
			},
			func(*installation, *testing.T) []string { return []string{"altered 1/11 new", "altered 1/11"} },
		},
		{
			"one added, and the end moved on",
			[]string{
				`INSERT INTO audit_events (id, at, actor_kind, actor_id, account_id, action, target, outcome, reason, request_id, address, detail, chain, sequence, mac)
			 SELECT 'new', at, actor_kind, actor_id, account_id, action, target, outcome, reason, request_id, address, detail, chain, 11, mac
			 FROM audit_events WHERE sequence = 10`,
				`UPDATE audit_chains SET sequence = 11`,
			},
			func(*installation, *testing.T) []string { return []string{"altered 1/11 new"} },
		},
		{
			"one unlinked",
			[]string{`UPDATE audit_events SET chain = NULL, sequence = NULL, mac = NULL WHERE sequence = 5`},
			func(in *installation, t *testing.T) []string {
				var id string
				if err := in.db.SQL().QueryRowContext(t.Context(), `SELECT id FROM audit_events WHERE mac IS NULL`).Scan(&id); err != nil {
					t.Fatal(err)
				}
				return []string{"missing 1/5", "unlinked " + id}
			},
		},
		{
			"the end forged",
			[]string{`UPDATE audit_chains SET mac = 'x'`},
			func(*installation, *testing.T) []string { return []string{"altered 1/10"} },
		},
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		in.record(t, 10)
		in.stop(t)
		in.clock.add(time.Minute)
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				restore := in.saveAll(t)
				for _, statement := range c.do {
					in.exec(t, statement)
				}
				found(t, in.verify(t), c.want(in, t)...)
				restore()
				intact(t, in.verify(t), 10)
			})
		}
	})
}

// saveAll keeps all tables of the log, and returns what puts them back.
func (in *installation) saveAll(t *testing.T) (restore func()) {
	t.Helper()
	for _, table := range []string{"audit_events", "audit_chains", "audit_heads"} {
		in.exec(t, `CREATE TABLE saved_`+table+` AS SELECT * FROM `+table)
	}
	file, err := os.ReadFile(in.heads)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		for _, table := range []string{"audit_events", "audit_chains", "audit_heads"} {
			in.exec(t, `DELETE FROM `+table)
			in.exec(t, `INSERT INTO `+table+` SELECT * FROM saved_`+table)
			in.exec(t, `DROP TABLE saved_`+table)
		}
		if err := os.WriteFile(in.heads, file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRemovedAndForgedHeadsAreFound(t *testing.T) {
	forger := ed25519.NewKeyFromSeed(make([]byte, 32))
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		for range 4 {
			in.record(t, 5)
			in.stop(t)
			in.clock.add(time.Hour)
		}
		resign := func(t *testing.T, number int64, change func(payload string) string) {
			t.Helper()
			var payload string
			if err := d.SQL().QueryRowContext(t.Context(), `SELECT payload FROM audit_heads WHERE number = $1`, number).Scan(&payload); err != nil {
				t.Fatal(err)
			}
			payload = change(payload)
			sig := ed25519.Sign(forger, []byte("signet audit head v1\n"+payload))
			in.exec(t, `UPDATE audit_heads SET payload = $1, signature = $2 WHERE number = $3`, payload, base64.StdEncoding.EncodeToString(sig), number)
		}
		editFile := func(t *testing.T, change func(lines [][]byte) [][]byte) {
			t.Helper()
			b, err := os.ReadFile(in.heads)
			if err != nil {
				t.Fatal(err)
			}
			lines := change(bytes.SplitAfter(b, []byte("\n")))
			if err := os.WriteFile(in.heads, bytes.Join(lines, nil), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cases := []struct {
			name string
			do   func(t *testing.T)
			want []string
		}{
			{"middle removed", func(t *testing.T) { in.exec(t, `DELETE FROM audit_heads WHERE number = 2`) }, []string{"head", "head"}}, // gap, and the file has it
			{"first removed", func(t *testing.T) { in.exec(t, `DELETE FROM audit_heads WHERE number = 1`) }, []string{"head", "head"}},
			{"last removed", func(t *testing.T) { in.exec(t, `DELETE FROM audit_heads WHERE number = 4`) }, []string{"head"}}, // by the file
			{"payload changed", func(t *testing.T) {
				in.exec(t, `UPDATE audit_heads SET payload = replace(payload, '"sequence":10', '"sequence":11') WHERE number = 2`)
			}, []string{"head", "head"}},
			{"signed by another", func(t *testing.T) { resign(t, 2, func(p string) string { return p }) }, []string{"head"}},
			{"last signed by another", func(t *testing.T) {
				resign(t, 4, func(p string) string { return strings.Replace(p, `"sequence":20`, `"sequence":15`, 1) })
			}, []string{"head", "head"}},
			{"one in another's place", func(t *testing.T) {
				in.exec(t, `UPDATE audit_heads SET payload = (SELECT payload FROM audit_heads WHERE number = 2),
					signature = (SELECT signature FROM audit_heads WHERE number = 2) WHERE number = 3`)
			}, []string{"head", "head", "head"}}, // its place, what follows it, and the file
			{"tail removed with its heads", func(t *testing.T) {
				in.exec(t, `DELETE FROM audit_events WHERE sequence > 15`)
				in.exec(t, `DELETE FROM audit_heads WHERE number = 4`)
				in.exec(t, `UPDATE audit_chains SET sequence = 15, mac = $1`, in.mac(t, 15))
			}, []string{"head", "missing 1/20"}}, // by the file alone
			{"file line changed", func(t *testing.T) {
				editFile(t, func(l [][]byte) [][]byte {
					l[1] = bytes.Replace(l[1], []byte(`"sequence":10`), []byte(`"sequence":9`), 1)
					return l
				})
			}, []string{"head"}},
			{"file line torn", func(t *testing.T) {
				editFile(t, func(l [][]byte) [][]byte { l[3] = l[3][:50]; return l })
			}, []string{"head"}},
			{"file removed", func(t *testing.T) {
				if err := os.Remove(in.heads); err != nil {
					t.Fatal(err)
				}
			}, nil}, // files are rotated; what they had stands in the store
		}
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				restore := in.saveAll(t)
				c.do(t)
				found(t, in.verify(t), c.want...)
				restore()
				intact(t, in.verify(t), 20)
			})
		}
	})
}

func TestNothingIsSignedOverATamperedLog(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		in.record(t, 5)
		in.stop(t)
		in.exec(t, `DELETE FROM audit_events WHERE sequence > 3`)
		in.exec(t, `UPDATE audit_chains SET sequence = 3, mac = $1`, in.mac(t, 3))
		in.stop(t)
		if r := in.verify(t); r.OK() || r.Heads != 2 {
			t.Errorf("got %+v, want the old head and findings", r)
		}
		in.clock.add(time.Hour)
		if n, err := in.log.Prune(t.Context(), in.clock.now()); !errors.Is(err, audit.ErrTampered) || n != 0 {
			t.Errorf("prune: got %d %v, want ErrTampered", n, err)
		}

		in.record(t, 5) // the chain grows past where it was
		in.stop(t)
		if r := in.verify(t); r.OK() || r.Heads != 2 {
			t.Errorf("after it grew: got %+v, want the old head and findings", r)
		}
		if n, err := in.log.Prune(t.Context(), in.clock.now()); !errors.Is(err, audit.ErrTampered) || n != 0 {
			t.Errorf("prune after it grew: got %d %v, want ErrTampered", n, err)
		}
	})
}

func TestLineThatACrashToreIsMendedAtTheNextStart(t *testing.T) {
	in := install(t, dbtest.SQLite(t))
	for range 2 {
		in.record(t, 3)
		in.stop(t)
		in.clock.add(time.Hour)
	}
	b, err := os.ReadFile(in.heads)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in.heads, b[:len(b)-20], 0o600); err != nil {
		t.Fatal(err)
	}
	in.log = in.instance(in.db, audit.Options{HeadsFile: in.heads}) // the next start
	in.stop(t)
	after, err := os.ReadFile(in.heads)
	if err != nil || !bytes.Equal(after, b) {
		t.Errorf("got %q %v, want %q", after, err, b)
	}
	intact(t, in.verify(t), 6)
}

func TestEachInstancesFileHasAllHeads(t *testing.T) {
	in := install(t, dbtest.SQLite(t))
	in.record(t, 3)
	in.stop(t)
	other := filepath.Join(t.TempDir(), "other")
	in.log = in.instance(in.db, audit.Options{HeadsFile: other})
	in.record(t, 3)
	in.clock.add(time.Hour)
	in.stop(t)
	b, err := os.ReadFile(other)
	if err != nil || bytes.Count(b, []byte("\n")) != 2 {
		t.Errorf("got %q %v, want both heads", b, err)
	}
}

func TestPrunedLogVerifiesAndOtherRemovalsAreFound(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		for range 4 {
			in.record(t, 5)
			in.stop(t)
			in.clock.add(24 * time.Hour)
		}
		n, err := in.log.Prune(t.Context(), in.clock.now().Add(-50*time.Hour))
		if err != nil || n != 10 {
			t.Fatalf("prune: got %d rows %v, want 10", n, err)
		}
		intact(t, in.verify(t), 10)

		in.record(t, 5)
		in.stop(t)
		r := in.verify(t)
		intact(t, r, 15)
		if n, err := in.log.Prune(t.Context(), in.clock.now().Add(-50*time.Hour)); err != nil || n != 0 {
			t.Errorf("second prune: got %d rows %v, want 0", n, err)
		}

		restore := in.saveAll(t)
		in.exec(t, `DELETE FROM audit_events WHERE sequence = 11`)
		found(t, in.verify(t), "missing 1/11")
		restore()

		// A row before the cut that is put back does not count, and one is no proof of anything.
		in.exec(t, `DELETE FROM audit_events WHERE sequence <= 15`)
		found(t, in.verify(t), "missing 1/11", "missing 1/15")
	})
}

func TestPruneThatWasInterruptedIsFinishedByTheNext(t *testing.T) {
	in := install(t, dbtest.SQLite(t))
	in.record(t, 10)
	in.stop(t)
	in.saveAll(t)
	in.clock.add(24 * time.Hour)
	if _, err := in.log.Prune(t.Context(), in.clock.now()); err != nil {
		t.Fatal(err)
	}
	in.exec(t, `INSERT INTO audit_events SELECT * FROM saved_audit_events`) // the cut is signed, the rows are still there
	intact(t, in.verify(t), 0)
	if n, err := in.log.Prune(t.Context(), in.clock.now()); err != nil || n != 10 {
		t.Errorf("got %d rows %v, want 10", n, err)
	}
	intact(t, in.verify(t), 0)
}

func TestForgedRowsAreNotPrunedAway(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		in.record(t, 10)
		in.stop(t)
		in.clock.add(24 * time.Hour)
		in.exec(t, `UPDATE audit_events SET target = 'x' WHERE sequence = 4`)
		if n, err := in.log.Prune(t.Context(), in.clock.now()); !errors.Is(err, audit.ErrTampered) || n != 0 {
			t.Errorf("got %d rows %v, want ErrTampered", n, err)
		}
	})
}
