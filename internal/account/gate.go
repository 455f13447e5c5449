package account

import (
	"context"
	"strings"
	"time"

	"signet/internal/authapi"
	"signet/internal/db"
	"signet/internal/notify"
	"signet/internal/ticket"
)

// AccessTokens makes and reads the access tokens by which a user is named to account
// over HTTP.
type AccessTokens interface {
	// Issue returns a token for who is signed in, and how long it is good.
	Issue(ctx context.Context, t *ticket.Ticket, roles []string) (token string, life time.Duration, err error)
	// Session returns the user and the session of a token, or an error of kind Unauthorized.
	Session(ctx context.Context, token string) (user, session string, err error)
}

// Post mails to users.
type Post interface {
	// Send hands a mail over. It does not wait for its delivery.
	Send(ctx context.Context, m notify.Message)
}

// Log reads the audit log.
type Log interface {
	// OfUser returns the newest events that a user caused or was the target of.
	OfUser(ctx context.Context, user string, limit int) ([]authapi.Activity, error)
}

// MailKeys are the keys that users sign mail with.
type MailKeys interface {
	// CountUser returns how many live ones a user has.
	CountUser(ctx context.Context, tx *db.Tx, user string) (int, error)
	// DropUser revokes them.
	DropUser(ctx context.Context, tx *db.Tx, user, reason string) error
}

// GateOptions are what an installation may choose.
type GateOptions struct {
	Origin string // public: mailed links lead there
	SignUp string // "open" mails links to strangers
}

// host is what authenticator apps show as the issuer.
func (o GateOptions) host() string {
	_, host, _ := strings.Cut(o.Origin, "://")
	return host
}

// Gate is what login asks: it makes sign-ins of what [Credentials], [Identities] and
// [Passkeys] find, and sessions of sign-ins. It implements [authapi.Service], and is
// safe for concurrent use.
type Gate struct {
	users    *Service
	creds    *Credentials
	ids      *Identities
	keys     *Passkeys
	sessions *Sessions
	tokens   AccessTokens
	post     Post
	log      Log
	mailKeys MailKeys
	o        GateOptions
}

var _ authapi.Service = (*Gate)(nil)

// GateParts are what a gate stands on.
type GateParts struct {
	Users       *Service
	Credentials *Credentials
	Identities  *Identities
	Passkeys    *Passkeys
	Sessions    *Sessions
	Tokens      AccessTokens
	Post        Post
	Log         Log
	MailKeys    MailKeys
}

// NewGate returns a gate.
func NewGate(p GateParts, o GateOptions) *Gate {
	return &Gate{
		users: p.Users, creds: p.Credentials, ids: p.Identities, keys: p.Passkeys, sessions: p.Sessions,
		tokens: p.Tokens, post: p.Post, log: p.Log, mailKeys: p.MailKeys, o: o,
	}
}

// proof is a sign-in as far as it has come.
type proof struct {
	user    string
	account string // id; the user's first one where empty
	amr     []string
	at      time.Time // when the first factor was proven
	facts   MFAFacts
	ticket  string // MFA ticket that this finishes; empty without one
	device  bool   // the browser is to be known from now on
	first   bool   // the user has just begun here: no browser is new to them
}

// enter makes a session of a sign-in that is whole, and asks for a second factor where
// it is not.
func (g *Gate) enter(ctx context.Context, p proof, b authapi.Browser) (authapi.TokenResponse, error) {
	f, err := g.creds.Factors(ctx, p.user)
	if err != nil {
		return authapi.TokenResponse{}, refusal(err)
	}
	if ACR(p.amr) == ACRTwo || !f.Required() {
		return g.open(ctx, p, b)
	}
	var secret string
	err = g.users.db.Update(ctx, func(tx *db.Tx) error {
		if _, err := g.users.Hold(ctx, tx, p.user); err != nil {
			return refusal(err)
		}
		secret, err = g.sessions.NewMFATicket(ctx, tx, MFATicket{
			User: p.user, Account: p.account, AMR: p.amr, Purpose: purposeSignIn, Facts: p.facts, Browser: b.Binding,
		})
		return err
	})
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	required := authapi.NewMFARequired(secret, f.Methods(), MFATicketLife)
	required.NoRecover = f.Demanded
	return authapi.TokenResponse{}, required
}

