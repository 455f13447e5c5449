package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"signet/internal/durable"
)

// ErrNoFile means that there is no key file and none may be made: a database
// that was sealed before must get its own keys back, not new ones.
var ErrNoFile = errors.New("master key file is missing")

// LoadOrCreate returns the ring of the key file at path. Where there is none it
// makes one with a random key (mode 0600) if mayCreate says so, and else returns
// an error that wraps ErrNoFile. It refuses a file that group or others can read.
func LoadOrCreate(path string, mayCreate bool) (*Ring, error) {
	r := &Ring{path: path}
	_, err := r.fresh()
	if !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	if !mayCreate {
		return nil, fmt.Errorf("%w: %s (restore it from where you keep your secrets, or give the keys in the environment)", ErrNoFile, path)
	}
	ks := keys{{NewKey(), roleCurrent}}
	// Of several that start at once one makes the file; the others read it.
	if err := durable.Create(path, []byte(ks.text())); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make key file: %w", err)
	}
	_, err = r.fresh()
	return r, err
}

// readKeys returns the keys of a file and what the file was when they were read.
func readKeys(path string) (keys, fs.FileInfo, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, nil, fmt.Errorf("key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("key file: %w", err)
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return nil, nil, fmt.Errorf("key file %s has mode %04o, so others than its owner can read it (chmod 600 '%s')", path, info.Mode().Perm(), path)
	}
	ks, err := readAll(f, info.Size())
	if err != nil {
		return nil, nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return ks, info, nil
}

// maxFile is far over what a ring of keys needs, and keeps a wrong path cheap.
const maxFile = 64 << 10

func readAll(f *os.File, size int64) (keys, error) {
	if size > maxFile {
		return nil, fmt.Errorf("%d bytes are too many for a key file", size)
	}
	text := make([]byte, size)
	if _, err := f.ReadAt(text, 0); err != nil && size > 0 {
		return nil, err
	}
	return parseKeys(string(text))
}
