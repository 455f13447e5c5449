// Package once lets a value be used one time, on all instances together: the jti
// of a proof, the nonce of a peer token, the proof of a mail.
//
// [Guard] is the way in. It keeps values in one of four stores ([Memory], [File],
// [SQL], [Redis]) and knows two things that a plain set does not: since when the store
// has forgotten nothing (its birth), and which store the whole installation uses
// now (the epoch). A store that is full refuses; it never forgets a live value.
//
// A request that has proven nothing must not get here: each value takes room.
package once

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"signet/internal/db"
	"signet/internal/fault"

	"golang.org/x/sync/singleflight"
)

// What the guard can refuse. In every case the value may not be accepted.
var (
	ErrAway  = fault.New(fault.Unavailable, "the replay store is away: try again")
	ErrFull  = fault.New(fault.Unavailable, "the replay store is full: try again later")
	ErrQuota = fault.New(fault.TooMany, "too many proofs are in use at once: try again later")
	ErrEpoch = fault.New(fault.Unauthorized, "the nonce is outdated: use the new one")
	ErrOlder = fault.New(fault.Unauthorized, "the proof was made before the replay store began: send a new one")
	ErrPast  = fault.New(fault.Unauthorized, "the proof has expired: send a new one")
)

// Space is a set of values of one kind.
type Space struct {
	Name  string
	Cap   int // live values; several instances on SQL may pass it by a batch each
	Quota int // live values of one subject; zero is Cap
	// Skew is by how much clocks may differ that this protocol still accepts.
	// Values are kept longer by it, and proofs younger than the store's birth by
	// less than it are refused.
	Skew time.Duration
}

// Use is one use of a value. Value and subject are kept as SHA-256 only.
type Use struct {
	Space   string
	Value   string
	By      string    // who uses it, at most 512 bytes; the same use tried again has the same By
	Subject string    // whom the quota counts; "" is nobody
	Issued  time.Time // when the proof was made; zero where the protocol has no such time
	Until   time.Time // from when on nobody would accept the value anyway
	Epoch   int64     // that the proof's server nonce was made in (see [Guard.Epoch]); zero where no server nonce covers it
}

// maxBy keeps a holder small: each live value has one.
const maxBy = 512

// Store keeps values. Its errors are ErrFull, ErrQuota, ErrPast, or anything that
// means it is away.
type Store interface {
	// Name is one of memory, file, sql, redis.
	Name() string
	// Take keeps the entry unless its key is kept already, and says who holds it.
	Take(ctx context.Context, e Entry) (Answer, error)
	// Birth is since when the store has forgotten nothing.
	Birth(ctx context.Context) (time.Time, error)
}

// Entry is a use as stores see it.
type Entry struct {
	Space   *Space
	Key     [32]byte // of space and value
	Subject string   // SHA-256 as bytes, or ""
	By      string
	Until   time.Time
	Counts  bool // count the uses
}

// Answer is what a store says of an entry.
type Answer struct {
	Holder string // the By of the first use
	Uses   int    // this one included; only where the entry counts
	Birth  time.Time
}

// Guard gives out values one time. It is safe for concurrent use.
type Guard struct {
	db       *db.DB
	primary  Store
	fallback Store // nil where there is none
	spaces   map[string]*Space
	now      func() time.Time

	epoch   atomic.Pointer[readEpoch]
	reading singleflight.Group
}

// New returns a guard that keeps its values in primary and its epoch in d. While
// primary is away, values that a server nonce covers go to fallback, which may be nil.
func New(d *db.DB, primary, fallback Store, spaces ...Space) *Guard {
	g := &Guard{db: d, primary: primary, fallback: fallback, spaces: map[string]*Space{}, now: time.Now}
	for _, s := range spaces {
		if s.Quota == 0 {
			s.Quota = s.Cap
		}
		g.spaces[s.Name] = &s
	}
	return g
}

// Take is [Guard.TakeUse] for a value without subject, time or nonce.
func (g *Guard) Take(ctx context.Context, space, value, by string, until time.Time) (holder string, err error) {
	return g.TakeUse(ctx, Use{Space: space, Value: value, By: by, Until: until})
}

// TakeUse uses a value and returns who used it first: it is fresh where the holder
// is u.By. Any error means that it may not be accepted.
func (g *Guard) TakeUse(ctx context.Context, u Use) (holder string, err error) {
	if u.By == "" || len(u.By) > maxBy {
		return "", fmt.Errorf("once: holder has %d bytes, want 1 to %d", len(u.By), maxBy)
	}
	a, err := g.ask(ctx, u, false)
	return a.Holder, err
}

// Count counts the uses of a value until then, and returns how many there were,
// this one included. It has a name space of its own beside Take's.
func (g *Guard) Count(ctx context.Context, space, value string, until time.Time) (n int, err error) {
	a, err := g.ask(ctx, Use{Space: space, Value: value, Until: until}, true)
	return a.Uses, err
}

func (g *Guard) ask(ctx context.Context, u Use, counts bool) (Answer, error) {
	space, ok := g.spaces[u.Space]
	if !ok {
		return Answer{}, fmt.Errorf("once: no space %q", u.Space)
	}
	if !u.Until.After(g.now()) {
		return Answer{}, ErrPast
	}
	store, e, err := g.storeOf(ctx, u)
	if err != nil {
		return Answer{}, err
	}
	a, err := store.Take(ctx, space.entry(u, counts))
	if err != nil {
		return Answer{}, away(store, err)
	}
	switch {
	case u.Epoch != 0 && !a.Birth.Equal(e.birth):
		return Answer{}, ErrEpoch // it was emptied, and the epoch has not moved yet
	case u.Epoch == 0 && !u.Issued.IsZero() && u.Issued.Before(a.Birth.Add(space.Skew)):
		return Answer{}, ErrOlder
	}
	return a, nil
}

// storeOf returns the store for a use. What a server nonce covers goes where the
// whole installation goes; anything else knows one store, and is refused while
// that is away.
func (g *Guard) storeOf(ctx context.Context, u Use) (Store, epoch, error) {
	if u.Epoch == 0 {
		return g.primary, epoch{}, nil
	}
	e, err := g.current(ctx)
	if err != nil {
		return nil, e, err
	}
	if u.Epoch != e.number {
		return nil, e, ErrEpoch
	}
	for _, s := range []Store{g.primary, g.fallback} {
		if s != nil && s.Name() == e.store {
			return s, e, nil
		}
	}
	return nil, e, ErrAway.Because("this instance has no store %s", e.store)
}

// entry is the use as the store keeps it.
func (s *Space) entry(u Use, counts bool) Entry {
	e := Entry{Space: s, By: u.By, Until: db.Now(u.Until.Add(s.Skew)), Counts: counts}
	kind := "value"
	if counts {
		kind = "count"
	}
	e.Key = digest(kind, s.Name, u.Value)
	if u.Subject != "" {
		d := digest("subject", s.Name, u.Subject)
		e.Subject = string(d[:])
	}
	return e
}

// digest hashes parts so that no two lists of them collide.
func digest(parts ...string) [32]byte {
	room := make([]byte, 0, 512) // on the stack, unless parts are long
	for _, p := range parts {
		room = binary.BigEndian.AppendUint64(room, uint64(len(p)))
		room = append(room, p...)
	}
	return sha256.Sum256(room)
}

// away keeps the refusals of a store and makes ErrAway of everything else.
func away(s Store, err error) error {
	if _, refusal := fault.As(err); refusal {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrAway, s.Name(), err)
}
