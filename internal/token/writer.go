package token

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"signet/internal/db"
)

const (
	writeBatch = 256             // tokens in one transaction
	writeTime  = 5 * time.Second // until a transaction counts as failed
)

// writer keeps tokens that clients get for themselves, several in one transaction where
// several wait. Who comes while one is under way waits for the next one. None waits for
// the disk: a token that a power cut took, of the last half minute, is one that we refuse,
// and its client gets another.
type writer struct {
	db *db.DB

	lock    sync.Mutex
	waiting []*write
	working bool
}

// write is a token that waits to be kept.
type write struct {
	row  tokenRow
	err  error
	done chan struct{}
}

// keep returns once the token is kept, or cannot be.
func (w *writer) keep(ctx context.Context, row tokenRow) error {
	mine := &write{row: row, done: make(chan struct{})}
	w.lock.Lock()
	w.waiting = append(w.waiting, mine)
	lead := !w.working
	w.working = true
	w.lock.Unlock()
	if lead {
		go w.work(context.WithoutCancel(ctx)) // for others too, of whom there may be no end
	}
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// work keeps what waits until nothing does.
func (w *writer) work(ctx context.Context) {
	for {
		runtime.Gosched() // who is about to come shall be in this one
		w.lock.Lock()
		n := min(len(w.waiting), writeBatch)
		batch := w.waiting[:n:n]
		w.waiting = w.waiting[n:]
		w.working = n > 0
		w.lock.Unlock()
		if n == 0 {
			return
		}
		err := w.commit(ctx, batch)
		for _, one := range batch {
			one.err = err
			close(one.done)
		}
	}
}

func (w *writer) commit(ctx context.Context, batch []*write) error {
	ctx, cancel := context.WithTimeoutCause(ctx, writeTime, errors.New("the store took too long"))
	defer cancel()
	return w.db.Relaxed(ctx, func(tx *db.Tx) error {
		for _, one := range batch {
			if err := insertToken(ctx, tx, one.row); err != nil {
				return err
			}
		}
		return nil
	})
}
