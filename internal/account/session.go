package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/seal"
	"signet/internal/ticket"
)

// SessionPrefix begins the secret of a session.
const SessionPrefix = "sgr_"

// SessionsTopic is published when sessions end or change, once that is committed:
// who keeps what Check returned drops it then.
const SessionsTopic = "account.sessions"

// seenEvery is how often the last use of a session is written down. So idle time is
// measured with that error, against the user.
const seenEvery = time.Minute

// What sessions can refuse. ErrNoSession tells nothing more: not that the secret was
// good once, nor that the user is disabled.
var (
	ErrNoSession      = fault.New(fault.Unauthorized, "nobody is signed in here: sign in").Named("no-session")
	ErrUnknownSession = fault.New(fault.NotFound, "the user has no such session")
)

// Session is one sign-in of one user in one browser.
type Session struct {
	ID       string
	User     string
	Account  string // that the user acts in
	AMR      []string
	ACR      string
	AuthTime time.Time // when the user last proved themselves
	Created  time.Time
	LastSeen time.Time // to the minute
	Expires  time.Time // unless it is used before, and then at the latest with its absolute age
	Address  string    // of the last use
	Agent    string    // of the last use, at most 200 bytes
	Device   string    // what the agent says it is, such as "Firefox, Linux"; for people
	Current  bool      // the caller's own
}

// Browser is where a secret came from.
type Browser struct {
	Address string
	Agent   string // the User-Agent header
}

// NewSession is what a session is created from.
type NewSession struct {
	User, Account  string // ids
	AMR            []string
	AuthTime       time.Time
	Address, Agent string
}

// Checked is who is signed in.
type Checked struct {
	Ticket    *ticket.Ticket
	Session   Session
	User      User
	Successor string // the secret that the browser must keep from now on; empty where it keeps what it has
}

// Bus carries notices to all instances.
type Bus interface {
	Publish(topic string)
}

// SessionOptions are what an installation may choose. Zero values are the defaults.
type SessionOptions struct {
	Idle          time.Duration // that a session lives unused; 7 d
	Absolute      time.Duration // that it lives; 30 d
	AdminIdle     time.Duration // of administrators and of who holds a permission of the node; 1 h
	AdminAbsolute time.Duration // 24 h
	RotateAfter   time.Duration // age at which a secret gets a successor; 10 min
	Grace         time.Duration // that a secret is good beside its successor; 10 s

	// Ended is told which sessions end, however they do, in the transaction that
	// ends them; nil is nobody.
	Ended func(ctx context.Context, tx *db.Tx, ids []string) error
	// Closed is told of whom nobody may be signed in for any more, in the same
	// transaction: what apps hold for them ends too; nil is nobody.
	Closed func(ctx context.Context, tx *db.Tx, user string) error
}

func (o SessionOptions) orDefaults() SessionOptions {
	const day = 24 * time.Hour
	for _, f := range []struct {
		d *time.Duration
		v time.Duration
	}{
		{&o.Idle, 7 * day},
		{&o.Absolute, 30 * day},
		{&o.AdminIdle, time.Hour},
		{&o.AdminAbsolute, day},
		{&o.RotateAfter, 10 * time.Minute},
		{&o.Grace, 10 * time.Second},
	} {
		if *f.d == 0 {
			*f.d = f.v
		}
	}
	if o.Ended == nil {
		o.Ended = func(context.Context, *db.Tx, []string) error { return nil }
	}
	if o.Closed == nil {
		o.Closed = func(context.Context, *db.Tx, string) error { return nil }
	}
	return o
}

// Sessions keeps who is signed in, and which sign-ins wait for a second factor. It is
// safe for concurrent use.
//
// A session's secret is replaced while it is used. Its successor is made of it by
// HMAC, so all requests that carry the old one within Grace get the same successor,
// on every instance. Who shows an old secret later has a copy, or the browser has
// one: the session ends.
type Sessions struct {
	users *Service
	bus   Bus
	key   []byte // makes successors
	o     SessionOptions
}

// NewSessions returns the sessions of the users of s.
func NewSessions(s *Service, sealer Sealer, bus Bus, o SessionOptions) *Sessions {
	return &Sessions{users: s, bus: bus, key: sealer.Derive("account session"), o: o.orDefaults()}
}

