package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"signet/internal/durable"
)

// Objects is how many bodies of objects a backup has. Each is a file that never changes,
// under a name that no other ever has, so that names and sizes say whether they are there.
type Objects struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// copyObjects copies the files below from that are not below to yet, and returns when
// they are on the disk. The database was copied before: a file that a row names stays for
// a day after its last one, so that it is still there. progress is told of each file.
func copyObjects(ctx context.Context, from, to string, progress func(done, total int)) (o Objects, err error) {
	files, err := objectFiles(from)
	if err != nil {
		return o, err
	}
	made := map[string]bool{}
	for i, f := range files {
		if err := ctx.Err(); err != nil {
			return o, err
		}
		n, err := copyObject(f, filepath.Join(from, f), filepath.Join(to, f), made)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was given up since the walk
		}
		if err != nil {
			return o, err
		}
		o.Files++
		o.Bytes += n
		if progress != nil {
			progress(i+1, len(files))
		}
	}
	for dir := range made {
		if err := durable.SyncDir(dir); err != nil {
			return o, err
		}
	}
	return o, nil
}

func copyObject(name, from, to string, made map[string]bool) (int64, error) {
	info, err := os.Stat(from)
	if err != nil {
		return 0, err
	}
	if there, err := os.Stat(to); err == nil && there.Size() == info.Size() {
		return info.Size(), nil
	}
	dir := filepath.Dir(to)
	if !made[dir] {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return 0, err
		}
		made[dir], made[filepath.Dir(dir)] = true, true
	}
	if err := removeIfThere(to); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return info.Size(), copyFile(from, to)
}

// objectFiles lists the files below dir by their paths within it; none where it is not there.
func objectFiles(dir string) (all []string, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		all = append(all, name)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return all, err
}

// checkObjects holds what is there against what the manifest says.
func checkObjects(dir string, want Objects) error {
	files, err := objectFiles(dir)
	if err != nil {
		return err
	}
	have := Objects{Files: len(files)}
	for _, f := range files {
		info, err := os.Stat(filepath.Join(dir, f))
		if err != nil {
			return err
		}
		have.Bytes += info.Size()
	}
	if have != want {
		return fmt.Errorf("%w: it has %d bodies of objects with %d bytes, and had %d with %d", ErrDamaged, have.Files, have.Bytes, want.Files, want.Bytes)
	}
	return nil
}
