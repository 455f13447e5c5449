package once

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"signet/internal/db"
	"signet/internal/durable"
)

// File keeps values in memory, and in a journal on disk before anybody is told of
// them: for the one instance that a SQLite store serves. It knows them after the end
// of the process, however that came. After a crash of the machine, which may have
// taken the last ones, it has a new birth.
type File struct {
	memory  *Memory
	journal *journal
	dir     string
	state   fileState
}

// fileState says what the journal beside it can be trusted for.
type fileState struct {
	Birth  time.Time `json:"birth"`
	Boot   string    `json:"boot"`   // of the machine, when the journal was last open
	Closed bool      `json:"closed"` // and all of it was on the disk
}

// OpenFile opens the store in dir, which it makes. Nobody else may have it open: the
// caller serves d (see [db.DB.Serve]).
func OpenFile(ctx context.Context, d *db.DB, dir string) (*File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f := &File{memory: NewMemory(), dir: dir}
	found, err := f.trusted()
	if err != nil {
		return nil, err
	}
	if found {
		f.journal, err = openJournal(dir, f.memory)
		if errors.Is(err, errDamaged) {
			slog.ErrorContext(ctx, "the replay store cannot be read", "error", err)
			f.memory, found, err = NewMemory(), false, nil
		}
		if err != nil {
			return nil, err
		}
	}
	if err := f.begin(ctx, d, found); err != nil {
		return nil, errors.Join(err, f.abandon())
	}
	f.memory.birth, f.memory.keeper = f.state.Birth, f.journal
	return f, nil
}

// trusted reads the state, and reports whether the journal has everything that was
// used since its birth.
func (f *File) trusted() (bool, error) {
	text, err := os.ReadFile(f.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(text, &f.state); err != nil {
		f.state = fileState{}
		return false, nil //nolint:nilerr // cut off by a crash of the machine
	}
	return f.state.Closed || f.state.Boot != "" && f.state.Boot == bootID(), nil
}

// begin makes sure that the installation goes by this journal, with this birth.
func (f *File) begin(ctx context.Context, d *db.DB, found bool) error {
	birth, err := f.adopt(ctx, d, found)
	if err != nil {
		return err
	}
	if !found || !birth.Equal(f.state.Birth) {
		if birth.Unix() != 0 {
			slog.WarnContext(ctx, "used values are not known any more: older proofs are refused", "birth", birth)
		}
		if err := f.abandon(); err != nil {
			return err
		}
		if err := clearJournal(f.dir); err != nil {
			return err
		}
		f.memory = NewMemory()
		if f.journal, err = openJournal(f.dir, f.memory); err != nil {
			return err
		}
	}
	f.state = fileState{Birth: birth, Boot: bootID()}
	return f.writeState()
}

// adopt returns the birth that the installation's epoch has for this store, and
// begins a new one where the journal is not found, or not what the epoch goes by.
// Where no value was ever used there is nothing to forget: that birth lies before
// every proof.
func (f *File) adopt(ctx context.Context, d *db.DB, found bool) (birth time.Time, err error) {
	err = d.Update(ctx, func(tx *db.Tx) error {
		var store string
		birth = time.Unix(0, 0).UTC()
		if first, err := beginEpoch(ctx, tx, f.Name(), birth); first || err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, `SELECT store, birth FROM once_epoch WHERE id = 1`).Scan(&store, &birth)
		if err != nil || found && store == f.Name() && birth.Equal(f.state.Birth) {
			return err
		}
		birth = db.Now(f.memory.now())
		return moveEpoch(ctx, tx, f.Name(), birth)
	})
	return birth, err
}

func moveEpoch(ctx context.Context, tx *db.Tx, store string, birth time.Time) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE once_epoch SET epoch = epoch + 1, store = $1, birth = $2, moved_at = $3 WHERE id = 1`, store, birth, db.Now(time.Now()))
	return err
}

func (f *File) statePath() string { return filepath.Join(f.dir, "state.json") }

// writeState replaces the state, and waits for the disk.
func (f *File) writeState() error {
	text, err := json.Marshal(f.state)
	if err != nil {
		return err
	}
	return durable.Replace(f.statePath(), text)
}

// Name implements [Store].
func (f *File) Name() string { return "file" }

// Birth implements [Store].
func (f *File) Birth(context.Context) (time.Time, error) { return f.state.Birth, nil }

// Take implements [Store].
func (f *File) Take(ctx context.Context, e Entry) (Answer, error) { return f.memory.Take(ctx, e) }

// Run removes files that nothing lives in any more, until ctx ends.
func (f *File) Run(ctx context.Context) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		if err := f.Prune(); err != nil {
			slog.WarnContext(ctx, "replay store not pruned", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Prune removes values that have ended, and files with nothing else in them.
func (f *File) Prune() error {
	f.memory.prune()
	sparse, err := f.journal.sweep()
	if sparse == 0 || err != nil {
		return err
	}
	if err := f.memory.keepAnew(sparse); err != nil {
		return err
	}
	_, err = f.journal.sweep()
	return err
}

// Close waits until everything is on the disk, so that even a new start of the
// machine forgets nothing. Nothing may be taken afterwards.
func (f *File) Close() error {
	if err := f.journal.close(); err != nil {
		return err
	}
	f.state.Closed = true
	return f.writeState()
}

// abandon closes a journal that does not count.
func (f *File) abandon() error {
	if f.journal == nil {
		return nil
	}
	return f.journal.out.Close()
}

// bootID names the time since the machine's start; "" where the system does not tell.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%.36s", id)
}