// Create makes a session in tx, of a user held by the caller (see [Service.Hold]), and
// returns its secret.
func (s *Sessions) Create(ctx context.Context, tx *db.Tx, n NewSession) (Session, string, error) {
	now := db.Now(s.users.now())
	held, err := memberships(ctx, tx, n.User)
	if err != nil {
		return Session{}, "", err
	}
	c := Session{
		ID: newID("ses"), User: n.User, Account: n.Account, AMR: methods(n.AMR), AuthTime: db.Now(n.AuthTime),
		Created: now, LastSeen: now, Address: n.Address, Agent: cutAgent(n.Agent),
	}
	c.ACR, c.Device = ACR(c.AMR), device(c.Agent)
	c.Expires = s.expiry(c, s.users.powerful(held))
	secret, hash := seal.NewSecret(SessionPrefix)
	if err := insertSession(ctx, tx, c); err != nil {
		return Session{}, "", err
	}
	if err := insertSessionValue(ctx, tx, hash, c.ID, now); err != nil {
		return Session{}, "", err
	}
	return c, secret, s.record(ctx, tx, c, audit.Event{Action: "session.create", Detail: map[string]any{"amr": c.AMR, "device": c.Device}})
}

// Check returns who is signed in by secret, with the permissions of now, or
// ErrNoSession. It is one reading transaction, and a writing one where a successor is
// due or the last use was a minute ago. Where that one fails the user stays signed in.
//
// A secret from before a step-up ([Sessions.Refresh]) is good for Grace too, but its
// ticket proves no time and no method, and it has no successor.
func (s *Sessions) Check(ctx context.Context, secret string, from Browser) (Checked, error) {
	for n := 1; ; n++ {
		row, err := s.find(ctx, secret)
		if err != nil {
			return Checked{}, err
		}
		c, err := s.check(ctx, row, secret, from)
		if !errors.Is(err, errOvertaken) || n == overtakings {
			return c, err
		}
	}
}

func (s *Sessions) check(ctx context.Context, row sessionRow, secret string, from Browser) (Checked, error) {
	now := db.Now(s.users.now())
	switch {
	case row.replaced.Valid && now.Sub(row.replaced.Time) > s.o.Grace:
		return Checked{}, s.endReused(ctx, row)
	case !now.Before(s.expiry(row.Session, row.powerful)):
		return Checked{}, s.endExpired(ctx, row)
	case !row.member:
		return Checked{}, ErrNoSession
	}
	successor, err := s.keepUp(ctx, &row, secret, from, now)
	switch {
	case errors.Is(err, ErrNoSession), errors.Is(err, errOvertaken):
		return Checked{}, err
	case err != nil && ctx.Err() != nil:
		return Checked{}, err
	case err != nil: // a full disk signs nobody out
		slog.WarnContext(ctx, "use of a session not written down", "session", row.ID, "error", err)
	}
	if row.replaced.Valid && successor == "" {
		row.AMR, row.ACR, row.AuthTime = nil, "", time.Time{}
	}
	row.Expires, row.Current = s.expiry(row.Session, row.powerful), true
	return Checked{Ticket: row.ticket(), Session: row.Session, User: row.user, Successor: successor}, nil
}

// keepUp does what is due: a successor, or the last use.
func (s *Sessions) keepUp(ctx context.Context, row *sessionRow, secret string, from Browser, now time.Time) (successor string, err error) {
	switch {
	case row.replaced.Valid:
		return s.leadsTo(secret, row.current), nil
	case now.Sub(row.since) > s.o.RotateAfter:
		s.use(row, from, now)
		return s.rotate(ctx, row, secret, now)
	case now.Sub(row.LastSeen) >= seenEvery:
		s.use(row, from, now)
		return "", s.users.db.Relaxed(ctx, func(tx *db.Tx) error { return useSession(ctx, tx, row.Session) })
	}
	return "", nil
}

// use notes a use in the row, for storing.
func (s *Sessions) use(row *sessionRow, from Browser, now time.Time) {
	row.LastSeen, row.Address, row.Agent = now, from.Address, cutAgent(from.Agent)
	row.Device = device(row.Agent)
	row.Expires = s.expiry(row.Session, row.powerful)
}

