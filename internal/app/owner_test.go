package app

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFilesOfRootAreHandedToTheOwnerOfTheDirectory(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "signet.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	want := uint32(os.Geteuid())
	if want == 0 { // anybody else owns the file already
		want = nobody
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	if err := HandOver(dir); err != nil {
		t.Fatal(err)
	}
	if s, err := statOf(path); err != nil || s.Uid != want {
		t.Errorf("got owner %d, %v, want %d", s.Uid, err, want)
	}
}
