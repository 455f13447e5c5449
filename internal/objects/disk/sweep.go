package disk

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"signet/internal/db"
)

const (
	sweepEvery   = 5 * time.Minute // for what is due
	orphansEvery = 6 * time.Hour   // for files without a row
	sweepBatch   = 500
)

// Swept says what a sweep did.
type Swept struct {
	Removed int // files
	Orphans int // files without a row: they go when [Keep] is over
	Aborted int // uploads
}

// Run syncs and sweeps until ctx ends. Each instance may run it.
func (s *Store) Run(ctx context.Context) error {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	var due, orphans time.Time
	for {
		if err := s.files.syncAll(); err != nil {
			slog.ErrorContext(ctx, "bodies could not be synced", "error", err)
		}
		if now := time.Now(); now.After(due) {
			due = now.Add(sweepEvery)
			s.report(ctx, s.sweepDue)
			if now.After(orphans) {
				orphans = now.Add(orphansEvery)
				s.report(ctx, s.sweepOrphans)
			}
		}
		select {
		case <-ctx.Done():
			return s.files.syncAll()
		case <-second.C:
		}
	}
}

func (s *Store) report(ctx context.Context, sweep func(ctx context.Context) (Swept, error)) {
	done, err := sweep(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		slog.ErrorContext(ctx, "objects were not swept", "error", err)
	case done != Swept{}:
		slog.InfoContext(ctx, "objects swept", "removed", done.Removed, "orphans", done.Orphans, "aborted", done.Aborted)
	}
}

// Sweep does at once what [Store.Run] does now and then: it aborts uploads that are too
// old, removes files that are due, and finds files that no row names.
func (s *Store) Sweep(ctx context.Context) (Swept, error) {
	done, err := s.sweepDue(ctx)
	if err != nil {
		return done, err
	}
	found, err := s.sweepOrphans(ctx)
	done.Orphans = found.Orphans
	return done, err
}

func (s *Store) sweepDue(ctx context.Context) (done Swept, err error) {
	for more := s.abort > 0; more && err == nil; {
		var n int
		n, err = s.abortOld(ctx)
		done.Aborted += n
		more = n == sweepBatch
	}
	for more := true; more && err == nil; {
		var bodies []string
		bodies, err = s.due(ctx)
		for _, body := range bodies {
			n, failed := s.collect(ctx, body)
			done.Removed += n
			err = errors.Join(err, failed)
		}
		more = len(bodies) == sweepBatch
	}
	return done, err
}

// abortOld aborts some of the uploads that began too long ago.
func (s *Store) abortOld(ctx context.Context) (n int, err error) {
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		ids, err := texts(ctx, tx, "SELECT id FROM objects_disk_uploads WHERE begun_at < $1 ORDER BY begun_at LIMIT $2"+tx.Dialect().SkipLocked(),
			s.time().Add(-s.abort), sweepBatch)
		if err != nil {
			return err
		}
		n = len(ids)
		for _, id := range ids {
			if err := s.dropUpload(ctx, tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// due returns some of the bodies whose time is over.
func (s *Store) due(ctx context.Context) (bodies []string, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) error {
		bodies, err = texts(ctx, tx, "SELECT body FROM objects_disk_released WHERE due_at < $1 ORDER BY due_at LIMIT $2",
			s.time(), sweepBatch)
		return err
	})
	return bodies, err
}

// collect removes a body, and its files before their rows: what fails is tried again.
// Nobody can come to refer to it meanwhile: who copies it has read a row that names it,
// and the last of those is gone since [Keep].
func (s *Store) collect(ctx context.Context, body string) (removed int, err error) {
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		removed = 0
		used, err := isUsed(ctx, tx, body)
		if err == nil && !used {
			removed, err = s.removeBody(ctx, tx, body)
		}
		if err != nil {
			return err
		}
		// Another release since then has another time.
		_, err = tx.ExecContext(ctx, "DELETE FROM objects_disk_released WHERE body = $1 AND due_at < $2", body, s.time())
		return err
	})
	return removed, err
}

