package authroute

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
)

// desk judges the mails of one connection, one at a time, in a goroutine of its
// own, so that the connection can go on where a judgement takes too long. The
// goroutine stays from mail to mail: a new one would have to grow its stack each time.
type desk struct {
	judge   judge
	metrics *Metrics
	open    *atomic.Int64 // desks of the service
	in      chan errand
	out     chan Verdict
}

// errand is one mail to judge.
type errand struct {
	Request

	ctx context.Context //nolint:containedctx // it travels with the request, as an argument would
}

func openDesk(j judge, m *Metrics, open *atomic.Int64) *desk {
	open.Add(1)
	d := &desk{judge: j, metrics: m, open: open, in: make(chan errand), out: make(chan Verdict, 1)}
	go d.work()
	return d
}

// close lets the desk's goroutine end once its mail is judged.
func (d *desk) close() { close(d.in) }

func (d *desk) work() {
	defer d.open.Add(-1)
	for e := range d.in {
		d.out <- d.judgeOne(e)
	}
}

// judgeOne makes a panic a verdict.
func (d *desk) judgeOne(e errand) (v Verdict) {
	defer func() {
		if panicked := recover(); panicked != nil {
			d.metrics.defaultAction(byPanic)
			slog.ErrorContext(e.ctx, "judging a mail panicked", "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
			v = e.unjudged(Trouble)
		}
	}()
	return d.judge.Judge(e.ctx, e.Request)
}
