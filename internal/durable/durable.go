// Package durable writes small files whole or not at all, and so that they outlive a
// power cut. They have mode 0600.
package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// Create writes a new file. It returns fs.ErrExist where there is one already.
func Create(path string, content []byte) error {
	temp, err := writeTemp(path, content)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := os.Link(temp, path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Replace puts content in the place of a file, or writes a new one: who opens the
// file sees the old content or the new.
func Replace(path string, content []byte) error {
	temp, err := writeTemp(path, content)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return SyncDir(filepath.Dir(path))
}

// writeTemp writes content beside path. It is on the disk when writeTemp returns.
func writeTemp(path string, content []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// SyncDir waits until new and removed names in dir are on the disk.
func SyncDir(dir string) error {
	f, err := os.Open(dir) //nolint:gosec // of files that the operator placed there
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