// purposeSignIn is of MFA tickets that end in a session.
const purposeSignIn = "sign-in"

// open makes the session.
func (g *Gate) open(ctx context.Context, p proof, b authapi.Browser) (authapi.TokenResponse, error) {
	res := authapi.TokenResponse{UserID: p.user, Created: p.facts.Created, Linked: p.facts.Linked}
	var t *ticket.Ticket
	var u User
	err := g.users.db.Update(ctx, func(tx *db.Tx) (err error) {
		if p.ticket != "" {
			if err := g.sessions.ConsumeMFATicket(ctx, tx, p.ticket); err != nil {
				return err
			}
		}
		if u, err = g.users.Hold(ctx, tx, p.user); err != nil {
			return refusal(err)
		}
		acc, err := accountByID(ctx, tx, p.user, p.account)
		if err != nil {
			return refusal(err)
		}
		s, secret, err := g.sessions.Create(ctx, tx, NewSession{
			User: p.user, Account: acc.ID, AMR: p.amr, AuthTime: p.at, Address: b.Address, Agent: b.Agent,
		})
		if err != nil {
			return err
		}
		res.AccountID, res.RefreshToken = acc.ID, secret
		if res.Roles, err = roleNames(ctx, tx, acc.ID, p.user); err != nil {
			return err
		}
		t, err = g.sessions.ticketOf(ctx, tx, s)
		return err
	})
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	if _, known := g.creds.knownDevice(b.Device, p.user); p.device && !known {
		res.Device = g.creds.NewDevice(p.user)
		g.tellOfBrowser(ctx, p, u, b)
	}
	return g.signed(ctx, res, t)
}

// tellOfBrowser tells a user that they signed in from a browser that was not seen
// before, unless it is their first.
func (g *Gate) tellOfBrowser(ctx context.Context, p proof, u User, b authapi.Browser) {
	if p.first || len(u.Addresses) == 0 {
		return
	}
	g.post.Send(ctx, notify.Message{
		To: u.Addresses, Locale: u.Locale, What: notify.NewBrowser, Values: map[string]any{"Device": device(b.Agent), "Address": b.Address},
	})
}

// signed adds the access token.
func (g *Gate) signed(ctx context.Context, res authapi.TokenResponse, t *ticket.Ticket) (authapi.TokenResponse, error) {
	token, life, err := g.tokens.Issue(ctx, t, res.Roles)
	res.AccessToken, res.TokenType, res.ExpiresIn = token, "Bearer", int(life.Seconds())
	return res, err
}

// accountByID returns an account of a member; the first one where no id is given.
func accountByID(ctx context.Context, tx *db.Tx, user, id string) (Account, error) {
	if id == "" {
		return accountOfMember(ctx, tx, user, "")
	}
	return scanAccount(tx.QueryRowContext(ctx, `
		SELECT a.id, a.name, a.kind, a.created_at FROM accounts a JOIN memberships m ON m.account_id = a.id
		WHERE m.user_id = $1 AND a.id = $2 AND a.disabled_at IS NULL`, user, id))
}

// Person returns who is signed in by an access token of [Gate.Session], as the session is now.
func (g *Gate) Person(ctx context.Context, accessToken string) (*ticket.Ticket, error) {
	user, session, err := g.tokens.Session(ctx, accessToken)
	if err != nil {
		return nil, err
	}
	t, _, err := g.BySession(ctx, user, session)
	return t, err
}

// BySession returns who is signed in by a session, and the names of their roles.
func (g *Gate) BySession(ctx context.Context, user, session string) (t *ticket.Ticket, roles []string, err error) {
	err = g.users.db.View(ctx, func(tx *db.Tx) error {
		s, err := g.sessions.look(ctx, tx, session)
		if err != nil {
			return err
		}
		if s.User != user {
			return ErrNoSession
		}
		if t, err = g.sessions.ticketOf(ctx, tx, s); err != nil {
			return err
		}
		roles, err = roleNames(ctx, tx, s.Account, user)
		return err
	})
	return t, roles, err
}

// caller returns the ticket of a user who is signed in.
func caller(ctx context.Context) (*ticket.Ticket, error) {
	t := ticket.From(ctx)
	if t == nil || t.Kind != ticket.User || t.Scopes != nil || t.Session == "" {
		return nil, ErrNoSession
	}
	return t, nil
}
