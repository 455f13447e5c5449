package backup_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/internal/audit"
	"signet/internal/backup"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/node"
	"signet/internal/seal"
)

// eachURL runs f with two migrated stores of each engine.
func eachURL(t *testing.T, f func(t *testing.T, from, to string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		f(t, dbtest.SQLiteURL(t), "sqlite:"+filepath.Join(t.TempDir(), "new", "signet.db"))
	})
	t.Run("postgres", func(t *testing.T) { f(t, dbtest.PostgresURL(t), dbtest.EmptyPostgresURL(t)) })
}

// installation is a store with keys, a node and an audit log.
type installation struct {
	db      *db.DB
	keyFile string
	node    *node.Node
	log     *audit.Log
}

func open(t testing.TB, url string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func install(t testing.TB, url, keyFile string) *installation {
	t.Helper()
	in := &installation{db: open(t, url), keyFile: keyFile}
	ring, err := seal.LoadOrCreate(keyFile, true)
	if err != nil {
		t.Fatal(err)
	}
	s, err := seal.Attach(t.Context(), in.db, ring)
	if err != nil {
		t.Fatal(err)
	}
	if in.node, err = node.Load(t.Context(), in.db, s); err != nil {
		t.Fatal(err)
	}
	in.log = audit.New(in.db, [32]byte(s.Derive("audit")), in.node, audit.Options{})
	return in
}

func (in *installation) record(t testing.TB, n int) {
	t.Helper()
	err := in.db.Update(t.Context(), func(tx *db.Tx) error {
		for i := range n {
			if err := in.log.Record(t.Context(), tx, audit.Event{Action: "test.row", Target: fmt.Sprint(i), Detail: strings.Repeat("x", 500)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.log.Link(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (in *installation) rows(t testing.TB) int64 {
	t.Helper()
	r, err := in.log.Verify(t.Context())
	if err != nil || !r.OK() {
		t.Fatalf("audit log: %+v %v", r.Findings, err)
	}
	return r.Rows
}

func TestRestoredInstallationIsTheSame(t *testing.T) {
	eachURL(t, func(t *testing.T, from, to string) {
		in := install(t, from, filepath.Join(t.TempDir(), "master.key"))
		in.record(t, 300)
		dst := filepath.Join(t.TempDir(), "b")
		m, err := backup.Backup(t.Context(), in.db, dst, backup.Options{Version: "1.2.3", WithKey: true, KeyFile: in.keyFile})
		if err != nil {
			t.Fatalf("backup: %v", err)
		}
		in.record(t, 5) // after it

		schema, err := in.db.SchemaVersion(t.Context())
		if err != nil || m.Version != "1.2.3" || m.Engine != in.db.Dialect().String() || m.Schema != schema || len(m.Keys) != 1 || len(m.Files) != 2 {
			t.Errorf("manifest: got %+v %v", m, err)
		}
		keyFile := filepath.Join(t.TempDir(), "etc", "master.key")
		if _, err := backup.Restore(t.Context(), dst, to, backup.RestoreOptions{KeyFile: keyFile}); err != nil {
			t.Fatalf("restore: %v", err)
		}
		restored := install(t, to, keyFile)
		if n := restored.rows(t); n != 300 {
			t.Errorf("got %d rows, want the 300 from before the backup", n)
		}
		if !restored.node.Public().Equal(in.node.Public()) {
			t.Error("the installation has another key than before")
		}
		if err := restored.db.CheckMigrated(t.Context()); err != nil {
			t.Errorf("schema: %v", err)
		}
		restored.record(t, 5)
		if n := restored.rows(t); n != 305 {
			t.Errorf("got %d rows, want the log to go on to 305", n)
		}
	})
}

func TestBackupIsForItsOwnerOnly(t *testing.T) {
	eachURL(t, func(t *testing.T, from, _ string) {
		in := install(t, from, filepath.Join(t.TempDir(), "master.key"))
		parent := t.TempDir()
		if _, err := backup.Backup(t.Context(), in.db, filepath.Join(parent, "b"), backup.Options{WithKey: true, KeyFile: in.keyFile}); err != nil {
			t.Fatal(err)
		}
		err := filepath.WalkDir(filepath.Join(parent, "b"), func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if list, err := os.ReadDir(parent); err != nil || len(list) != 1 {
			t.Errorf("got %v %v, want the backup alone", list, err)
		}
	})
}

func TestBackupRunsBesideWriters(t *testing.T) {
	eachURL(t, func(t *testing.T, from, to string) {
		in := install(t, from, filepath.Join(t.TempDir(), "master.key"))
		in.record(t, 3000)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan int, 1)
		go func() {
			n := 0
			for ctx.Err() == nil {
				if err := in.log.RecordAlone(context.WithoutCancel(ctx), audit.Event{Action: "test.beside"}); err != nil {
					t.Errorf("write beside the backup: %v", err)
				}
				n++
			}
			ended <- n
		}()
		dst := filepath.Join(t.TempDir(), "b")
		_, err := backup.Backup(t.Context(), in.db, dst, backup.Options{})
		cancel()
		if n := <-ended; err != nil || n < 2 {
			t.Fatalf("backup: %v, with %d writes beside it", err, n)
		}
		if _, err := backup.Restore(t.Context(), dst, to, backup.RestoreOptions{KeyFile: in.keyFile}); err != nil {
			t.Fatal(err)
		}
		if n := install(t, to, in.keyFile).rows(t); n != 3000 {
			t.Errorf("got %d linked rows, want 3000", n)
		}
	})
}

func TestBackupNeverReplacesAnything(t *testing.T) {
	in := install(t, dbtest.SQLiteURL(t), filepath.Join(t.TempDir(), "master.key"))
	dst := t.TempDir()
	if _, err := backup.Backup(t.Context(), in.db, dst, backup.Options{}); !errors.Is(err, backup.ErrExists) {
		t.Errorf("got %v, want ErrExists", err)
	}
	if _, err := backup.Backup(t.Context(), in.db, filepath.Join(dst, "b"), backup.Options{WithKey: true}); !errors.Is(err, backup.ErrNoKey) {
		t.Errorf("key from the environment: got %v, want ErrNoKey", err)
	}
}

func TestBackupThatFailsLeavesNothing(t *testing.T) {
	eachURL(t, func(t *testing.T, from, _ string) {
		in := install(t, from, filepath.Join(t.TempDir(), "master.key"))
		parent := t.TempDir()
		_, err := backup.Backup(t.Context(), in.db, filepath.Join(parent, "b"), backup.Options{WithKey: true, KeyFile: "/nonexistent"})
		if list, _ := os.ReadDir(parent); err == nil || len(list) != 0 {
			t.Errorf("got %v and %v, want an error and nothing", err, list)
		}
	})
}

func TestStoreThatIsNotEmptyIsReplacedOnlyByForce(t *testing.T) {
	eachURL(t, func(t *testing.T, from, _ string) {
		in := install(t, from, filepath.Join(t.TempDir(), "master.key"))
		in.record(t, 10)
		dst := filepath.Join(t.TempDir(), "b")
		if _, err := backup.Backup(t.Context(), in.db, dst, backup.Options{}); err != nil {
			t.Fatal(err)
		}
		in.record(t, 5)
		// A table of a later release, which stands in the way of those that it refers to.
		if _, err := in.db.SQL().ExecContext(t.Context(), `CREATE TABLE later (id TEXT REFERENCES audit_events (id))`); err != nil {
			t.Fatal(err)
		}
		if err := in.db.Close(); err != nil {
			t.Fatal(err)
		}
		o := backup.RestoreOptions{KeyFile: in.keyFile}
		if _, err := backup.Restore(t.Context(), dst, from, o); !errors.Is(err, backup.ErrNotEmpty) {
			t.Fatalf("got %v, want ErrNotEmpty", err)
		}
		refused := install(t, from, in.keyFile)
		if n := refused.rows(t); n != 15 {
			t.Fatalf("after the refusal: got %d rows, want 15", n)
		}
		if err := refused.db.Close(); err != nil {
			t.Fatal(err)
		}
		o.Force = true
		if _, err := backup.Restore(t.Context(), dst, from, o); err != nil {
			t.Fatalf("force: %v", err)
		}
		after := install(t, from, in.keyFile)
		if n := after.rows(t); n != 10 {
			t.Errorf("got %d rows, want 10", n)
		}
		if _, err := after.db.SQL().ExecContext(t.Context(), `SELECT * FROM later`); err == nil {
			t.Error("the later table is still there")
		}
	})
}

func TestRunningServerIsNotReplaced(t *testing.T) {
	url := dbtest.SQLiteURL(t)
	in := install(t, url, filepath.Join(t.TempDir(), "master.key"))
	dst := filepath.Join(t.TempDir(), "b")
	if _, err := backup.Backup(t.Context(), in.db, dst, backup.Options{}); err != nil {
		t.Fatal(err)
	}
	o := backup.RestoreOptions{KeyFile: in.keyFile, Force: true}
	release, err := in.db.Serve()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), dst, url, o); !errors.Is(err, db.ErrServed) {
		t.Errorf("while it serves: got %v, want ErrServed", err)
	}
	release()
	if _, err := backup.Restore(t.Context(), dst, url, o); !errors.Is(err, backup.ErrBusy) {
		t.Errorf("while it is open: got %v, want ErrBusy", err)
	}
	if err := in.db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), dst, url, o); err != nil {
		t.Errorf("once it is closed: %v", err)
	}
}

func TestStoreThatDoesNotOpenIsSetAside(t *testing.T) {
	in := install(t, dbtest.SQLiteURL(t), filepath.Join(t.TempDir(), "master.key"))
	in.record(t, 3)
	dst := filepath.Join(t.TempDir(), "b")
	if _, err := backup.Backup(t.Context(), in.db, dst, backup.Options{}); err != nil {
		t.Fatal(err)
	}
	path, garbage := filepath.Join(t.TempDir(), "signet.db"), bytes.Repeat([]byte("garbage "), 1000)
	if err := os.WriteFile(path, garbage, 0o600); err != nil {
		t.Fatal(err)
	}
	o := backup.RestoreOptions{KeyFile: in.keyFile}
	if _, err := backup.Restore(t.Context(), dst, "sqlite:"+path, o); err == nil {
		t.Fatal("garbage was replaced without force")
	}
	o.Force = true
	if _, err := backup.Restore(t.Context(), dst, "sqlite:"+path, o); err != nil {
		t.Fatalf("force: %v", err)
	}
	if n := install(t, "sqlite:"+path, in.keyFile).rows(t); n != 3 {
		t.Errorf("got %d rows, want 3", n)
	}
	if b, err := os.ReadFile(path + ".damaged"); err != nil || !bytes.Equal(b, garbage) {
		t.Errorf("the old file: %v, want it beside the new one", err)
	}
}

func TestDamagedBackupIsRefused(t *testing.T) {
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(old), []byte(new)) }
	}
	eachURL(t, func(t *testing.T, from, to string) {
		in := install(t, from, filepath.Join(t.TempDir(), "master.key"))
		in.record(t, 10)
		database, engine := "signet.db", "sqlite"
		if in.db.Dialect() == db.Postgres {
			database, engine = "signet.pgdump", "postgres"
		}
		schema, err := in.db.SchemaVersion(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name, file string
			damage     func([]byte) []byte
		}{
			{"one bit", database, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
			{"cut short", database, func(b []byte) []byte { return b[:len(b)-1] }},
			{"key changed", "master.key", func(b []byte) []byte { return append(b, '\n') }},
			{"manifest cut short", "manifest.json", func(b []byte) []byte { return b[:len(b)/2] }},
			{"path to another file", "manifest.json", replace(database, "../../etc/passwd")},
			{"no database", "manifest.json", replace(database, "master.key")},
			{"unknown engine", "manifest.json", replace(`"`+engine+`"`, `"mysql"`)},
			{"another format", "manifest.json", replace(`"format": 1`, `"format": 2`)},
			{"later schema", "manifest.json", replace(fmt.Sprintf(`"schema": %d`, schema), `"schema": 99999`)},
		} {
			t.Run(c.name, func(t *testing.T) {
				dst := filepath.Join(t.TempDir(), "b")
				if _, err := backup.Backup(t.Context(), in.db, dst, backup.Options{WithKey: true, KeyFile: in.keyFile}); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(dst, c.file)
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, c.damage(b), 0o600); err != nil {
					t.Fatal(err)
				}
				if _, err := backup.Restore(t.Context(), dst, to, backup.RestoreOptions{KeyFile: in.keyFile}); err == nil {
					t.Error("it was restored")
				}
			})
		}
	})
}

func TestWrongKeyIsRefusedBeforeAnythingChanges(t *testing.T) {
	eachURL(t, func(t *testing.T, from, to string) {
		in := install(t, from, filepath.Join(t.TempDir(), "master.key"))
		without, with := filepath.Join(t.TempDir(), "without"), filepath.Join(t.TempDir(), "with")
		if _, err := backup.Backup(t.Context(), in.db, without, backup.Options{}); err != nil {
			t.Fatal(err)
		}
		if _, err := backup.Backup(t.Context(), in.db, with, backup.Options{WithKey: true, KeyFile: in.keyFile}); err != nil {
			t.Fatal(err)
		}
		other := filepath.Join(t.TempDir(), "other.key")
		if _, err := seal.LoadOrCreate(other, true); err != nil {
			t.Fatal(err)
		}
		missing := filepath.Join(t.TempDir(), "missing.key")
		for _, c := range []struct {
			name string
			src  string
			o    backup.RestoreOptions
			want error
		}{
			{"another key file", without, backup.RestoreOptions{KeyFile: other}, seal.ErrForeign},
			{"another key file beside the right one in the backup", with, backup.RestoreOptions{KeyFile: other}, seal.ErrForeign},
			{"another key in the environment", with, backup.RestoreOptions{Ring: seal.NewRing(seal.NewKey())}, seal.ErrForeign},
			{"no key", without, backup.RestoreOptions{}, backup.ErrNeedsKey},
			{"no key file", without, backup.RestoreOptions{KeyFile: missing}, backup.ErrNeedsKey},
		} {
			t.Run(c.name, func(t *testing.T) {
				if _, err := backup.Restore(t.Context(), c.src, to, c.o); !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			})
		}
		if path, ok := strings.CutPrefix(to, "sqlite:"); ok {
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the store was made: %v", err)
			}
		}
		if _, err := backup.Restore(t.Context(), without, to, backup.RestoreOptions{KeyFile: in.keyFile}); err != nil {
			t.Errorf("right key: %v", err)
		}
	})
}

