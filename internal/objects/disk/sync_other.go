//go:build !linux

package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncAll syncs what was written since the last time, where the policy is Interval.
func (f *files) syncAll() error {
	if !f.dirty.Swap(false) {
		return nil
	}
	err := unix.Sync()
	if err != nil {
		f.dirty.Store(true)
	}
	return err
}

// startWriting is for systems that can be told; here the file is written when it is synced.
func startWriting(*os.File, int64, int64) {}
