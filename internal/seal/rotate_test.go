package seal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/seal"
)

// vault is a table of sealed values with a key of two columns, and what its
// values should open to.
type vault struct {
	d    *db.DB
	path string
	want map[string]string // account/host -> secret
}

var vaultColumn = seal.Column{
	Table: "vault", Name: "secret", ID: []string{"account", "number"}, With: []string{"host"},
	Context: func(v []string) string { return vaultContext(v[0], v[1], v[2]) },
}

func vaultContext(account, number, host string) string {
	return seal.Context("vault", "secret", account, number, host)
}

func newVault(t *testing.T, d *db.DB, rows int) *vault {
	t.Helper()
	blob := map[db.Dialect]string{db.SQLite: "BLOB", db.Postgres: "BYTEA"}[d.Dialect()]
	_, err := d.SQL().ExecContext(t.Context(), `CREATE TABLE vault (
		account TEXT NOT NULL, number INTEGER NOT NULL, host TEXT NOT NULL, secret `+blob+`, PRIMARY KEY (account, number))`)
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{d: d, path: filepath.Join(t.TempDir(), "master.key"), want: map[string]string{}}
	if _, err := seal.LoadOrCreate(v.path, true); err != nil {
		t.Fatal(err)
	}
	s := v.sealer(t)
	err = d.Update(t.Context(), func(tx *db.Tx) error {
		for i := range rows {
			if err := v.put(t.Context(), tx, s, fmt.Sprintf("a%d", i%7), i); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(t.Context(), `INSERT INTO vault (account, number, host) VALUES ('empty', 0, 'h')`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *vault) put(ctx context.Context, tx *db.Tx, s *seal.Sealer, account string, number int) error {
	host := fmt.Sprintf("h%d.example", number)
	secret := fmt.Sprintf("secret of %s %d", account, number)
	sealed, err := s.Seal([]byte(secret), vaultContext(account, fmt.Sprint(number), host))
	if err != nil {
		return err
	}
	v.want[fmt.Sprintf("%s/%d", account, number)] = secret
	_, err = tx.ExecContext(ctx, `INSERT INTO vault (account, number, host, secret) VALUES ($1, $2, $3, $4)`, account, number, host, sealed)
	return err
}

// sealer is a new instance: file and store as they are now.
func (v *vault) sealer(t *testing.T) *seal.Sealer {
	t.Helper()
	r, err := seal.LoadOrCreate(v.path, false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := seal.Attach(t.Context(), v.d, r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// check opens every value with s and returns how many are under each key.
func (v *vault) check(t *testing.T, s *seal.Sealer) map[string]int {
	t.Helper()
	under := map[string]int{}
	rows, err := v.d.SQL().QueryContext(t.Context(), `SELECT account, number, host, secret FROM vault WHERE secret IS NOT NULL`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var account, number, host string
		var sealed []byte
		if err := rows.Scan(&account, &number, &host, &sealed); err != nil {
			t.Fatal(err)
		}
		got, err := s.Open(sealed, vaultContext(account, number, host))
		if want := v.want[account+"/"+number]; err != nil || string(got) != want {
			t.Fatalf("%s/%s: got %q, %v; want %q", account, number, got, err, want)
		}
		under[seal.KeyID(sealed)]++
		n++
	}
	if err := rows.Err(); err != nil || n != len(v.want) {
		t.Fatalf("got %d rows, %v; want %d", n, err, len(v.want))
	}
	return under
}

func (v *vault) current(t *testing.T) string {
	t.Helper()
	r, err := seal.LoadOrCreate(v.path, false)
	if err != nil {
		t.Fatal(err)
	}
	return currentID(t, r)
}

func (v *vault) rotate(ctx context.Context, progress func(done, total int)) error {
	return seal.Rotate(ctx, v.d, v.path, []seal.Column{vaultColumn}, progress)
}

func TestRotationBringsEveryValueUnderANewKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		v := newVault(t, d, 450)
		running := v.sealer(t)
		first, derived := v.current(t), string(running.Derive("audit"))
		var last, total int
		if err := v.rotate(t.Context(), func(done, all int) { last, total = done, all }); err != nil {
			t.Fatal(err)
		}
		second := v.current(t)
		if second == first {
			t.Error("the key is the same as before")
		}
		if last != 451 || total != 451 { // with the root
			t.Errorf("progress ended at %d of %d, want 451 of 451", last, total)
		}
		for name, s := range map[string]*seal.Sealer{"running": running, "new": v.sealer(t)} {
			if under := v.check(t, s); under[second] != 450 {
				t.Errorf("%s instance: values are under %v, want 450 under %s", name, under, second)
			}
			if string(s.Derive("audit")) != derived {
				t.Errorf("%s instance: the derived key changed with the master key", name)
			}
			if sealed, _ := s.Seal(nil, where); seal.KeyID(sealed) != second {
				t.Errorf("%s instance seals under %s, want %s", name, seal.KeyID(sealed), second)
			}
		}
		if string(running.Derive("audit")) == string(running.Derive("nonce")) || len(derived) != 32 {
			t.Error("labels do not separate derived keys")
		}
	})
}

func TestRotationThatEndsAtAnyStepLosesNothingAndIsFinishedByTheNext(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		v := newVault(t, d, 220)
		running := v.sealer(t)
		derived := string(running.Derive("audit"))
		crash := errors.New("crash")
		now := time.Now()
		steps := map[string]bool{}
		for n := 1; ; n++ {
			now = now.Add(2 * time.Hour) // so that replaced keys are dropped, too
			left := n
			err := seal.RotateUntil(t.Context(), d, v.path, []seal.Column{vaultColumn}, now, func(step string) error {
				steps[step] = true
				if left--; left == 0 {
					return crash
				}
				return nil
			})
			if err != nil && !errors.Is(err, crash) {
				t.Fatalf("rotation that was to end at step %d: %v", n, err)
			}
			ended := errors.Is(err, crash)
			v.check(t, running)
			fresh := v.sealer(t)
			v.check(t, fresh)
			if string(fresh.Derive("audit")) != derived {
				t.Fatalf("step %d: the derived key changed", n)
			}
			// What is sealed in this state must outlive the next rotation.
			err = d.Update(t.Context(), func(tx *db.Tx) error { return v.put(t.Context(), tx, running, "during", n) })
			if err != nil {
				t.Fatal(err)
			}
			if err := seal.RotateUntil(t.Context(), d, v.path, []seal.Column{vaultColumn}, now, func(string) error { return nil }); err != nil {
				t.Fatalf("rotation after the one that ended at step %d: %v", n, err)
			}
			if under := v.check(t, v.sealer(t)); under[v.current(t)] != len(v.want) {
				t.Fatalf("step %d: values are under %v, want all under %s", n, under, v.current(t))
			}
			if !ended {
				break
			}
		}
		for _, step := range []string{"added", "known", "batch", "promoted", "retired", "dropped"} {
			if !steps[step] {
				t.Errorf("no rotation ended at %q: nothing was shown of it", step)
			}
		}
		text, _ := os.ReadFile(v.path)
		if n := strings.Count(string(text), " old\n"); n > 2 {
			t.Errorf("the file still holds %d old keys:\nwant those of the last hour only", n)
		}
	})
}

func TestInstancesSealWhileARotationRuns(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		v := newVault(t, d, 300)
		running := v.sealer(t)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				err := d.Update(t.Context(), func(tx *db.Tx) error {
					if i%2 == 0 {
						return v.put(t.Context(), tx, running, "during", i)
					}
					// Changing a value must not be undone by the rotation.
					sealed, err := running.Seal([]byte("changed"), vaultContext("a1", "1", "h1.example"))
					if err != nil {
						return err
					}
					v.want["a1/1"] = "changed"
					_, err = tx.ExecContext(t.Context(), `UPDATE vault SET secret = $1 WHERE account = 'a1' AND number = 1`, sealed)
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
		for range 3 {
			if err := v.rotate(t.Context(), func(int, int) {}); err != nil {
				t.Error(err)
			}
		}
		close(stop)
		wg.Wait()
		v.check(t, running)
		v.check(t, v.sealer(t))
	})
}

func TestDamagedValueIsNamedAndKeepsItsKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		v := newVault(t, d, 10)
		first := v.current(t)
		if _, err := d.SQL().ExecContext(t.Context(), `UPDATE vault SET host = 'moved' WHERE account = 'a3' AND number = 3`); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			now := time.Now().Add(time.Duration(i) * 2 * time.Hour)
			err := seal.RotateUntil(t.Context(), d, v.path, []seal.Column{vaultColumn}, now, func(string) error { return nil })
			if !errors.Is(err, seal.ErrUnreadable) || !strings.Contains(err.Error(), "vault.secret a3 3") {
				t.Fatalf("got %v, want ErrUnreadable that names vault.secret a3 3", err)
			}
		}
		if _, err := d.SQL().ExecContext(t.Context(), `UPDATE vault SET host = 'h3.example' WHERE account = 'a3' AND number = 3`); err != nil {
			t.Fatal(err)
		}
		under := v.check(t, v.sealer(t))
		if under[first] != 1 || under[v.current(t)] != 9 {
			t.Errorf("values are under %v, want 1 under %s and 9 under %s", under, first, v.current(t))
		}
	})
}