func TestBackupOfTheOtherEngineIsRefused(t *testing.T) {
	in := install(t, dbtest.SQLiteURL(t), filepath.Join(t.TempDir(), "master.key"))
	dst := filepath.Join(t.TempDir(), "b")
	if _, err := backup.Backup(t.Context(), in.db, dst, backup.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), dst, "postgres://x@127.0.0.1:1/x", backup.RestoreOptions{KeyFile: in.keyFile}); !errors.Is(err, backup.ErrEngine) {
		t.Errorf("got %v, want ErrEngine", err)
	}
}

func TestManifestNamesKeysByFingerprint(t *testing.T) {
	in := install(t, dbtest.SQLiteURL(t), filepath.Join(t.TempDir(), "master.key"))
	dst := filepath.Join(t.TempDir(), "b")
	if _, err := backup.Backup(t.Context(), in.db, dst, backup.Options{Now: func() time.Time { return time.Unix(1e9, 0) }}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dst, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m backup.Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	ring, err := seal.LoadOrCreate(in.keyFile, false)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ring.Current()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Keys) != 1 || m.Keys[0].ID != k.ID() || m.Keys[0].Fingerprint != hex.EncodeToString(k.Fingerprint()) || !m.CreatedAt.Equal(time.Unix(1e9, 0)) {
		t.Errorf("got %s", b)
	}
}

func TestPasswordStaysOutOfArgumentsAndErrors(t *testing.T) {
	url := strings.Replace(dbtest.EmptyPostgresURL(t), "signet@", "signet:"+rand.Text()+"hunter2@", 1)
	in := install(t, dbtest.PostgresURL(t), filepath.Join(t.TempDir(), "master.key"))
	dst := filepath.Join(t.TempDir(), "b")
	if _, err := backup.Backup(t.Context(), in.db, dst, backup.Options{}); err != nil {
		t.Fatal(err)
	}
	// Programs that show what they were given.
	bin := t.TempDir()
	script := "#!/bin/sh\necho \"args: $*\" >&2\n[ -n \"$PGPASSWORD\" ] && echo has-password >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "psql"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	_, err := backup.Restore(t.Context(), dst, url, backup.RestoreOptions{KeyFile: in.keyFile})
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "args: ") {
		t.Errorf("got %v, want an error that shows the arguments, without the password", err)
	}
}
