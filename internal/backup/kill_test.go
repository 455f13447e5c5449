package backup_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/internal/backup"
	"signet/internal/db"
	"signet/internal/db/dbtest"
)

// TestMain runs, in a process that a test started to be killed, what it asks for.
func TestMain(m *testing.M) {
	args := strings.Fields(os.Getenv("SIGNET_TEST_VICTIM"))
	if len(args) == 0 {
		os.Exit(m.Run())
	}
	fmt.Fprintln(os.Stderr, victim(args))
	os.Exit(1)
}

// victim backs up or restores until it is killed.
func victim(args []string) error {
	ctx := context.Background()
	for i := 0; ; i++ {
		switch args[0] {
		case "backup":
			d, err := db.Open(ctx, args[1])
			if err != nil {
				return err
			}
			if _, err := backup.Backup(ctx, d, filepath.Join(args[2], fmt.Sprint(os.Getpid(), "-", i)), backup.Options{}); err != nil {
				return err
			}
			if err := d.Close(); err != nil {
				return err
			}
		case "restore":
			src := args[3+i%2]
			if _, err := backup.Restore(ctx, src, args[1], backup.RestoreOptions{KeyFile: args[2], Force: true}); err != nil {
				return err
			}
		}
		fmt.Fprintln(os.Stdout, "done") // so that it is killed in the middle, not before
	}
}

// kill starts a victim and kills it a random while after its first round.
func kill(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "SIGNET_TEST_VICTIM="+strings.Join(args, " "))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1)
	if _, err := out.Read(first); err != nil {
		t.Fatalf("victim: %v: %s", err, stderr.String())
	}
	<-time.After(rand.N(150 * time.Millisecond))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatalf("victim ended by itself: %v: %s", err, stderr.String())
	}
	_ = cmd.Wait() // killed
}

const kills = 8

func TestKilledBackupNeverLooksLikeOne(t *testing.T) {
	eachURL(t, func(t *testing.T, from, _ string) {
		in := install(t, from, filepath.Join(t.TempDir(), "master.key"))
		in.record(t, 5000)
		parent := t.TempDir()
		for range kills {
			kill(t, "backup", from, parent)
		}
		list, err := os.ReadDir(parent)
		if err != nil {
			t.Fatal(err)
		}
		whole := 0
		for _, e := range list {
			if strings.HasPrefix(e.Name(), ".") {
				if _, err := backup.Check(filepath.Join(parent, e.Name())); err == nil {
					continue // killed between the last sync and the rename: whole, and merely unnamed
				}
				continue
			}
			if _, err := backup.Check(filepath.Join(parent, e.Name())); err != nil {
				t.Errorf("%s: %v", e.Name(), err)
			}
			whole++
		}
		if whole < kills {
			t.Errorf("got %d whole backups, want at least %d", whole, kills)
		}
	})
}

func TestKilledRestoreLeavesTheOldStoreOrTheNewOne(t *testing.T) {
	eachURL(t, func(t *testing.T, from, to string) {
		in := install(t, from, filepath.Join(t.TempDir(), "master.key"))
		var backups [2]string
		for i := range backups {
			in.record(t, 1000)
			backups[i] = filepath.Join(t.TempDir(), "b")
			if _, err := backup.Backup(t.Context(), in.db, backups[i], backup.Options{}); err != nil {
				t.Fatal(err)
			}
		}
		for range kills {
			kill(t, "restore", to, in.keyFile, backups[0], backups[1])
			awaitAlone(t, to)
			after := install(t, to, in.keyFile)
			if n := after.rows(t); n != 1000 && n != 2000 {
				t.Errorf("got %d rows, want 1000 or 2000", n)
			}
			if err := after.db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func BenchmarkBackup(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLiteURL, "postgres": dbtest.PostgresURL} {
		b.Run(name, func(b *testing.B) {
			in := install(b, url(b), filepath.Join(b.TempDir(), "master.key"))
			in.record(b, 20_000)
			for i := range b.N {
				if _, err := backup.Backup(b.Context(), in.db, filepath.Join(b.TempDir(), fmt.Sprint(i)), backup.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// awaitAlone returns once nobody else is at the store: PostgreSQL ends the session of
// a client that was killed only when it next wants to answer it, and until then its
// transaction holds locks.
func awaitAlone(t *testing.T, url string) {
	t.Helper()
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Dialect() == db.SQLite {
		return
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); ; <-tick.C {
		var others int
		err := d.SQL().QueryRowContext(t.Context(), `
			SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`).Scan(&others)
		if err == nil && others == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d other sessions are at the store after 20 s, %v", others, err)
		}
	}
}
