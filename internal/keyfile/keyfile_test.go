package keyfile_test

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signet/internal/keyfile"
)

func TestKeyComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k.pem")
	_, priv, _ := ed25519.GenerateKey(nil)
	if err := keyfile.Write(path, priv); err != nil {
		t.Fatal(err)
	}
	got, err := keyfile.Read(path)
	if err != nil || !got.Equal(priv) {
		t.Errorf("got another key, %v", err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %o, want 600", info.Mode().Perm())
	}
	if err := keyfile.Write(path, priv); err == nil || !strings.Contains(err.Error(), "never overwritten") {
		t.Errorf("a second write: got %v", err)
	}
}

func TestBadKeyFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const ec = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\nOF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n-----END PRIVATE KEY-----\n"
	for want, path := range map[string]string{
		"no such key file":   filepath.Join(dir, "none"),
		"chmod 600":          write("open", ec, 0o644),
		"not a PEM file":     write("text", "hello", 0o600),
		"not a PKCS#8":       write("damaged", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600),
		"not an Ed25519 key": write("ec", ec, 0o600),
	} {
		if _, err := keyfile.Read(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
