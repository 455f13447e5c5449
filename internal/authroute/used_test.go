package authroute

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
)

func TestUseOfAKeyIsNotedOnceADay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var (
			known, unknown = strings.Repeat("1", 64), strings.Repeat("2", 64)
			noon           = time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)
		)
		addKey(t, d, known)
		record := func(v *Verdicts, one Verification) {
			if err := v.Record(t.Context(), one); err != nil {
				t.Fatal(err)
			}
		}
		// Two instances at a time, and one that starts anew.
		stopFirst, first := startVerdicts(t, d)
		stopSecond, second := startVerdicts(t, d)
		for day := range 3 {
			for n := range 5 {
				at := noon.Add(time.Duration(day*24+n) * time.Hour)
				for _, v := range []*Verdicts{first, second} {
					record(v, Verification{Result: Fail, Cause: Revoked, KeyID: known, At: at, hosted: true})
					record(v, Verification{Result: Pass, KeyID: known, At: at, hosted: true, QueueID: "Q1", ClientAddress: "192.0.2.1"})
					record(v, Verification{Result: Pass, KeyID: unknown, At: at, hosted: true})
				}
			}
		}
		stopFirst()
		stopSecond()
		stopThird, third := startVerdicts(t, d)
		record(third, Verification{Result: Pass, KeyID: known, At: noon.Add(58 * time.Hour), hosted: true})
		record(third, Verification{Result: Pass, KeyID: known, At: noon.Add(59 * time.Hour)}) // found in the DNS
		stopThird()

		rows, err := d.SQL().QueryContext(t.Context(), `SELECT key_id, event_type, event_data FROM authroute_key_events`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		count := 0
		for rows.Next() {
			var id, what, data string
			if err := rows.Scan(&id, &what, &data); err != nil {
				t.Fatal(err)
			}
			if id != known || what != "used" || data != `{"client_address":"192.0.2.1","queue_id":"Q1"}` {
				t.Errorf("got %s %s %s", id, what, data)
			}
			count++
		}
		if count != 3 || rows.Err() != nil {
			t.Errorf("%d events for three days, %v", count, rows.Err())
		}
	})
}

func startVerdicts(t *testing.T, d *db.DB) (stop func(), v *Verdicts) {
	t.Helper()
	v, err := NewVerdicts(d, audit.Discard, NewMetrics(prometheus.NewRegistry(), Sources{}), VerdictsConfig{CounterFile: filepath.Join(t.TempDir(), "counter")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		_ = v.Close()
	}, v
}

// addKey puts a row into the registry's table.
func addKey(t *testing.T, d *db.DB, id string) {
	t.Helper()
	err := d.Update(t.Context(), func(tx *db.Tx) error {
		now := db.Now(time.Now())
		if _, err := tx.ExecContext(t.Context(), `INSERT INTO users (id, display_name, created_at) VALUES ('alice', 'Alice', $1)`, now); err != nil {
			return err
		}
		_, err := tx.ExecContext(t.Context(), `
			INSERT INTO authroute_keys (user_id, key_type, key_id, address, public_key, created_at, sequence)
			VALUES ('alice', 'subkey', $1, 'alice@example.org', 'x', $2, 1)`, id, now)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBatchThatIsThereAlreadyIsNotWrittenAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		v, err := NewVerdicts(d, audit.Discard, NewMetrics(prometheus.NewRegistry(), Sources{}), VerdictsConfig{CounterFile: filepath.Join(t.TempDir(), "counter")})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		batches := [][]*Verification{nil, nil}
		for i := range batches {
			for range 70 {
				one := &Verification{Result: Pass, Instance: "1", QueueID: "Q", At: time.Unix(1_800_000_000, 0)}
				v.number(one)
				batches[i] = append(batches[i], one)
			}
		}
		for _, again := range []bool{false, true, true} { // the answer to the first commit was lost
			for _, batch := range batches {
				if err := v.saveOnce(t.Context(), batch, again); err != nil {
					t.Fatal(err)
				}
			}
		}
		var n int
		if err := d.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM authroute_verifications`).Scan(&n); err != nil || n != 140 {
			t.Errorf("%d rows, %v, want 140", n, err)
		}
	})
}

func TestTransactionsOfVerdictsAreBounded(t *testing.T) {
	d := dbtest.Postgres(t)
	for _, statement := range []string{
		`CREATE TABLE transactions (number BIGINT)`,
		`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN INSERT INTO transactions VALUES (txid_current()); RETURN NULL; END $$`,
		`CREATE TRIGGER note AFTER INSERT ON authroute_verifications FOR EACH ROW EXECUTE FUNCTION note()`,
	} {
		if _, err := d.SQL().ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	v, err := NewVerdicts(d, audit.Discard, NewMetrics(prometheus.NewRegistry(), Sources{}), VerdictsConfig{CounterFile: filepath.Join(t.TempDir(), "counter")})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	all := make([]*Verification, 2*verdictBatch+1)
	for i := range all {
		all[i] = &Verification{Result: Pass, Instance: "1", QueueID: "Q", At: time.Unix(1_800_000_000, 0)}
		v.number(all[i])
	}
	if !v.saveAll(t.Context(), all) || v.counter.open() != 0 {
		t.Errorf("%d rows are left", v.counter.open())
	}
	var rows, transactions int
	err = d.SQL().QueryRowContext(t.Context(), `SELECT count(*), count(DISTINCT number) FROM transactions`).Scan(&rows, &transactions)
	if err != nil || rows != len(all) || transactions != 3 {
		t.Errorf("%d rows in %d transactions, %v, want %d in 3", rows, transactions, err, len(all))
	}
}
