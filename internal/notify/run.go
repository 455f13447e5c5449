package notify

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"
)

const (
	tryFor     = time.Hour       // how long a mail is tried
	firstPause = 2 * time.Second // after the first failure; it doubles
	maxPause   = 2 * time.Minute // between two attempts
	drainFor   = 5 * time.Second // how long a stop tries what waits
	attemptFor = time.Minute     // longest time for one attempt
)

// Run sends what is queued until ctx ends. Then it tries once more all that waits,
// for a few seconds, and logs how many mails were not sent.
func (p *Post) Run(ctx context.Context) error {
	// A mail in hand is finished at a stop, within the time of the drain.
	sending, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	defer context.AfterFunc(ctx, func() {
		t := time.NewTimer(drainFor)
		defer t.Stop()
		select {
		case <-t.C:
			abort()
		case <-sending.Done():
		}
	})()
	for ctx.Err() == nil {
		l, wait := p.next()
		if l != nil {
			p.attempt(sending, l)
			continue
		}
		p.pause(ctx, wait)
	}
	p.Flush(sending)
	return nil
}

// pause waits for more mail, or until the next one is due; zero means none is.
func (p *Post) pause(ctx context.Context, wait time.Duration) {
	var due <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
	case <-p.more:
	case <-due:
	}
}

// next returns the mail that has been due for longest, or how long until one is.
func (p *Post) next() (*letter, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		return nil, 0
	}
	first := slices.MinFunc(p.waiting, func(a, b *letter) int { return a.due.Compare(b.due) })
	if wait := first.due.Sub(p.o.Now()); wait > 0 {
		return nil, wait
	}
	return first, 0
}

// Flush tries everything that waits once, within a few seconds, and empties the queue.
// It is for programs that end without [Post.Run].
func (p *Post) Flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainFor)
	defer cancel()
	p.mu.Lock()
	waiting := slices.Clone(p.waiting)
	p.mu.Unlock()
	for _, l := range waiting {
		if ctx.Err() != nil {
			break
		}
		p.attempt(ctx, l)
	}
	p.mu.Lock()
	lost := len(p.waiting)
	p.waiting = nil
	p.mu.Unlock()
	if lost > 0 {
		p.count(stopped, lost)
		slog.ErrorContext(ctx, "mails were not sent before the stop", "mails", lost)
	}
}

// attempt sends one mail, or has it wait for the next attempt.
func (p *Post) attempt(ctx context.Context, l *letter) {
	err := p.compose(l)
	if err == nil {
		err = p.deliver(ctx, l)
	}
	log := []any{"what", l.message.What, "attempts", l.attempts, "error", err}
	switch now := p.o.Now(); {
	case err == nil:
		p.done(l, sent)
		slog.InfoContext(ctx, "mail sent", "what", l.message.What, "attempts", l.attempts)
	case errors.Is(err, ErrRefused):
		p.done(l, refused)
		slog.WarnContext(ctx, "mail refused", log...)
	case ctx.Err() != nil: // stopped in the middle: Flush counts it
	case !now.Before(l.late):
		p.done(l, gaveUp)
		slog.ErrorContext(ctx, "mail given up", log...)
	default:
		p.again(l, now)
		slog.WarnContext(ctx, "mail not sent yet", log...)
	}
}

func (p *Post) deliver(ctx context.Context, l *letter) error {
	from, err := bareAddress(p.o.From)
	if err != nil {
		return err
	}
	l.attempts++
	ctx, cancel := context.WithTimeout(ctx, attemptFor)
	defer cancel()
	return p.out.Send(ctx, from, l.to, l.mail)
}

func (p *Post) again(l *letter, now time.Time) {
	pause := maxPause
	if l.attempts < 8 {
		pause = min(maxPause, firstPause<<(l.attempts-1))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l.due = now.Add(pause)
	if l.due.After(l.late) {
		l.due = l.late // the last attempt
	}
}

func (p *Post) done(l *letter, o outcome) {
	p.count(o, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = slices.DeleteFunc(p.waiting, func(other *letter) bool { return other == l })
}