func TestStoreRefusesForeignKeys(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		key, other := seal.NewKey(), seal.NewKey()
		if _, err := seal.Attach(t.Context(), d, seal.NewRing(key)); err != nil {
			t.Fatal(err)
		}
		tests := []struct {
			name string
			ring *seal.Ring
			ok   bool
		}{
			{"the same", seal.NewRing(key), true},
			{"the same and one more", seal.NewRing(key, other), true},
			{"another", seal.NewRing(other), false},
			{"another with the same id", seal.NewRing(seal.Impostor(key)), false},
			{"one more, which seals", seal.NewRing(other, key), false},
		}
		for _, tt := range tests {
			_, err := seal.Attach(t.Context(), d, tt.ring)
			if tt.ok && err != nil || !tt.ok && !errors.Is(err, seal.ErrForeign) {
				t.Errorf("%s: got %v, want accepted %t", tt.name, err, tt.ok)
			}
		}
	})
}

func TestInstancesThatAttachTogetherAgree(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		key := seal.NewKey()
		derived := make([]string, 8)
		var wg sync.WaitGroup
		for i := range derived {
			wg.Go(func() {
				s, err := seal.Attach(t.Context(), d, seal.NewRing(key))
				if err != nil {
					t.Error(err)
					return
				}
				derived[i] = string(s.Derive("audit"))
			})
		}
		wg.Wait()
		for _, k := range derived {
			if k != derived[0] {
				t.Fatal("instances derive different keys")
			}
		}
	})
}

func TestSecondRotationAtTheSameTimeIsRefused(t *testing.T) {
	v := newVault(t, dbtest.SQLite(t), 1)
	var inner error
	err := seal.RotateUntil(t.Context(), v.d, v.path, []seal.Column{vaultColumn}, time.Now(), func(step string) error {
		if step == "known" {
			inner = v.rotate(t.Context(), func(int, int) {})
		}
		return nil
	})
	if err != nil || !errors.Is(inner, seal.ErrRotating) {
		t.Errorf("got %v and %v, want nil and ErrRotating", err, inner)
	}
}

func TestAnnouncedKeyIsTheOneRotatedTo(t *testing.T) {
	v := newVault(t, dbtest.SQLite(t), 1)
	for range 2 {
		if err := seal.Announce(v.path); err != nil {
			t.Fatal(err)
		}
	}
	// The other machine has a copy of the file, which nobody changes during the rotation.
	text, err := os.ReadFile(v.path)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := seal.ParseRing(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.rotate(t.Context(), func(int, int) {}); err != nil {
		t.Fatal(err)
	}
	v.check(t, seal.New(copied))
	if n := strings.Count(string(text), " next\n"); n != 1 {
		t.Errorf("announced twice: %d keys wait, want 1", n)
	}
}
