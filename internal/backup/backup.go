// Package backup copies an installation's database while it runs, and puts such a
// copy back.
//
// A backup is a directory: the database, the bodies of objects, the master key file
// where it was asked for, and a manifest that names both with their hashes. It appears under its name
// only when it is whole and on the disk, so what a crash leaves behind never looks
// like one.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"signet/internal/db"
	"signet/internal/durable"
	"signet/internal/seal"
)

// The files of a backup.
const (
	manifestName = "manifest.json"
	sqliteName   = "signet.db"
	postgresName = "signet.pgdump"
	keyName      = "master.key"
	objectsName  = "objects" // a directory
)

// What a backup can refuse.
var (
	ErrExists = errors.New("the backup's directory exists already")
	ErrNoKey  = errors.New("there is no master key file to add: the key comes from the environment")
)

// Options are what the operator chooses.
type Options struct {
	Version string // of this program, for the manifest
	WithKey bool   // adds the master key file; whoever has the backup then has every secret
	KeyFile string // the master key file; empty where the key comes from the environment
	Objects string // directory of the bodies of objects; empty where there are none
	Now     func() time.Time

	Progress func(done, total int) // is told of each body that was copied; may be nil
}

// Backup writes a backup of d to the directory dst, which must not exist yet;
// its parent must. Instances go on working meanwhile.
func Backup(ctx context.Context, d *db.DB, dst string, o Options) (m Manifest, err error) {
	if o.WithKey && o.KeyFile == "" {
		return m, ErrNoKey
	}
	if _, err := os.Lstat(dst); !errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%w: %s", ErrExists, dst)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dst), "."+filepath.Base(dst)+".partial-")
	if err != nil {
		return m, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("back up to %s: %w", dst, err), os.RemoveAll(tmp))
		}
	}()
	if m, err = fill(ctx, d, tmp, o); err != nil {
		return m, err
	}
	if err := os.Rename(tmp, dst); err != nil {
		return m, err
	}
	return m, durable.SyncDir(filepath.Dir(dst))
}

// fill makes a whole backup in dir.
func fill(ctx context.Context, d *db.DB, dir string, o Options) (m Manifest, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	m = Manifest{Format: format, Version: o.Version, Engine: d.Dialect().String(), CreatedAt: o.Now().UTC()}
	if m.Schema, err = d.SchemaVersion(ctx); err != nil {
		return m, err
	}
	keys, err := seal.InUse(ctx, d)
	if err != nil {
		return m, err
	}
	m.setKeys(keys)
	names := []string{sqliteName}
	if d.Dialect() == db.Postgres {
		names[0] = postgresName
		err = dumpPostgres(ctx, d.URL(), filepath.Join(dir, postgresName))
	} else {
		err = copySQLite(ctx, d.URL(), filepath.Join(dir, sqliteName))
	}
	if err != nil {
		return m, err
	}
	if o.WithKey {
		names = append(names, keyName)
		if err := copyFile(o.KeyFile, filepath.Join(dir, keyName)); err != nil {
			return m, err
		}
	}
	if err := m.addFiles(dir, names); err != nil {
		return m, err
	}
	if o.Objects != "" {
		if m.Objects, err = copyObjects(ctx, o.Objects, filepath.Join(dir, objectsName), o.Progress); err != nil {
			return m, fmt.Errorf("bodies of objects: %w", err)
		}
	}
	return m, m.write(dir)
}

// copyFile copies a file to a new one that only its owner may read, and returns
// when it is on the disk.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from) //nolint:gosec // the operator names the files
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // as above
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync()
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // own paths
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
