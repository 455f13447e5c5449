package backup_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"signet/internal/backup"
	"signet/internal/db"
	"signet/internal/db/dbtest"
)

func TestBodiesOfObjectsGoWithTheDatabase(t *testing.T) {
	dir := t.TempDir()
	bodies := filepath.Join(dir, "objects")
	for name, text := range map[string]string{"ab/00ab": "one", "cd/00cd": "another"} {
		path := filepath.Join(bodies, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	told := 0
	to := filepath.Join(dir, "backup")
	m, err := backup.Backup(t.Context(), dbtest.SQLite(t), to, backup.Options{Objects: bodies, Progress: func(done, _ int) { told = done }})
	if err != nil {
		t.Fatal(err)
	}
	if want := (backup.Objects{Files: 2, Bytes: 10}); m.Objects != want || told != 2 {
		t.Errorf("got %+v, told of %d, want %+v", m.Objects, told, want)
	}
	back := filepath.Join(dir, "restored")
	_, err = backup.Restore(t.Context(), to, "sqlite:"+filepath.Join(dir, "restored.db"), backup.RestoreOptions{Objects: back})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(back, "cd/00cd")); string(b) != "another" || err != nil {
		t.Errorf("restored: got %q, %v", b, err)
	}
	d, err := db.Open(t.Context(), "sqlite:"+filepath.Join(dir, "restored.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(to, "objects/ab/00ab")); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Check(to); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("a body is missing: got %v, want ErrDamaged", err)
	}
}
