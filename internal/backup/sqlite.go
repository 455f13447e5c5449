package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"signet/internal/db"
	"signet/internal/durable"
)

// ErrBusy means that something still has the store open.
var ErrBusy = errors.New("the store is in use: stop whatever has it open")

// copySQLite copies the store at url to a new file, as one transaction sees it.
func copySQLite(ctx context.Context, url, to string) (err error) {
	// A connection of its own: the store's writer would keep all others waiting.
	d, err := db.Open(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	// SQLite fills an empty file; made here, only its owner may read it.
	if err := os.WriteFile(to, nil, 0o600); err != nil {
		return err
	}
	if _, err := d.SQL().ExecContext(ctx, `VACUUM INTO $1`, to); err != nil {
		return fmt.Errorf("copy the database: %w", err)
	}
	return syncFile(to)
}

// restoreSQLite puts a copy of the file from in the place of the store at path.
func restoreSQLite(ctx context.Context, from, path string, m *Manifest, force bool) error {
	release, err := clearSQLite(ctx, path, force)
	if err != nil {
		return err
	}
	defer release()
	tmp, err := tempName(path)
	if err != nil {
		return err
	}
	err = copyFile(from, tmp)
	if err == nil {
		err = checkSQLite(ctx, tmp, m)
	}
	if err == nil {
		err = syncFile(tmp) // the check opened it for writing
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, removeIfThere(tmp), removeIfThere(tmp+"-wal"), removeIfThere(tmp+"-shm"))
	}
	return durable.SyncDir(filepath.Dir(path))
}

// clearSQLite makes sure that the store at path may be replaced: no server has it,
// it is empty or force is set, and its write-ahead log is folded in and gone, for
// it would be applied to the file that comes in its place.
func clearSQLite(ctx context.Context, path string, force bool) (release func(), err error) {
	d, err := db.Open(ctx, "sqlite:"+path) // makes the file where there is none
	if err != nil && force {
		if err := setAside(path); err != nil {
			return nil, err
		}
		d, err = db.Open(ctx, "sqlite:"+path)
	}
	if err != nil {
		return nil, err
	}
	if release, err = d.Serve(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	var tables int
	err = d.SQL().QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master`).Scan(&tables)
	if err == nil && tables > 0 && !force {
		err = fmt.Errorf("%w: %s", ErrNotEmpty, path)
	}
	// The last one to close folds the log in.
	if err = errors.Join(err, d.Close()); err == nil {
		if _, statErr := os.Lstat(path + "-wal"); !errors.Is(statErr, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %s", ErrBusy, path)
		}
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// setAside renames a store that does not open, for somebody to look at.
func setAside(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(path+suffix, path+".damaged"+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// checkSQLite has SQLite check the file, and refuses a schema of a newer release.
func checkSQLite(ctx context.Context, path string, m *Manifest) (err error) {
	d, err := db.Open(ctx, "sqlite:"+path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := refuseNewer(d, m); err != nil {
		return err
	}
	var answer string
	if err := d.SQL().QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, answer)
	}
	return nil
}
