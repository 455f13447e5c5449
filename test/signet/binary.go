package signettest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	_ "signet/internal/app" // see noteSources
)

// Binary returns the path of the command, built from this working tree.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatalf("build cmd/signet: %v", err)
	}
	return path
}

// Hello returns the path of the example app, built from this working tree.
func Hello(t testing.TB) string {
	t.Helper()
	path, err := hello()
	if err != nil {
		t.Fatalf("build examples/hello: %v", err)
	}
	return path
}

// Each builds once a process.
var (
	binary = sync.OnceValues(func() (string, error) { return build("cmd/signet") })
	hello  = sync.OnceValues(func() (string, error) { return build("examples/hello") })
)

// build builds the command in a directory of the tree. The file stays in the user's
// cache, so that a build without a change takes no time.
func build(source string) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	tree := sha256.Sum256([]byte(root))
	dir := filepath.Join(cache, "signet-test", hex.EncodeToString(tree[:8]))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(dir, "lock")) // packages are tested at the same time
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := noteSources(filepath.Join(root, source)); err != nil {
		return "", err
	}
	path := filepath.Join(dir, filepath.Base(source))
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, "./"+source) //nolint:gosec,noctx // own paths; all tests share it
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
}

// noteSources looks at what a command is built from, so that go test knows that a
// result from before a change is of no use. The rest comes with the import of app.
func noteSources(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := os.Stat(f); err != nil {
			return err
		}
	}
	return nil
}

func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // own path
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// moduleRoot looks upwards from the directory of the package under test; what the
// compiler knows of source files is cut off by -trimpath.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = up
	}
}
