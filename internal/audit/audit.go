// Package audit keeps the log of who did what.
//
// [Log.Record] writes a row in the transaction of what it tells of, so that there
// is a row exactly where something happened. Each instance runs a linker
// ([Log.Run]) that takes committed rows and links them into a chain: each has an
// HMAC over itself and the one before it, under a key that the database does not
// hold. Where all chains stand is signed every hour, and the signed heads also go
// to a file, which belongs on another machine. [Log.Verify] tells what was changed,
// removed or moved since.
//
// A linker takes whichever chain no other one is adding to, and any unlinked rows;
// the lock of the chain's row makes it the only one. So the rows of an instance
// that died are linked by another or at the next start, a chain goes on after a
// restart, and there are no more chains than instances that ever ran at a time.
//
// What a forger with full access to the database can do unseen: drop rows that are
// in no signed head yet, and add rows as Record would.
package audit

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"signet/internal/db"
	"signet/internal/ticket"
)

// What text columns keep of longer texts, in bytes.
const (
	maxText   = 1 << 10
	maxDetail = 16 << 10
)

// Outcome says how it went.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused" // the caller may not, or proved nothing
	Failed  Outcome = "failed"  // it was allowed and did not work
)

// Actor is who did it.
type Actor struct {
	Kind ticket.Kind `json:"kind"`
	ID   string      `json:"id"`
}

// Event is what happened. Only Action is required.
type Event struct {
	Time      time.Time // zero means now
	Actor     Actor     // zero means the ticket of the context; without one the system, or nobody in a request
	Account   string    // empty means the ticket's
	Action    string    // area.verb, such as "authroute.revoke"
	Target    string    // what it was done to, such as a key id
	Outcome   Outcome   // empty means Done
	Reason    string    // why it was refused or failed, or what the actor said
	RequestID string    // empty means the context's request
	Address   string    // empty means the context's request
	Detail    any       // is kept as JSON; never a secret
}

// HeadSigner signs heads.
type HeadSigner interface {
	SignHead(message []byte) []byte
	HeadPublic() ed25519.PublicKey
}

// Options are what an installation may choose.
type Options struct {
	Keep      time.Duration    // how long Run keeps rows; 0 means for ever
	HeadsFile string           // signed heads are appended to it; empty means none
	Now       func() time.Time // nil means time.Now
}

// Log is the audit log. It is safe for concurrent use.
type Log struct {
	db     *db.DB
	key    [32]byte
	signer HeadSigner
	file   headFile
	keep   time.Duration
	now    func() time.Time
	wake   chan struct{}

	mu      sync.Mutex
	samples map[sampleKey]*sample
}

// New returns the log in d. The key authenticates rows and must stay the same for
// the life of the database: derive it by seal.Sealer.Derive.
func New(d *db.DB, key [32]byte, s HeadSigner, o Options) *Log {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Log{
		db: d, key: key, signer: s, file: headFile{path: o.HeadsFile}, now: o.Now, keep: o.Keep,
		wake: make(chan struct{}, 1), samples: map[sampleKey]*sample{},
	}
}

// Record writes e in the caller's transaction. It fails where the action is not
// area.verb or the detail is no JSON, which are the caller's mistakes; texts that
// come from outside are cut and cleaned rather than refused.
func (l *Log) Record(ctx context.Context, tx *db.Tx, e Event) error {
	entry, err := l.entry(ctx, e)
	if err != nil {
		return err
	}
	if err := insert(ctx, tx, &entry); err != nil {
		return fmt.Errorf("record %s: %w", e.Action, err)
	}
	tx.AfterCommit(l.nudge)
	return nil
}

// nudge tells the linker that there is work.
func (l *Log) nudge() {
	select {
	case l.wake <- struct{}{}:
	default: // it knows already
	}
}

func (l *Log) entry(ctx context.Context, e Event) (Entry, error) {
	area, verb, ok := strings.Cut(e.Action, ".")
	if !ok || area == "" || verb == "" || len(e.Action) > 64 {
		return Entry{}, fmt.Errorf("audit action %q is not area.verb", e.Action)
	}
	detail, err := detailText(e.Detail)
	if err != nil {
		return Entry{}, fmt.Errorf("audit detail of %s: %w", e.Action, err)
	}
	id, err := uuid.NewV7() // in order of time, so that indexes stay dense
	if err != nil {
		return Entry{}, err
	}
	entry := Entry{
		ID: id.String(), Time: e.Time, Actor: e.Actor, Account: e.Account, Action: e.Action, Target: text(e.Target),
		Outcome: e.Outcome, Reason: text(e.Reason), RequestID: e.RequestID, Address: e.Address, Detail: detail,
	}
	l.complete(ctx, &entry)
	return entry, nil
}

// complete fills in what the context knows.
func (l *Log) complete(ctx context.Context, e *Entry) {
	request, caller := ticket.RequestFrom(ctx), ticket.From(ctx)
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	e.Time = db.Now(e.Time)
	switch {
	case e.Actor != Actor{}:
	case caller != nil:
		e.Actor = Actor{Kind: caller.Kind, ID: caller.Subject}
	case request.ID == "":
		e.Actor.Kind = ticket.System
	}
	if e.Account == "" && caller != nil {
		e.Account = caller.Account
	}
	if e.Outcome == "" {
		e.Outcome = Done
	}
	if e.RequestID == "" {
		e.RequestID = request.ID
	}
	if e.Address == "" {
		e.Address = request.Address
	}
	e.Actor.ID, e.Account = text(e.Actor.ID), text(e.Account)
	e.RequestID, e.Address = text(e.RequestID), text(e.Address)
}

// text makes s fit for a column of either engine.
func text(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func detailText(v any) (Detail, error) {
	if v == nil {
		return "{}", nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	if len(b) > maxDetail {
		return Detail(fmt.Sprintf(`{"omitted_bytes":%d}`, len(b))), nil
	}
	return Detail(b), nil
}

// Discard records nothing. It is for tests of those who record.
var Discard discard

type discard struct{}

// Record does nothing.
func (discard) Record(context.Context, *db.Tx, Event) error { return nil }

// RecordAlone does nothing.
func (discard) RecordAlone(context.Context, Event) error { return nil }
