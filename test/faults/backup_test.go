package faults_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	signettest "signet/test/signet"
)

// Killed at any moment under load, signet backup leaves nothing that looks like a
// backup and is none.
func TestKilledBackupLeavesNothingThatLooksWhole(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, url string) {
		s := newSite(t, signettest.Options{StoreURL: url})
		l := s.startLoad(t, s.signet)
		dir := t.TempDir()
		k := newKiller(t, s.Installation, "backup", filepath.Join(dir, "first"))
		for n := range size(6, 50) {
			to := filepath.Join(dir, fmt.Sprint(n))
			ended := k.run(s.Installation, "backup", to)
			if _, err := os.Stat(to); errors.Is(err, fs.ErrNotExist) && !ended {
				continue
			}
			s.Run("restore", "--check", to)
		}
		l.end()
		s.verify(t, s.signet)
		k.report(t)
	})
}

// Killed at any moment, signet restore leaves the store as it was or as it was backed
// up; run again it finishes, and everything that was answered before the backup is
// there.
func TestKilledRestoreIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, url string) {
		s := newSite(t, signettest.Options{StoreURL: url})
		states := []saved{s.save(t, filepath.Join(t.TempDir(), "first")), s.save(t, filepath.Join(t.TempDir(), "second"))}
		s.signet.Stop()
		k := newKiller(t, s.Installation, "restore", "--force", states[0].dir)
		for n := range size(6, 50) {
			before, after := states[n%2], states[(n+1)%2]
			k.run(s.Installation, "restore", "--force", after.dir)
			if got := s.countKeys(t); got != before.keys && got != after.keys {
				t.Fatalf("the store has %d keys, want %d as before or %d as restored", got, before.keys, after.keys)
			}
			s.Run("restore", "--force", after.dir)
			if got := s.countKeys(t); got != after.keys {
				t.Fatalf("restored %d keys, want %d", got, after.keys)
			}
			s.signet.Restart()
			s.verifyKeys(t, s.signet, after.told)
			s.verifyRefusals(t, s.signet, after.told)
			s.verifyAudit(t, after.told)
			s.verifySealed(t, "")
			s.signet.Stop()
		}
		k.report(t)
	})
}

// saved is a backup, and what had been answered when it was made.
type saved struct {
	dir  string
	keys int
	told *ledger
}

// save puts load on the site for a while and backs it up.
func (s *site) save(t *testing.T, dir string) saved {
	t.Helper()
	l := s.startLoad(t, s.signet)
	s.more(t, "PREPEND", 100, 20*time.Second)
	l.end()
	s.verify(t, s.signet)
	s.Run("backup", dir)
	return saved{dir, s.countKeys(t), s.snapshot()}
}

func (s *site) countKeys(t *testing.T) (n int) {
	t.Helper()
	d := s.Store(t)
	defer d.Close()
	if err := d.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM authroute_keys`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