// rotate gives the session its successor. Of many at once one does, and the others
// get errOvertaken: what they hold is an old secret by now.
func (s *Sessions) rotate(ctx context.Context, row *sessionRow, secret string, now time.Time) (string, error) {
	next := s.successor(secret)
	err := s.users.db.Update(ctx, func(tx *db.Tx) error {
		// First, since this locks the session: it cannot end meanwhile.
		if err := useSession(ctx, tx, row.Session); err != nil {
			return err
		}
		if err := replaceSessionValue(ctx, tx, row.ID, seal.SecretHash(secret), now); err != nil {
			return err
		}
		if err := insertSessionValue(ctx, tx, seal.SecretHash(next), row.ID, now); err != nil {
			return err
		}
		return forgetSessionValues(ctx, tx, row.ID, now.Add(-s.o.Idle))
	})
	if err != nil {
		return "", err
	}
	return next, nil
}

// successor returns the secret that follows a secret.
func (s *Sessions) successor(secret string) string {
	m := hmac.New(sha256.New, s.key)
	m.Write([]byte(secret))
	return SessionPrefix + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// leadsTo returns the descendant of secret that has the hash current, or "": then a
// step-up lies between. Within Grace there is one rotation, or few where somebody
// chose to rotate as often as that.
func (s *Sessions) leadsTo(secret string, current []byte) string {
	for range 4 {
		secret = s.successor(secret)
		if hmac.Equal(seal.SecretHash(secret), current) {
			return secret
		}
	}
	return ""
}

// expiry returns when a session ends, if it is not used before.
func (s *Sessions) expiry(c Session, powerful bool) time.Time {
	idle, absolute := s.o.Idle, s.o.Absolute
	if powerful {
		idle, absolute = s.o.AdminIdle, s.o.AdminAbsolute
	}
	if e := c.Created.Add(absolute); e.Before(c.LastSeen.Add(idle)) {
		return e
	}
	return c.LastSeen.Add(idle)
}

// powerful reports whether somebody is an administrator, of any account, or holds a
// permission of the node.
func (s *Service) powerful(held []membership) bool {
	return slices.ContainsFunc(held, func(m membership) bool {
		return slices.Contains(m.permissions, everything) ||
			slices.ContainsFunc(s.expand(m.permissions, m.system), func(p string) bool { return !s.holdable(p, false) })
	})
}

// find returns the live session of a secret, with its user and their permissions.
func (s *Sessions) find(ctx context.Context, secret string) (row sessionRow, err error) {
	if !isSecret(secret, SessionPrefix) {
		return sessionRow{}, ErrNoSession
	}
	hash := seal.SecretHash(secret)
	err = s.users.db.View(ctx, func(tx *db.Tx) error {
		if row, err = findSession(ctx, tx, hash); err != nil {
			return err
		}
		held, err := memberships(ctx, tx, row.User)
		if err != nil {
			return err
		}
		row.powerful = s.users.powerful(held)
		for _, m := range held {
			if m.account == row.Account {
				row.member = true
				row.permissions = append(row.permissions, s.users.expand(m.permissions, m.system)...)
			}
		}
		row.user.Addresses, err = addresses(ctx, tx, row.User)
		return err
	})
	return row, err
}

// isSecret spares the database what cannot be a secret from [seal.NewSecret].
func isSecret(value, prefix string) bool {
	return strings.HasPrefix(value, prefix) && len(value) == len(prefix)+base64.RawURLEncoding.EncodedLen(sha256.Size)
}

func (r sessionRow) ticket() *ticket.Ticket {
	slices.Sort(r.permissions)
	return &ticket.Ticket{
		Kind: ticket.User, Subject: r.User, Account: r.Account, Permissions: slices.Compact(r.permissions),
		AMR: r.AMR, ACR: r.ACR, AuthTime: r.AuthTime, Session: r.ID,
	}
}

// record writes an audit row about a session: by its user, where nobody is proven.
func (s *Sessions) record(ctx context.Context, tx *db.Tx, c Session, e audit.Event) error {
	if ticket.From(ctx) == nil {
		e.Actor, e.Account = audit.Actor{Kind: ticket.User, ID: c.User}, c.Account
	}
	e.Target = c.ID
	return s.users.audit.Record(ctx, tx, e)
}

// ticketOf returns what a session proves now.
func (s *Sessions) ticketOf(ctx context.Context, tx *db.Tx, c Session) (*ticket.Ticket, error) {
	held, err := memberships(ctx, tx, c.User)
	if err != nil {
		return nil, err
	}
	row := sessionRow{Session: c}
	for _, m := range held {
		if m.account == c.Account {
			row.permissions = append(row.permissions, s.users.expand(m.permissions, m.system)...)
		}
	}
	return row.ticket(), nil
}
