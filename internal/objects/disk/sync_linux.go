package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncAll syncs what was written since the last time, where the policy is Interval: one
// syncfs(2) for all files and directories.
func (f *files) syncAll() error {
	if !f.dirty.Swap(false) {
		return nil
	}
	dir, err := os.Open(f.dir)
	if err == nil {
		err = errors.Join(unix.Syncfs(int(dir.Fd())), dir.Close())
	}
	if err != nil {
		f.dirty.Store(true)
	}
	return err
}

// startWriting has the disk begin with a part of a file, so that less is left to wait
// for when the file is synced. Where it cannot, nothing is lost.
func startWriting(f *os.File, first, length int64) {
	_ = unix.SyncFileRange(int(f.Fd()), first, length, unix.SYNC_FILE_RANGE_WRITE)
}
