package objects_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"signet/internal/db"
)

// noSecretsAtRest searches all that a running server has written for its secrets: the
// database, what it has not yet written through, and files beside it. What it logged is
// searched when it ends.
func (s *server) noSecretsAtRest(t *testing.T) {
	t.Helper()
	found := false
	look := func(what string, content []byte) {
		s.Secrets.NotIn(what, string(content))
		found = found || bytes.Contains(content, []byte(s.keys.owner.id))
	}
	files(t, s.Dir(), func(path string, content []byte) {
		if path != s.KeyFile() && filepath.Base(path) != "signet.yaml" { // where the operator keeps secrets
			look(path, content)
		}
	})
	if d := s.store; d.Dialect() == db.Postgres {
		look("dump of the tables", dump(t, d))
		files(t, filepath.Join(column(t, d, `SELECT current_setting('data_directory')`)[0], "pg_wal"), look)
	}
	if !found {
		t.Errorf("%s: nothing names the access key that was used: nothing was searched", s.name)
	}
}

// files reads what is under a directory, without the bodies of objects.
func files(t *testing.T, dir string, read func(path string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // it came and went
			return nil
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "objects":
			return filepath.SkipDir
		case d.IsDir():
			return nil
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		read(path, content)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// dump returns all rows of a PostgreSQL as text; bytes stand in it as they are.
func dump(t *testing.T, d *db.DB) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, table := range column(t, d, `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`) {
		for _, row := range column(t, d, `SELECT t::text FROM "`+table+`" t`) {
			out.WriteString(row + "\n")
		}
	}
	return out.Bytes()
}

// column returns the rows of a query of one text.
func column(t *testing.T, d *db.DB, query string) (all []string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	err := d.View(ctx, func(tx *db.Tx) error {
		if d.Dialect() == db.Postgres {
			if _, err := tx.ExecContext(ctx, `SET LOCAL bytea_output = 'escape'`); err != nil {
				return err
			}
		}
		found, err := tx.QueryContext(ctx, query)
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			var one string
			if err := found.Scan(&one); err != nil {
				return err
			}
			all = append(all, one)
		}
		return found.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
