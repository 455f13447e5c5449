package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	channel     = "signet"
	notifyTime  = 2 * time.Second  // until a notice is given up: the poll makes up for it
	quiet       = 15 * time.Second // without a notice until the connection is asked whether it lives
	aliveTime   = 3 * time.Second  // until no answer to that means that it is dead
	minRetry    = 50 * time.Millisecond
	maxRetry    = 2 * time.Second
	connectTime = 3 * time.Second
)

// outbox holds topics for other instances, so that a database that is slow holds
// up no notice inside this one.
type outbox struct {
	wake chan struct{}

	mu     sync.Mutex
	topics map[string]bool
}

func newOutbox() *outbox {
	return &outbox{wake: make(chan struct{}, 1), topics: map[string]bool{}}
}

func (o *outbox) add(topics []string) {
	if len(topics) == 0 {
		return
	}
	o.mu.Lock()
	for _, t := range topics {
		o.topics[t] = true
	}
	o.mu.Unlock()
	poke(o.wake)
}

func (o *outbox) take() map[string]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	taken := o.topics
	o.topics = map[string]bool{}
	return taken
}

// tell sends notices to other instances. They go by the pool, outside any
// transaction: inside one PostgreSQL takes a global lock at its commit.
func (b *Bus) tell(ctx context.Context, o *outbox) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.wake:
		}
		for topic := range o.take() {
			if err := b.notify(ctx, topic); err != nil && ctx.Err() == nil {
				slog.DebugContext(ctx, "notice not sent", "topic", topic, "error", err)
			}
		}
	}
}

func (b *Bus) notify(ctx context.Context, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, notifyTime)
	defer cancel()
	_, err := b.db.SQL().ExecContext(ctx, `SELECT pg_notify($1, $2)`, channel, b.id+" "+topic)
	return err
}

// listen receives notices of other instances, and connects again when it must.
func (b *Bus) listen(ctx context.Context) {
	retry := minRetry
	for {
		connected, err := b.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if connected {
			retry = minRetry
			slog.WarnContext(ctx, "connection for change notices lost", "error", err)
		}
		pause := time.NewTimer(retry)
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		retry = min(2*retry, maxRetry)
	}
}

// listenOnce receives until the connection ends. It reports whether there was one.
func (b *Bus) listenOnce(ctx context.Context) (connected bool, err error) {
	c, err := connect(ctx, b.db.URL())
	if err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), aliveTime)
		defer cancel()
		_ = c.Close(ctx) // it is of no use any more
	}()
	b.wakeAll() // for what nobody told us meanwhile
	for {
		payload, err := next(ctx, c)
		if err != nil {
			return true, err
		}
		if payload != "" {
			b.received(ctx, payload)
		}
	}
}

func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, errors.New("PostgreSQL does not answer") // err may quote the URL, and that a password
	}
	if _, err := c.Exec(ctx, `LISTEN `+channel); err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), c.Close(ctx))
	}
	return c, nil
}

// next returns the next notice, or "" where the connection is only quiet. A peer
// that vanished without a word is noticed here.
func next(ctx context.Context, c *pgx.Conn) (string, error) {
	wait, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	n, err := c.WaitForNotification(wait)
	if err == nil {
		return n.Payload, nil
	}
	if wait.Err() == nil || ctx.Err() != nil {
		return "", err
	}
	alive, cancel := context.WithTimeout(ctx, aliveTime)
	defer cancel()
	return "", c.Ping(alive)
}
