package disk

import (
	"context"
	"errors"
	"sync"

	"signet/internal/db"
	"signet/internal/fault"
)

// group commits the writes of many together: while one transaction is on its way to the
// disk, those that come wait, and then go in one. That is for SQLite, which has one
// writer and waits for the disk at each commit; PostgreSQL does the like by itself.
type group struct {
	db *db.DB

	mu      sync.Mutex
	waiting []*job
	busy    bool // somebody leads
}

// job is a write of a group. Until it has written, do may only return faults, and after
// that no more of them.
type job struct {
	left  func() error // whether its caller has given up
	do    func(tx *db.Tx) error
	alone func() error // do in a transaction of its own
	turn  chan bool    // true: lead; false: done
	err   error
}

var errEnded = errors.New("the transaction that was shared ended early")

// most is how many writes go in one transaction.
const most = 64

// update runs do in a transaction, maybe together with others. do may run more than once.
func (g *group) update(ctx context.Context, do func(ctx context.Context, tx *db.Tx) error) error {
	if g.db.Dialect() != db.SQLite {
		return g.db.Update(ctx, func(tx *db.Tx) error { return do(ctx, tx) })
	}
	j := &job{
		left: func() error { return context.Cause(ctx) },
		// Who gives up half-way would take the others with it.
		do:    func(tx *db.Tx) error { return do(context.WithoutCancel(ctx), tx) },
		alone: func() error { return g.db.Update(ctx, func(tx *db.Tx) error { return do(ctx, tx) }) },
		turn:  make(chan bool, 1),
	}
	g.mu.Lock()
	g.waiting = append(g.waiting, j)
	lead := !g.busy
	g.busy = true
	g.mu.Unlock()
	if !lead {
		lead = <-j.turn
	}
	if lead {
		g.lead(context.WithoutCancel(ctx)) // the others do not leave with the one who leads
	}
	return j.err
}

// lead commits those that wait, of whom the caller is the first, and has another one lead
// those that came meanwhile.
func (g *group) lead(ctx context.Context) {
	g.mu.Lock()
	jobs := g.waiting[:min(len(g.waiting), most)]
	g.waiting = g.waiting[len(jobs):]
	g.mu.Unlock()
	ended := false
	defer func() { // also where a job panics
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, j := range jobs[1:] {
			if !ended {
				j.err = errEnded
			}
			j.turn <- false
		}
		g.busy = len(g.waiting) > 0
		if g.busy {
			g.waiting[0].turn <- true
		}
	}()
	g.commit(ctx, jobs)
	ended = true
}

// commit runs jobs in one transaction. Where one of them breaks it, each gets its own.
func (g *group) commit(ctx context.Context, jobs []*job) {
	broken := false
	err := g.db.Update(ctx, func(tx *db.Tx) error {
		broken = false
		for _, j := range jobs {
			if j.err = j.left(); j.err != nil {
				continue
			}
			j.err = j.do(tx)
			if _, refused := fault.As(j.err); j.err != nil && !refused {
				broken = true
				return j.err
			}
		}
		return nil
	})
	if err == nil {
		return
	}
	for _, j := range jobs {
		switch {
		case broken:
			j.err = j.alone()
		case j.err == nil:
			j.err = err
		}
	}
}
