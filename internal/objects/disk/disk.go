// Package disk keeps objects on this machine: each body is a file, and what is known of
// it is a row. Small bodies stand in their rows.
//
// A file is written first, under a new name that nothing refers to, and is on the disk
// before the row that names it is committed. So a reader sees the object before or the
// object after, and a crash leaves at worst a file without a row. Files never change.
// A file stays for [Keep] after the last row that named it is gone, so that a backup
// which copied the database first finds the files of that database.
//
// Several instances may share a PostgreSQL and one directory.
package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"signet/internal/db"
	"signet/internal/objects"
)

// Keep is how long a file outlives its last reference, and how old a file without one
// must be before it is taken for a leftover.
const Keep = 24 * time.Hour

// Inline is the size up to which a body stands in its row: to make a file costs more
// than to write so many bytes.
const Inline = 8 << 10

// Sync says when a body is on the disk.
type Sync string

// The policies.
const (
	// Always syncs a body before the answer.
	Always Sync = "always"
	// Interval syncs every second. A power cut may take the bodies of the last second or
	// two, though their writers were answered and their rows stay: reading such an object
	// fails. The end of this process loses nothing.
	Interval Sync = "interval"
)

// Options are what the operator chooses.
type Options struct {
	Sync       Sync             // empty: Always
	AbortAfter time.Duration    // uploads that began longer ago are aborted; 0: never
	Inline     int64            // bodies up to so many bytes stand in the database; 0: [Inline], negative: none
	Now        func() time.Time // nil: time.Now
}

// Store keeps objects. It implements [objects.Store].
type Store struct {
	db     *db.DB
	group  *group
	hot    *hot
	files  *files
	inline int64
	abort  time.Duration
	now    func() time.Time
}

var _ objects.Store = (*Store)(nil)

// New returns a store whose rows are in d and whose files are under dir, which is made
// where it is not there. With [Interval] somebody must call [Store.Run].
func New(d *db.DB, dir string, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Inline == 0 {
		o.Inline = Inline
	}
	o.Inline = min(max(0, o.Inline), small)
	switch o.Sync {
	case "":
		o.Sync = Always
	case Always, Interval:
	default:
		return nil, fmt.Errorf("sync: %q is neither %s nor %s", o.Sync, Always, Interval)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &Store{db: d, group: &group{db: d}, files: newFiles(dir, o.Sync), inline: o.Inline, abort: o.AbortAfter, now: o.Now}
	if d.Dialect() == db.SQLite {
		s.hot = newHot()
	}
	return s, nil
}

// Dir returns the directory of the files, for backup.
func (s *Store) Dir() string { return s.files.dir }

func (s *Store) time() time.Time { return db.Now(s.now()) }

// failed makes a full disk something that the client learns of.
func failed(err error) error {
	if err != nil && db.IsFull(err) && !errors.Is(err, objects.ErrNoSpace) {
		return fmt.Errorf("%w: %w", objects.ErrNoSpace, err)
	}
	return err
}
