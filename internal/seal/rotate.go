package seal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"signet/internal/db"
	"signet/internal/durable"
)

// What a rotation can refuse.
var (
	ErrRotating   = errors.New("another rotation is at work on the key file")
	ErrUnreadable = errors.New("sealed values do not open")
)

// Column names a column of sealed values. A rotation must be told of every one:
// a value that it does not see stays under its old key.
type Column struct {
	Table, Name string
	ID          []string // the columns of the primary key
	With        []string // further columns that the context is made of
	// Context returns what Seal was given for a row, from the values of ID and
	// With as text, in that order.
	Context func(values []string) string
}

// lingering is how long a replaced key stays in the file: a transaction that began
// before the replacement may still commit a value under it.
const lingering = time.Hour

// Rotate replaces the master key while instances run.
//
// It adds a new key to the file, rewraps every value of columns under it, makes
// it the current one, and rewraps what was sealed meanwhile. The key that it
// replaced stays in the file, to open only. A rotation also drops keys that were
// replaced over an hour ago, unless a value still names them. One that was
// interrupted is finished by the next.
//
// Instances read a changed file by themselves. Where they have copies of it, on
// other machines: [Announce], copy the file, and only then rotate.
//
// progress is told how many values of all were looked at; it starts again for the
// second look. An error that wraps ErrUnreadable names values that do not open:
// all others are rotated, and the keys that these name are kept.
func Rotate(ctx context.Context, d *db.DB, path string, columns []Column, progress func(done, total int)) error {
	r := &rotation{
		db: d, path: path, columns: append([]Column{rootColumn()}, columns...), progress: progress,
		now: time.Now, reached: func(string) error { return nil },
	}
	return r.run(ctx)
}

// Announce adds a key to the file that the next Rotate will rotate to, and does
// nothing where one waits already.
func Announce(path string) error {
	unlock, err := lock(path)
	if err != nil {
		return err
	}
	defer unlock()
	ring, err := LoadOrCreate(path, false)
	if err != nil {
		return err
	}
	_, err = announce(ring)
	return err
}

func announce(ring *Ring) (Key, error) {
	ks, err := ring.fresh()
	if err != nil {
		return Key{}, err
	}
	if k, waits := ks.first(roleNext); waits {
		return k, nil
	}
	k := NewKey()
	if err := durable.Replace(ring.path, []byte(ks.with(k, roleNext).text())); err != nil {
		return Key{}, fmt.Errorf("add key to the key file: %w", err)
	}
	return k, nil
}

func rootColumn() Column {
	return Column{
		Table: "seal_roots", Name: "secret", ID: []string{"name"},
		Context: func([]string) string { return rootContext() },
	}
}

type rotation struct {
	db       *db.DB
	path     string
	columns  []Column
	progress func(done, total int)
	now      func() time.Time
	reached  func(step string) error // lets tests end a rotation at each step
}

func (r *rotation) run(ctx context.Context) error {
	unlock, err := lock(r.path)
	if err != nil {
		return err
	}
	defer unlock()
	ring, err := LoadOrCreate(r.path, false)
	if err != nil {
		return err
	}
	s, err := Attach(ctx, r.db, ring)
	if err != nil {
		return err
	}
	target, err := r.target(ctx, ring)
	if err != nil {
		return err
	}
	if _, _, err := r.pass(ctx, s, target); err != nil {
		return err
	}
	if err := r.promote(ctx, ring, target); err != nil {
		return err
	}
	left, err := r.settle(ctx, s, target)
	if err != nil {
		return err
	}
	if err := r.drop(ctx, ring, left); err != nil {
		return err
	}
	return left.err()
}

// target returns the key to rotate to, known to the store before any value needs it.
func (r *rotation) target(ctx context.Context, ring *Ring) (Key, error) {
	k, interrupted, err := r.interrupted(ctx, ring)
	if err != nil || interrupted {
		return k, err
	}
	if k, err = announce(ring); err != nil {
		return Key{}, err
	}
	if err := r.reached("added"); err != nil {
		return Key{}, err
	}
	err = r.db.Update(ctx, func(tx *db.Tx) error { return addKey(ctx, tx, k, r.now()) })
	if err != nil {
		return Key{}, fmt.Errorf("add key to the store: %w", err)
	}
	return k, r.reached("known")
}

