package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// HandOver gives files that root has made in a data directory to the directory's
// owner: otherwise the server, which runs as that user, could not open them. It does
// nothing for anybody but root.
func HandOver(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	owner, err := statOf(dir)
	if err != nil || owner.Uid == 0 {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		s, err := statOf(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // SQLite removes its files when the last one closes
		}
		if err != nil {
			return err
		}
		if e.Type().IsRegular() && s.Uid == 0 {
			if err := os.Lchown(path, int(owner.Uid), int(owner.Gid)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

func statOf(path string) (*syscall.Stat_t, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, errors.New("this system does not tell who owns a file")
	}
	return s, nil
}
