package authroute

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/ticket"
)

// maxBypass bounds how long one bypass lasts: it is for emergencies.
const maxBypass = 24 * time.Hour

const maxReason = 500 // characters

// Bypass is the break-glass switch: while it is on, no mail is judged, on any
// instance. It ends by itself. It is safe for concurrent use.
type Bypass struct {
	db    *db.DB
	bus   Bus
	audit Auditor
	now   func() time.Time
	state atomic.Pointer[BypassState]
}

// BypassState is one bypass, over or not.
type BypassState struct {
	Until   time.Time
	Reason  string
	Started time.Time
	By      string
}

// NewBypass returns the switch; Load reads how it stands.
func NewBypass(d *db.DB, bus Bus, a Auditor, now func() time.Time) *Bypass {
	b := &Bypass{db: d, bus: bus, audit: a, now: now}
	b.state.Store(&BypassState{})
	return b
}

// Active reports whether mail goes unjudged.
func (b *Bypass) Active(now time.Time) bool { return now.Before(b.state.Load().Until) }

// On reports whether mail goes unjudged now.
func (b *Bypass) On() bool { return b.Active(b.now()) }

// Until returns when the bypass ends, and false where there is none.
func (b *Bypass) Until() (time.Time, bool) {
	s := b.state.Load()
	return s.Until, b.now().Before(s.Until)
}

// State returns the bypass, and false where there is none now.
func (b *Bypass) State() (BypassState, bool) {
	s := b.state.Load()
	return *s, b.now().Before(s.Until)
}

// Load reads how the switch stands.
func (b *Bypass) Load(ctx context.Context) error {
	var s BypassState
	err := b.db.View(ctx, func(tx *db.Tx) (err error) {
		s, err = storedBypass(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	b.state.Store(&s)
	return nil
}

// Run keeps the switch as the store has it until ctx ends, and logs its turns.
func (b *Bypass) Run(ctx context.Context) error {
	active := b.Active(b.now())
	return follow(ctx, b.bus, topicBypass, func(ctx context.Context) error {
		err := b.Load(ctx) // where it fails, a bypass still ends in time
		if is := b.Active(b.now()); is != active {
			active = is
			b.logTurn(ctx, is)
		}
		return err
	})
}

func (b *Bypass) logTurn(ctx context.Context, active bool) {
	if s := b.state.Load(); active {
		slog.ErrorContext(ctx, "verification of mail was bypassed", "until", s.Until, "reason", s.Reason, "by", s.By)
		return
	}
	slog.InfoContext(ctx, "verification of mail resumed")
}

// Start bypasses verification for a time, at most 24 hours, or moves the end of a
// bypass that is on. It holds on every instance within a second. The caller needs
// authroute:admin.
func (b *Bypass) Start(ctx context.Context, lasting time.Duration, reason string) error {
	t := ticket.From(ctx)
	if err := t.Demand(adminMail); err != nil {
		return err
	}
	reason = strings.TrimSpace(reason)
	switch {
	case lasting <= 0 || lasting > maxBypass:
		return ErrBypassEnd.At("for")
	case reason == "" || utf8.RuneCountInString(reason) > maxReason || strings.ContainsFunc(reason, unicode.IsControl):
		return ErrReason.At("reason")
	}
	if err := db.Clean("reason", reason); err != nil {
		return err
	}
	now := b.now()
	s := BypassState{Until: now.Add(lasting), Reason: reason, Started: now, By: t.Subject}
	return b.change(ctx, "authroute.bypass_start", map[string]any{"until": formatTime(s.Until), "reason": reason}, func(tx *db.Tx) error {
		return putBypass(ctx, tx, s)
	})
}

// Stop ends the bypass before its time. The caller needs authroute:admin.
func (b *Bypass) Stop(ctx context.Context) error {
	if err := ticket.From(ctx).Demand(adminMail); err != nil {
		return err
	}
	return b.change(ctx, "authroute.bypass_stop", nil, func(tx *db.Tx) error {
		return deleteBypass(ctx, tx, b.now())
	})
}

func (b *Bypass) change(ctx context.Context, action string, detail any, fn func(tx *db.Tx) error) error {
	err := b.db.Update(ctx, func(tx *db.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return b.audit.Record(ctx, tx, audit.Event{Action: action, Detail: detail})
	})
	if err != nil {
		return err
	}
	b.bus.Publish(topicBypass)
	if err := b.Load(ctx); err != nil {
		slog.WarnContext(ctx, "a stored change does not hold here yet", "action", action, "error", err)
	}
	return nil
}
