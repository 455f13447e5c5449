package disk

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"signet/internal/durable"
)

// files are the bodies: <dir>/<last two characters of the name>/<name>.
type files struct {
	dir   string
	sync  Sync
	dirty atomic.Bool // with Interval: something was written since the last sync

	mu   sync.Mutex
	dirs map[string]*os.File // open, to be synced
}

func newFiles(dir string, s Sync) *files {
	return &files{dir: dir, sync: s, dirs: map[string]*os.File{}}
}

// newName returns a name that was never used. Names sort by the time they were made,
// which keeps their index dense, and end in chance, which spreads them over directories.
func newName(now time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[6:]) // never fails
	for i, ms := 5, now.UnixMilli(); i >= 0; i-- {
		b[i] = byte(ms)
		ms >>= 8
	}
	return hex.EncodeToString(b[:])
}

// isName tells files of ours from others that somebody put beside them.
func isName(name string) bool {
	b, err := hex.DecodeString(name)
	return err == nil && len(b) == 16 && hex.EncodeToString(b) == name
}

func (f *files) path(name string) string {
	return filepath.Join(f.dir, name[len(name)-2:], name)
}

// create opens a new file to write.
func (f *files) create(name string) (*os.File, error) {
	path := f.path(name)
	file, err := createNew(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if err := os.Mkdir(filepath.Dir(path), 0o700); err == nil {
		if err := durable.SyncDir(f.dir); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return createNew(path)
}

func createNew(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // a name that we made
}

// finish closes a file that was written. It is on the disk then, under its name, unless
// the policy is Interval.
func (f *files) finish(file *os.File, name string) error {
	if f.sync == Interval {
		f.dirty.Store(true)
		return file.Close()
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	dir, err := f.dirOf(name[len(name)-2:])
	if err != nil {
		return err
	}
	return dir.Sync()
}

// dirOf returns the open directory of that name. There are 256 of them.
func (f *files) dirOf(name string) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if dir, ok := f.dirs[name]; ok {
		return dir, nil
	}
	dir, err := os.Open(filepath.Join(f.dir, name)) //nolint:gosec // a directory that we made
	if err == nil {
		f.dirs[name] = dir
	}
	return dir, err
}

// open opens a file to read from first on, and checks that all of it is there: a power
// cut may have taken it where the policy is Interval.
func (f *files) open(name string, size, first int64) (*os.File, error) {
	file, err := os.Open(f.path(name))
	if err != nil {
		return nil, fmt.Errorf("open body: %w", err)
	}
	info, err := file.Stat()
	if err == nil && info.Size() != size {
		err = fmt.Errorf("body %s has %d bytes, want %d", name, info.Size(), size)
	}
	if err == nil && first > 0 {
		_, err = file.Seek(first, 0)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// remove removes a file, if it is there, and returns how many it removed.
func (f *files) remove(name string) (int, error) {
	err := os.Remove(f.path(name))
	switch {
	case err == nil:
		return 1, nil
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	}
	return 0, err
}

// discard removes a file that nothing refers to.
func (f *files) discard(name string) error {
	_, err := f.remove(name)
	return err
}
