package objects

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/limit"
	"signet/internal/ticket"
)

const (
	keepDenials   = 30 * 24 * time.Hour
	denialsEach   = 200 // that are kept of a second; the metrics count all
	denialsPage   = 100
	denialsPruned = 1000 // rows of one deletion
)

// denialsOf is how many are kept of one address: else a laptop that asks for nothing but
// to be refused would fill the disk, and hide what others are refused.
var denialsOf = limit.Rate{Burst: 100, Every: 10 * time.Second}

// ErrNoPage is a page of denials that cannot be had.
var ErrNoPage = fault.New(fault.Invalid, "limit must be from 1 to 100").At("limit")

// Denials keeps what the door refused, for 30 days. Of a flood it keeps a sample.
type Denials struct {
	db    *db.DB
	audit Auditor
	now   func() time.Time

	shares *limit.Memory // of the sample, by address

	lock    sync.Mutex
	pending []Denial
	left    int // out of the sample
}

// NewDenials returns the denials in d. They are written by Run.
func NewDenials(d *db.DB, a Auditor, now func() time.Time) *Denials {
	return &Denials{db: d, audit: a, now: now, shares: limit.NewMemory(denialsOf, 10_000)}
}

// Note keeps a denial, in the next second. It does not wait.
func (s *Denials) Note(_ context.Context, n Denial) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if len(s.pending) >= denialsEach || s.shares.Take(network(n.Address).String()) != nil {
		s.left++
		return
	}
	s.pending = append(s.pending, n)
}

// Run writes what was noted until ctx ends, and forgets what is old.
func (s *Denials) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return s.flush(context.WithoutCancel(ctx))
		case <-tick.C:
		}
		if err := s.flush(ctx); err != nil {
			slog.WarnContext(ctx, "denials were not written", "error", err)
		}
		if n%3600 != 0 {
			continue
		}
		if err := s.prune(ctx); err != nil {
			slog.WarnContext(ctx, "old denials were not removed", "error", err)
		}
	}
}

func (s *Denials) take() (list []Denial, left int) {
	s.lock.Lock()
	defer s.lock.Unlock()
	list, left = s.pending, s.left
	s.pending, s.left = nil, 0
	return list, left
}

func (s *Denials) flush(ctx context.Context) error {
	list, left := s.take()
	if len(list) == 0 {
		return nil
	}
	if left > 0 {
		slog.WarnContext(ctx, "denials were sampled", "kept", len(list), "left_out", left)
	}
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		for _, n := range list {
			if err := insertDenial(ctx, tx, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, n := range list {
		if err := s.audit.RecordAlone(ctx, n.event()); err != nil {
			return err
		}
	}
	return nil
}

// event is the denial as the audit log has it.
func (n Denial) event() audit.Event {
	e := audit.Event{
		Time: n.At, Action: "objects.deny", Target: n.Bucket + "/" + n.Key, Account: n.Account, Outcome: audit.Refused, Reason: n.Code,
		RequestID: n.RequestID, Address: n.Address,
		Detail: map[string]any{"access_key_id": n.AccessKeyID, "operation": n.Operation},
	}
	if n.Account != "" {
		e.Actor = audit.Actor{Kind: ticket.Key, ID: n.AccessKeyID}
	}
	return e
}

func (s *Denials) prune(ctx context.Context) error {
	before := db.Now(s.now().Add(-keepDenials))
	for {
		var gone int64
		err := s.db.Update(ctx, func(tx *db.Tx) (err error) {
			gone, err = deleteDenials(ctx, tx, before, denialsPruned)
			return err
		})
		if err != nil || gone < denialsPruned {
			return err
		}
	}
}

// DenialFilter says which denials; empty members ask for all.
type DenialFilter struct {
	Account, AccessKeyID, Bucket, RequestID string

	Cursor string // of the page before
	Limit  int    // 0: 100
}

// DenialPage is a page of denials, the newest first.
type DenialPage struct {
	Denials []Denial
	Next    string // cursor; empty: this was the last page
}

// List returns a page of the denials of the caller's account, newest first; at the command
// line, of all. It needs objects:read.
func (s *Denials) List(ctx context.Context, f DenialFilter) (p DenialPage, err error) {
	account, err := reach(ctx, readObjects)
	if err != nil {
		return p, err
	}
	if f.Limit == 0 {
		f.Limit = denialsPage
	}
	if f.Limit < 1 || f.Limit > denialsPage {
		return p, ErrNoPage
	}
	if account != "" {
		f.Account = account
	}
	err = s.db.View(ctx, func(tx *db.Tx) error {
		p.Denials, p.Next, err = listDenials(ctx, tx, f)
		return err
	})
	return p, err
}

// Count returns how many denials of the caller's account were kept since a time; at the
// command line, of all. It needs objects:read.
func (s *Denials) Count(ctx context.Context, since time.Time) (n int, err error) {
	account, err := reach(ctx, readObjects)
	if err != nil {
		return 0, err
	}
	err = s.db.View(ctx, func(tx *db.Tx) error {
		n, err = countDenials(ctx, tx, account, since)
		return err
	})
	return n, err
}

// reach is the account that the caller may look into with a permission; empty at the
// command line: all.
func reach(ctx context.Context, permission string) (account string, err error) {
	t := ticket.From(ctx)
	if err := t.Demand(permission); err != nil {
		return "", err
	}
	if t.Kind == ticket.System {
		return "", nil
	}
	if t.Account == "" {
		return "", ticket.ErrForbidden.Because("%s in an account", permission)
	}
	return t.Account, nil
}
