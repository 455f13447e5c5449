package audit

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"signet/internal/db"
	"signet/internal/ticket"
)

// Refusals are sampled: so many at once and so many a second of one kind.
const (
	sampleBurst = 20
	sampleRate  = 1.0 // a second
	sampleKinds = 10_000
	sampleFlush = time.Minute // until what was suppressed is counted in a row of its own
)

// sampleKey is a kind of refusal: the action, and the caller where one is proven.
// Names that a stranger can invent are no part of it.
type sampleKey struct {
	action string
	actor  Actor
}

// sample is a token bucket, and what did not fit.
type sample struct {
	tokens     float64
	at         time.Time
	suppressed int64
	since      time.Time // of the first that was suppressed
}

// RecordAlone writes e in a transaction of its own, for what must be on record
// though the caller's transaction fails. It must not be called inside a
// transaction: SQLite has one writer.
//
// Refusals are sampled, 20 at once and then 1 a second for each action (and caller,
// where one is proven). How many were left out stands in the detail of the next
// row, as "suppressed".
func (l *Log) RecordAlone(ctx context.Context, e Event) error {
	entry, err := l.entry(ctx, e)
	if err != nil {
		return err
	}
	var key sampleKey
	var left int64
	if entry.Outcome == Refused {
		var ok bool
		if key, left, ok = l.admit(ctx, e.Action); !ok {
			return nil
		}
		entry.Detail = withSuppressed(entry.Detail, left)
	}
	if err := l.insertAlone(ctx, &entry); err != nil {
		l.suppress(key, left)
		return fmt.Errorf("record %s: %w", e.Action, err)
	}
	return nil
}

func (l *Log) insertAlone(ctx context.Context, e *Entry) error {
	err := l.db.Update(ctx, func(tx *db.Tx) error { return insert(ctx, tx, e) })
	if err == nil {
		l.nudge()
	}
	return err
}

// admit reports whether a refusal gets a row, and how many before it got none.
func (l *Log) admit(ctx context.Context, action string) (key sampleKey, left int64, ok bool) {
	key.action = action
	if caller := ticket.From(ctx); caller != nil {
		key.actor = Actor{Kind: caller.Kind, ID: caller.Subject}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	s := l.samples[key]
	if s == nil && len(l.samples) >= sampleKinds {
		key.actor = Actor{}
		s = l.samples[key]
	}
	if s == nil {
		s = &sample{tokens: sampleBurst, at: now}
		l.samples[key] = s
	}
	s.refill(now)
	if s.tokens < 1 {
		if s.suppressed == 0 {
			s.since = now
		}
		s.suppressed++
		return key, 0, false
	}
	s.tokens--
	left, s.suppressed = s.suppressed, 0
	return key, left, true
}

func (s *sample) refill(now time.Time) {
	s.tokens = min(sampleBurst, s.tokens+max(0, now.Sub(s.at).Seconds())*sampleRate)
	s.at = now
}

// suppress gives back a count that could not be written.
func (l *Log) suppress(key sampleKey, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.samples[key]; s != nil && n > 0 {
		s.suppressed += n
	}
}

// flushSamples writes a row for each kind of refusal that was suppressed age ago
// and has had no row since, and forgets kinds that are quiet.
func (l *Log) flushSamples(ctx context.Context, age time.Duration) {
	for key, n := range l.takeSuppressed(age) {
		e, err := l.entry(ctx, Event{Actor: key.actor, Action: key.action, Outcome: Refused, Reason: "sampled"})
		if err == nil {
			e.Actor, e.Detail = key.actor, withSuppressed(e.Detail, n)
			err = l.insertAlone(ctx, &e)
		}
		if err != nil {
			l.suppress(key, n)
			slog.ErrorContext(ctx, "suppressed refusals not recorded", "action", key.action, "count", n, "error", err)
		}
	}
}

func (l *Log) takeSuppressed(age time.Duration) map[sampleKey]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, due := l.now(), map[sampleKey]int64{}
	for key, s := range l.samples {
		s.refill(now)
		switch {
		case s.suppressed > 0 && now.Sub(s.since) >= age:
			due[key], s.suppressed = s.suppressed, 0
		case s.suppressed == 0 && s.tokens >= sampleBurst:
			delete(l.samples, key)
		}
	}
	return due
}

// withSuppressed adds the count to a detail.
func withSuppressed(detail Detail, n int64) Detail {
	if n == 0 {
		return detail
	}
	count := `"suppressed":` + strconv.FormatInt(n, 10)
	switch {
	case detail == "{}":
		return Detail("{" + count + "}")
	case detail[0] == '{':
		return Detail("{"+count+",") + detail[1:]
	}
	return Detail("{"+count+`,"detail":`) + detail + "}"
}
