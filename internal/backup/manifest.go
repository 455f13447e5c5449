package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"signet/internal/durable"
)

const format = 1

// ErrDamaged means that a backup is not as it was written.
var ErrDamaged = errors.New("backup is damaged")

// Manifest says what a backup holds.
type Manifest struct {
	Format    int       `json:"format"`
	Version   string    `json:"version"` // of the program that wrote it
	Engine    string    `json:"engine"`  // sqlite or postgres
	CreatedAt time.Time `json:"created_at"`
	Schema    int64     `json:"schema"` // the last migration
	Keys      []Key     `json:"keys"`   // the master keys that are needed to use it
	Files     []File    `json:"files"`
	Objects   Objects   `json:"objects"`
}

// Key names a master key.
type Key struct {
	ID          string `json:"id"`
	Fingerprint string `json:"fingerprint"` // hex
}

// File is one file of a backup.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

func (m *Manifest) setKeys(inUse map[string][]byte) {
	m.Keys = []Key{}
	for id, fingerprint := range inUse {
		m.Keys = append(m.Keys, Key{id, hex.EncodeToString(fingerprint)})
	}
	slices.SortFunc(m.Keys, func(a, b Key) int { return bytes.Compare([]byte(a.ID), []byte(b.ID)) })
}

func (m *Manifest) inUse() (map[string][]byte, error) {
	keys := map[string][]byte{}
	for _, k := range m.Keys {
		fingerprint, err := hex.DecodeString(k.Fingerprint)
		if err != nil {
			return nil, fmt.Errorf("%w: fingerprint of key %s", ErrDamaged, k.ID)
		}
		keys[k.ID] = fingerprint
	}
	return keys, nil
}

func (m *Manifest) has(name string) bool {
	return slices.ContainsFunc(m.Files, func(f File) bool { return f.Name == name })
}

func (m *Manifest) addFiles(dir string, names []string) error {
	for _, name := range names {
		size, sum, err := hash(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		m.Files = append(m.Files, File{name, size, sum})
	}
	return nil
}

// write writes the manifest, as the last file of a backup.
func (m *Manifest) write(dir string) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, manifestName)
	if err := os.WriteFile(path, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return errors.Join(syncFile(path), durable.SyncDir(dir))
}

// Check reads the manifest of the backup in dir and checks every file against it.
// Its error wraps ErrDamaged where one is not as it was written.
func Check(dir string) (Manifest, error) {
	var m Manifest
	b, err := os.ReadFile(filepath.Join(dir, manifestName)) //nolint:gosec // the operator names the directory
	if err != nil {
		return m, fmt.Errorf("%s is no backup: %w", dir, err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return m, fmt.Errorf("%w: %s: %w", ErrDamaged, manifestName, err)
	}
	if m.Format != format {
		return m, fmt.Errorf("%s has format %d, this release reads %d", dir, m.Format, format)
	}
	for _, f := range m.Files {
		// The names are ours; another one would be a path to somewhere else.
		if !slices.Contains([]string{sqliteName, postgresName, keyName}, f.Name) {
			return m, fmt.Errorf("%w: %s names the file %q", ErrDamaged, manifestName, f.Name)
		}
		size, sum, err := hash(filepath.Join(dir, f.Name))
		if err != nil {
			return m, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if size != f.Size || sum != f.SHA256 {
			return m, fmt.Errorf("%w: %s is not the file that was written", ErrDamaged, f.Name)
		}
	}
	if want := map[string]string{"sqlite": sqliteName, "postgres": postgresName}[m.Engine]; !m.has(want) {
		return m, fmt.Errorf("%w: it has no database", ErrDamaged)
	}
	return m, checkObjects(filepath.Join(dir, objectsName), m.Objects)
}

func hash(path string) (size int64, sum string, err error) {
	f, err := os.Open(path) //nolint:gosec // own names in the operator's directory
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return size, hex.EncodeToString(h.Sum(nil)), err
}
