// Package push tells instances that something changed, so that they need not ask
// the database all the time.
//
// A notice says no more than "look again". It may come twice, and it may be lost:
// with a connection, or because the writer ended. So every subscription is also
// woken each [PollEvery], and that is what a promise may rest on; the notice only
// makes it fast. On PostgreSQL notices reach all instances, on SQLite this one.
package push

import (
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"signet/internal/db"
)

const (
	// PollEvery is how often every subscription is woken, notice or not.
	PollEvery = time.Second
	// Spacing is the least time between two notices of a topic: 20 a second.
	Spacing = 50 * time.Millisecond
)

// Bus carries notices. It is safe for concurrent use. Nothing moves on it until
// Run runs.
type Bus struct {
	db   *db.DB
	id   string // tells own notices from others'
	wake chan struct{}

	mu    sync.Mutex
	subs  map[string][]chan struct{}
	dirty map[string]bool      // published, not sent yet
	sent  map[string]time.Time // within the last Spacing
}

// New returns a bus over d.
func New(d *db.DB) *Bus {
	return &Bus{
		db: d, id: rand.Text(), wake: make(chan struct{}, 1),
		subs: map[string][]chan struct{}{}, dirty: map[string]bool{}, sent: map[string]time.Time{},
	}
}

// Publish tells all subscribers of topic, on every instance, that it changed. Call
// it from [db.Tx.AfterCommit]: a notice from inside a transaction comes before its
// change can be seen. It does not wait. Topics are constants without spaces, of at
// most 100 bytes.
func (b *Bus) Publish(topic string) {
	b.mu.Lock()
	b.dirty[topic] = true
	b.mu.Unlock()
	poke(b.wake)
}

// Subscribe returns a channel that gets a value when topic may have changed: after
// a notice, and each PollEvery. Notices that come while one waits are one. The
// function ends the subscription; the channel is never closed.
func (b *Bus) Subscribe(topic string) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs[topic] = append(b.subs[topic], c)
	return c, func() { b.unsubscribe(topic, c) }
}

func (b *Bus) unsubscribe(topic string, c chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs[topic] = slices.DeleteFunc(b.subs[topic], func(o chan struct{}) bool { return o == c })
	if len(b.subs[topic]) == 0 {
		delete(b.subs, topic)
	}
}

// Run carries notices until ctx ends.
func (b *Bus) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { b.poll(ctx) })
	if b.db.Dialect() == db.Postgres {
		out := newOutbox()
		wg.Go(func() { b.listen(ctx) })
		wg.Go(func() { b.tell(ctx, out) })
		b.send(ctx, out.add)
	} else {
		b.send(ctx, func([]string) {})
	}
	wg.Wait()
	return nil
}

func (b *Bus) poll(ctx context.Context) {
	tick := time.NewTicker(PollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.wakeAll()
		}
	}
}

// send gives published topics to this instance's subscribers and to others, each
// topic at most once in Spacing. The last notice of a burst is never left out.
func (b *Bus) send(ctx context.Context, others func(topics []string)) {
	for {
		topics, next := b.ready(time.Now())
		for _, t := range topics {
			b.deliver(t)
		}
		others(topics)
		var later <-chan time.Time
		if next > 0 {
			later = time.After(next)
		}
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		case <-later:
		}
	}
}

// ready takes the topics that may be sent now, and says how long the first of the
// others must wait; zero where there is none.
func (b *Bus) ready(now time.Time) (topics []string, next time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for t, at := range b.sent {
		if now.Sub(at) >= Spacing {
			delete(b.sent, t)
		}
	}
	for t := range b.dirty {
		at, recently := b.sent[t]
		if !recently {
			topics = append(topics, t)
			continue
		}
		if w := Spacing - now.Sub(at); next == 0 || w < next {
			next = w
		}
	}
	for _, t := range topics {
		delete(b.dirty, t)
		b.sent[t] = now
	}
	return topics, next
}

func (b *Bus) deliver(topic string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.subs[topic] {
		poke(c)
	}
}

func (b *Bus) wakeAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, subs := range b.subs {
		for _, c := range subs {
			poke(c)
		}
	}
}

// poke leaves a value in a channel of one, unless there is one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// received delivers a notice of another instance.
func (b *Bus) received(ctx context.Context, payload string) {
	from, topic, ok := strings.Cut(payload, " ")
	if !ok {
		slog.DebugContext(ctx, "notice not understood", "size", len(payload))
		return
	}
	if from != b.id {
		b.deliver(topic)
	}
}
