package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"signet/internal/db"
	"signet/internal/durable"
	"signet/internal/seal"
)

// What a restore can refuse.
var (
	ErrNotEmpty = errors.New("the store that would be replaced is not empty (--force replaces it)")
	ErrEngine   = errors.New("the backup is of another engine than the store")
	ErrNeedsKey = errors.New("the master key of the backup is needed: name the key file, or take a backup that was made --with-key")
)

// RestoreOptions are what the operator chooses.
type RestoreOptions struct {
	Force   bool       // replaces a store that is not empty
	KeyFile string     // the master key file; made from the backup where it does not exist
	Ring    *seal.Ring // the keys, where they come from the environment; wins over KeyFile
	Objects string     // directory of the bodies of objects; empty: they are left out

	Progress func(done, total int) // is told of each body; may be nil
}

// Restore puts the backup in src in the place of the store at url. Instances must
// be stopped. Before anything changes it checks the backup's files, the master key
// and that the store is empty. A restore that fails or is killed leaves the old
// store or the new one, never a mix.
//
// A schema older than this release's is migrated at the next start.
func Restore(ctx context.Context, src, url string, o RestoreOptions) (Manifest, error) {
	m, err := Check(src)
	if err != nil {
		return m, err
	}
	if engine, _, _ := strings.Cut(strings.Replace(url, "postgresql:", "postgres:", 1), ":"); engine != m.Engine {
		return m, fmt.Errorf("%w: %s, the store is %s", ErrEngine, m.Engine, engine)
	}
	newKey, err := checkKeys(src, &m, o)
	if err != nil {
		return m, err
	}
	if newKey {
		// First: a store without its key is of no use, a key without its store does no harm.
		if err := placeFile(filepath.Join(src, keyName), o.KeyFile); err != nil {
			return m, fmt.Errorf("restore the master key: %w", err)
		}
	}
	if o.Objects != "" { // before the rows that name them; those of the old store stay until they are swept
		if _, err := copyObjects(ctx, filepath.Join(src, objectsName), o.Objects, o.Progress); err != nil {
			return m, fmt.Errorf("restore bodies of objects: %w", err)
		}
	}
	if m.Engine == db.Postgres.String() {
		err = restorePostgres(ctx, filepath.Join(src, postgresName), url, &m, o.Force)
	} else {
		err = restoreSQLite(ctx, filepath.Join(src, sqliteName), strings.TrimPrefix(url, "sqlite:"), &m, o.Force)
	}
	if err != nil {
		return m, fmt.Errorf("restore %s: %w", src, err)
	}
	return m, nil
}

// checkKeys holds the keys at hand against those that the backup needs. It reports
// whether the key file must be made from the backup's.
func checkKeys(src string, m *Manifest, o RestoreOptions) (fromBackup bool, err error) {
	needed, err := m.inUse()
	if err != nil || len(needed) == 0 {
		return false, err
	}
	ring := o.Ring
	if ring == nil {
		if ring, fromBackup, err = findRing(src, m, o.KeyFile); err != nil {
			return false, err
		}
	}
	return fromBackup, ring.Holds(needed)
}

func findRing(src string, m *Manifest, keyFile string) (ring *seal.Ring, fromBackup bool, err error) {
	if keyFile == "" {
		return nil, false, ErrNeedsKey
	}
	ring, err = seal.LoadOrCreate(keyFile, false)
	if !errors.Is(err, seal.ErrNoFile) {
		return ring, false, err
	}
	if !m.has(keyName) {
		return nil, false, fmt.Errorf("%w: %s does not exist", ErrNeedsKey, keyFile)
	}
	ring, err = seal.LoadOrCreate(filepath.Join(src, keyName), false)
	return ring, true, err
}

// refuseNewer returns db.ErrNewer where the backup has migrations that this
// release does not know.
func refuseNewer(d *db.DB, m *Manifest) error {
	newest, err := d.NewestSchema()
	if err == nil && m.Schema > newest {
		return db.ErrNewer
	}
	return err
}

// placeFile copies a file to a path in one step: it is there whole or not at all.
func placeFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	tmp, err := tempName(to)
	if err != nil {
		return err
	}
	if err := copyFile(from, tmp); err != nil {
		return errors.Join(err, removeIfThere(tmp))
	}
	if err := os.Rename(tmp, to); err != nil {
		return errors.Join(err, removeIfThere(tmp))
	}
	return durable.SyncDir(filepath.Dir(to))
}

// tempName returns a name beside path that nothing has.
func tempName(path string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".restore-")
	if err != nil {
		return "", err
	}
	return f.Name(), errors.Join(f.Close(), os.Remove(f.Name()))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
