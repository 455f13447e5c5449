package db

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

const (
	idleTime = time.Second            // after which a connection is asked before its use
	pingTime = 500 * time.Millisecond // for its answer
)

// doubt is about the idle connections of a pool. Behind a network that fell silent
// none of them answers: once one did not, those that are idle since before then are
// not asked any more, or whoever comes first would wait for each in turn.
type doubt struct{ silent atomic.Pointer[time.Time] }

// unsure reports whether a connection must be tried before its use. Where it is, it
// is closed already, and trying it fails at once: the pool takes another one.
func (d *doubt) unsure(ctx context.Context, p stdlib.ShouldPingParams) bool {
	now := time.Now()
	if at := d.silent.Load(); at != nil && now.Add(-p.IdleDuration).Before(*at) {
		drop(ctx, p)
		return true
	}
	if p.IdleDuration < idleTime {
		return false
	}
	limited, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	if p.Conn.Ping(limited) == nil {
		return false
	}
	if ctx.Err() == nil {
		d.silent.Store(&now)
	}
	drop(ctx, p)
	return true
}

// drop closes a connection without waiting for its other end.
func drop(ctx context.Context, p stdlib.ShouldPingParams) {
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_ = p.Conn.Close(gone) // nothing is under way on it
}
