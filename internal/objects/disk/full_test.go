package disk_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/objects/disk"
)

const insideEnv = "SIGNET_TEST_INSIDE"

// runInside runs the test again in a mount namespace of its own, where it may mount a
// small disk: as root at once, as another user with a user namespace around it.
func runInside(t *testing.T) {
	t.Helper()
	args := []string{"--mount"}
	if os.Getuid() != 0 {
		args = append(args, "--user", "--map-root-user")
	}
	args = append(args, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd := exec.CommandContext(t.Context(), "unshare", args...)
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("with a small disk: %v (it needs unshare(1) and the right to mount: root, or user namespaces)\n%s", err, out)
	}
}

func TestFullDiskRefusesAndKeepsNothing(t *testing.T) {
	if os.Getenv(insideEnv) == "" {
		runInside(t)
		return
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m,mode=0700"); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := newStore(t, dbtest.SQLite(t), disk.Options{})
	var err error
	if s.Store, err = disk.New(s.db, dir, disk.Options{Inline: -1}); err != nil {
		t.Fatal(err)
	}
	s.put(t, "a", "before")
	u := s.begin(t, "b")
	_, err = s.Put(t.Context(), objects.Put{Bucket: bucket, Key: "a", Body: bytesOf(make([]byte, 3<<20))})
	wants(t, "put much", err, objects.ErrNoSpace)
	_, err = s.PutPart(t.Context(), u, 1, bytesOf(make([]byte, 3<<20)))
	wants(t, "put a part", err, objects.ErrNoSpace)

	rest := filepath.Join(dir, "rest")
	if err := fillUp(rest); err != nil {
		t.Fatal(err)
	}
	_, err = s.Put(t.Context(), objects.Put{Bucket: bucket, Key: "a", Body: text("after")})
	wants(t, "put little", err, objects.ErrNoSpace)
	if got := s.get(t, ref("a")); got != "before" {
		t.Errorf("got %q, want before", got)
	}
	if err := os.Remove(rest); err != nil {
		t.Fatal(err)
	}
	if n := s.files(t); n != 1 {
		t.Errorf("got %d files, want that of before", n)
	}
	s.put(t, "a", "after")
}

// fillUp takes all the room that there is.
func fillUp(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, f.Close())
}
