package seal

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
)

// Ring is the set of master keys: one seals, all open. A ring that came from a
// file reads it again when the file changed, so a running instance learns of a
// rotation without a restart. It is safe for concurrent use.
type Ring struct {
	path string // "" where the keys are fixed

	mu   sync.Mutex
	keys keys
	read fs.FileInfo // of the file when keys was read
}

// NewRing returns a ring of fixed keys, of which current seals.
func NewRing(current Key, others ...Key) *Ring {
	ks := keys{{current, roleCurrent}}
	for _, k := range others {
		ks = append(ks, entry{k, roleOld})
	}
	return &Ring{keys: ks}
}

// ParseRing returns a ring of fixed keys from text in the form of a key file, as
// an environment variable holds it; there ";" may stand for the end of a line.
func ParseRing(text string) (*Ring, error) {
	ks, err := parseKeys(strings.ReplaceAll(text, ";", "\n"))
	if err != nil {
		return nil, fmt.Errorf("master keys: %w", err)
	}
	return &Ring{keys: ks}, nil
}

// Current returns the key that seals. An error means that the key file changed
// and cannot be read.
func (r *Ring) Current() (Key, error) {
	ks, err := r.fresh()
	if err != nil {
		return Key{}, err
	}
	return ks.current(), nil
}

// Key returns the key with the id, or an error that wraps ErrUnknownKey.
func (r *Ring) Key(id string) (Key, error) {
	r.mu.Lock()
	ks := r.keys
	r.mu.Unlock()
	if k, ok := ks.find(id); ok {
		return k, nil
	}
	ks, err := r.fresh()
	if err != nil {
		return Key{}, fmt.Errorf("%w: %s: %w", ErrUnknownKey, id, err)
	}
	if k, ok := ks.find(id); ok {
		return k, nil
	}
	return Key{}, fmt.Errorf("%w: %s", ErrUnknownKey, id)
}

// fresh returns the keys of the file as it is now. One stat a call: a value that
// was sealed under a key just retired would make the rotation run once more.
func (r *Ring) fresh() (keys, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.path == "" {
		return r.keys, nil
	}
	now, err := os.Stat(r.path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if r.read != nil && os.SameFile(r.read, now) && r.read.ModTime().Equal(now.ModTime()) && r.read.Size() == now.Size() {
		return r.keys, nil
	}
	ks, info, err := readKeys(r.path)
	if err != nil {
		return nil, err
	}
	r.keys, r.read = ks, info
	return ks, nil
}

// role is what a key of the ring is for.
type role string

const (
	roleCurrent role = "current" // seals and opens
	roleNext    role = "next"    // will seal when the rotation that made it is done
	roleOld     role = "old"     // only opens
)

type entry struct {
	Key

	role role
}

// keys is never changed once made: every change is a copy.
type keys []entry

func (ks keys) find(id string) (Key, bool) {
	i := slices.IndexFunc(ks, func(e entry) bool { return e.id == id })
	if i < 0 {
		return Key{}, false
	}
	return ks[i].Key, true
}

func (ks keys) first(r role) (Key, bool) {
	i := slices.IndexFunc(ks, func(e entry) bool { return e.role == r })
	if i < 0 {
		return Key{}, false
	}
	return ks[i].Key, true
}

func (ks keys) current() Key {
	k, _ := ks.first(roleCurrent) // parseKeys and NewRing see to it that there is one
	return k
}

// with returns the keys with one more.
func (ks keys) with(k Key, r role) keys { return append(slices.Clone(ks), entry{k, r}) }

// promoted returns the keys with the next one current and the current one old.
func (ks keys) promoted() keys {
	out := slices.Clone(ks)
	for i := range out {
		switch out[i].role {
		case roleCurrent:
			out[i].role = roleOld
		case roleNext:
			out[i].role = roleCurrent
		case roleOld:
		}
	}
	return out
}

const fileHead = `# Master keys of this Signet installation. Who has this file and the database has
# every secret in it: keep a copy, and keep it away from the backups of the database.
# One key a line: id, key, and what it is for (current, next or old).
`

// text returns the keys in the form of a key file.
func (ks keys) text() string {
	var b strings.Builder
	b.WriteString(fileHead)
	for _, e := range ks {
		fmt.Fprintf(&b, "%s %s %s\n", e.id, base64.StdEncoding.EncodeToString([]byte(e.secret)), e.role)
	}
	return b.String()
}

// parseKeys reads the form of a key file. Its errors name the line, never a key.
func parseKeys(text string) (keys, error) {
	var ks keys
	line := 0
	for l := range strings.Lines(text) {
		line++
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		e, err := parseEntry(strings.Fields(l))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if _, double := ks.find(e.id); double {
			return nil, fmt.Errorf("line %d: the id %s stands twice", line, e.id)
		}
		ks = append(ks, e)
	}
	if len(ks) == 1 && ks[0].role == roleOld {
		ks[0].role = roleCurrent // the only key needs no mark
	}
	return ks, ks.check()
}

func (ks keys) check() error {
	n := map[role]int{}
	for _, e := range ks {
		n[e.role]++
	}
	switch {
	case len(ks) == 0:
		return fmt.Errorf("there is no key (a line is: id, 32 bytes in base64, current)")
	case n[roleCurrent] != 1:
		return fmt.Errorf("%d keys are marked current (mark exactly one)", n[roleCurrent])
	case n[roleNext] > 1:
		return fmt.Errorf("%d keys are marked next (one rotation at a time)", n[roleNext])
	}
	return nil
}

func parseEntry(fields []string) (entry, error) {
	if len(fields) < 2 || len(fields) > 3 {
		return entry{}, fmt.Errorf("%d words (a line is: id, 32 bytes in base64, current | next | old)", len(fields))
	}
	id, err := hex.DecodeString(fields[0])
	if err != nil || len(id) != idSize || fields[0] != strings.ToLower(fields[0]) {
		return entry{}, fmt.Errorf("the id is not 16 lower-case hex digits")
	}
	secret, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil || len(secret) != keySize {
		return entry{}, fmt.Errorf("the key is not 32 bytes in base64 (copied incompletely?)")
	}
	e := entry{Key{id: fields[0], secret: string(secret)}, roleOld}
	if len(fields) == 3 {
		e.role = role(fields[2])
	}
	switch e.role {
	case roleCurrent, roleNext, roleOld:
		return e, nil
	}
	return entry{}, fmt.Errorf("the mark of %s is none of current, next and old", e.id)
}