// isUsed reports whether a row names that body or file.
func isUsed(ctx context.Context, tx *db.Tx, body string) (bool, error) {
	var one int
	err := tx.QueryRowContext(ctx, `
		SELECT 1 WHERE EXISTS (SELECT 1 FROM objects_disk_objects WHERE body = $1 AND body <> '')
			OR EXISTS (SELECT 1 FROM objects_disk_versions WHERE body = $1 AND body <> '')
			OR EXISTS (SELECT 1 FROM objects_disk_uploads WHERE id = $1)
			OR EXISTS (SELECT 1 FROM objects_disk_parts WHERE file = $1)`, body).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// removeBody removes the file of that name or, where it has parts, theirs.
func (s *Store) removeBody(ctx context.Context, tx *db.Tx, body string) (removed int, err error) {
	names, err := texts(ctx, tx, "SELECT file FROM objects_disk_parts WHERE upload = $1 AND file <> ''", body)
	if err != nil {
		return 0, err
	}
	for _, name := range append(names, body) {
		n, err := s.files.remove(name)
		if err != nil {
			return removed, err
		}
		removed += n
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM objects_disk_parts WHERE upload = $1", body)
	return removed, err
}

// sweepOrphans releases files that no row names: those of writers that crashed. They go
// only when [Keep] is over, so that a wrong or an old database can still be put right.
func (s *Store) sweepOrphans(ctx context.Context) (done Swept, err error) {
	dirs, err := os.ReadDir(s.files.dir)
	if err != nil {
		return done, err
	}
	for _, dir := range dirs {
		if !dir.IsDir() || len(dir.Name()) != 2 {
			continue
		}
		names, err := s.oldFiles(filepath.Join(s.files.dir, dir.Name()))
		if err != nil {
			return done, err
		}
		for len(names) > 0 && err == nil {
			some := names[:min(len(names), sweepBatch)]
			names = names[len(some):]
			var n int
			n, err = s.releaseOrphans(ctx, some)
			done.Orphans += n
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// oldFiles returns the files of a directory that nobody can be writing any more.
func (s *Store) oldFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	before := s.now().Add(-Keep)
	youngest := newName(before)[:12]
	var old []string
	for _, e := range entries {
		if !isName(e.Name()) || e.Name()[:12] > youngest { // most are told by their names
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if info.ModTime().Before(before) {
			old = append(old, e.Name())
		}
	}
	return old, nil
}

// releaseOrphans releases those of some files that no row names, not even one of the
// released.
func (s *Store) releaseOrphans(ctx context.Context, names []string) (n int, err error) {
	var known []string
	err = s.db.View(ctx, func(tx *db.Tx) error {
		known, err = knownOf(ctx, tx, names)
		return err
	})
	if err != nil || len(known) == len(names) {
		return 0, err
	}
	has := make(map[string]bool, len(known))
	for _, name := range known {
		has[name] = true
	}
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		n = 0
		for _, name := range names {
			if has[name] {
				continue
			}
			if err := s.release(ctx, tx, name); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// knownOf returns those of some names that rows name.
func knownOf(ctx context.Context, tx *db.Tx, names []string) ([]string, error) {
	in := make([]string, len(names))
	args := make([]any, len(names))
	for i, name := range names {
		in[i], args[i] = "$"+strconv.Itoa(i+1), name
	}
	list := " IN (" + strings.Join(in, ", ") + ")"
	return texts(ctx, tx, `
		SELECT body FROM objects_disk_objects WHERE body <> '' AND body`+list+`
		UNION SELECT body FROM objects_disk_versions WHERE body <> '' AND body`+list+`
		UNION SELECT file FROM objects_disk_parts WHERE file`+list+`
		UNION SELECT body FROM objects_disk_released WHERE body`+list, args...)
}

// texts returns the rows of a query of one text.
func texts(ctx context.Context, tx *db.Tx, query string, args ...any) ([]string, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