// interrupted returns the current key where a rotation to it ended before the
// store had retired the key it replaced.
func (r *rotation) interrupted(ctx context.Context, ring *Ring) (k Key, yes bool, err error) {
	ks, err := ring.fresh()
	if err != nil {
		return Key{}, false, err
	}
	if _, waits := ks.first(roleNext); waits {
		return Key{}, false, nil
	}
	var inUse []knownKey
	err = r.db.View(ctx, func(tx *db.Tx) error {
		inUse, err = knownKeys(ctx, tx)
		return err
	})
	return ks.current(), len(inUse) > 1, err
}

// promote makes k the key that seals. The file goes first: an instance that
// starts in between finds a current key that the store knows.
func (r *rotation) promote(ctx context.Context, ring *Ring, k Key) error {
	ks, err := ring.fresh()
	if err != nil {
		return err
	}
	if ks.current().id != k.id {
		if err := durable.Replace(r.path, []byte(ks.promoted().text())); err != nil {
			return fmt.Errorf("change key file: %w", err)
		}
	}
	if err := r.reached("promoted"); err != nil {
		return err
	}
	err = r.db.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE seal_keys SET retired_at = $1 WHERE id <> $2 AND retired_at IS NULL`,
			db.Now(r.now()), k.id)
		return err
	})
	if err != nil {
		return fmt.Errorf("retire key in the store: %w", err)
	}
	return r.reached("retired")
}

// drop removes keys from the file that were replaced long ago and that no value names.
func (r *rotation) drop(ctx context.Context, ring *Ring, left remainder) error {
	ks, err := ring.fresh()
	if err != nil {
		return err
	}
	long, err := r.retiredBefore(ctx, r.now().Add(-lingering))
	if err != nil {
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(ks), func(e entry) bool {
		return e.role == roleOld && long[e.id] && !left.names(e.id)
	})
	if len(kept) == len(ks) {
		return nil
	}
	if err := durable.Replace(r.path, []byte(kept.text())); err != nil {
		return fmt.Errorf("drop old keys from the key file: %w", err)
	}
	return r.reached("dropped")
}

func (r *rotation) retiredBefore(ctx context.Context, at time.Time) (ids map[string]bool, err error) {
	err = r.db.View(ctx, func(tx *db.Tx) error {
		ids = map[string]bool{}
		rows, err := tx.QueryContext(ctx, `SELECT id FROM seal_keys WHERE retired_at < $1`, db.Now(at))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return err
			}
			ids[id] = true
		}
		return rows.Err()
	})
	return ids, err
}

// remainder is what a pass could not bring under the new key.
type remainder struct {
	keys  map[string]bool // ids that the values name; "" where one cannot be read
	rows  []string        // the first few, by table, column and id
	count int
}

func (m *remainder) add(sealed []byte, row string, err error) {
	if m.keys == nil {
		m.keys = map[string]bool{}
	}
	m.keys[KeyID(sealed)] = true
	m.count++
	if len(m.rows) < 5 {
		m.rows = append(m.rows, fmt.Sprintf("%s (%v)", row, err))
	}
}

// names reports whether a value may need the key. A value too damaged to say
// which key it is under needs none: no key would open it.
func (m *remainder) names(id string) bool { return m.keys[id] }

func (m *remainder) err() error {
	if m.count == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d of them: %s (restore these rows, or set the secrets again)", ErrUnreadable, m.count, strings.Join(m.rows, "; "))
}

// lock keeps a second rotation of the same file away, and ends with the process.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // beside the key file
	if err != nil {
		return nil, fmt.Errorf("lock key file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrRotating, path), f.Close())
	}
	return func() { _ = f.Close() }, nil
}
