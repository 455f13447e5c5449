package seal_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"signet/internal/seal"
)

func mustRing(t *testing.T, path string) *seal.Ring {
	t.Helper()
	r, err := seal.LoadOrCreate(path, true)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func currentID(t *testing.T, r *seal.Ring) string {
	t.Helper()
	k, err := r.Current()
	if err != nil {
		t.Fatal(err)
	}
	return k.ID()
}

func TestKeyFileIsMadeOnceAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() { ids[i] = currentID(t, mustRing(t, path)) })
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("started together and got keys %v, want one", ids)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v; want 0600", info.Mode(), err)
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if len(left) != 0 {
		t.Errorf("temporary files stayed: %v", left)
	}
}

func TestMissingKeyFileIsAnErrorWhereNoneMayBeMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	if _, err := seal.LoadOrCreate(path, false); !errors.Is(err, seal.ErrNoFile) {
		t.Errorf("got %v, want ErrNoFile", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
}

func TestKeyFileThatOthersCanReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	mustRing(t, path)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.LoadOrCreate(path, true); err == nil || !strings.Contains(err.Error(), "chmod 600 '"+path+"'") {
			t.Errorf("mode %o: got %v, want an error that says chmod 600", mode, err)
		}
	}
}

func TestKeyFileErrorsSayWhereAndNeverShowAKey(t *testing.T) {
	const key = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=" // 32 bytes
	const id, id2 = "0123456789abcdef", "fedcba9876543210"
	tests := []struct{ name, text, want string }{
		{"empty", "# nothing\n", "no key"},
		{"two current", id + " " + key + " current\n" + id2 + " " + key + " current\n", "2 keys are marked current"},
		{"none current", id + " " + key + " old\n" + id2 + " " + key + " old\n", "0 keys are marked current"},
		{"two next", id + " " + key + " current\n" + id2 + " " + key + " next\n0000000000000000 " + key + " next\n", "2 keys are marked next"},
		{"id twice", id + " " + key + " current\n" + id + " " + key + "\n", "line 2: the id 0123456789abcdef stands twice"},
		{"short key", "\n" + id + " " + key[:40] + " current\n", "line 2: the key is not 32 bytes"},
		{"id is no hex", "mine " + key + " current\n", "line 1: the id is not 16"},
		{"unknown mark", id + " " + key + " primary\n", "line 1: the mark"},
		{"key alone", key + "\n", "line 1: 1 words"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "master.key")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, fileErr := seal.LoadOrCreate(path, true)
			_, envErr := seal.ParseRing(tt.text)
			for _, err := range []error{fileErr, envErr} {
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), key[:8]) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
			}
		})
	}
}

func TestEnvironmentHoldsTheSameKeysInOneLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	sealed, err := seal.New(mustRing(t, path)).Seal([]byte("secret"), where)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var line string
	for l := range strings.Lines(string(text)) {
		if !strings.HasPrefix(l, "#") {
			line = strings.TrimSpace(l)
		}
	}
	line = strings.TrimSuffix(line, " current") // the only key needs no mark
	for _, value := range []string{line, string(text), "a1a1a1a1a1a1a1a1 " + strings.Repeat("A", 43) + "=; " + line + " current"} {
		r, err := seal.ParseRing(value)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := seal.New(r).Open(sealed, where); err != nil || string(got) != "secret" {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

func TestRunningSealerReadsAChangedFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "master.key")
	running := mustRing(t, path)
	first := currentID(t, running)

	other := filepath.Join(dir, "other.key")
	second := mustRing(t, other)
	sealed, _ := seal.New(second).Seal([]byte("later"), where)
	if _, err := seal.New(running).Open(sealed, where); !errors.Is(err, seal.ErrUnknownKey) {
		t.Fatalf("before: got %v, want ErrUnknownKey", err)
	}
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	if got, err := seal.New(running).Open(sealed, where); err != nil || string(got) != "later" {
		t.Errorf("after: got %q, %v", got, err)
	}
	if id := currentID(t, running); id == first {
		t.Error("still seals under the key that left the file")
	}
}
