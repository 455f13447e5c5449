package token

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/egress"
	"signet/internal/fault"
	"signet/internal/jws"
	"signet/internal/seal"
)

const (
	// CodeLife is how long a one-time code is good.
	CodeLife = time.Minute

	codeKept = 24 * time.Hour // after the end, so that a second use is noticed
	handoff  = "handoff"      // kind of code
)

// What codes can refuse. ErrGrant tells nothing more: not whether the code was good
// once, nor for whom.
var (
	ErrGrant     = fault.New(fault.Malformed, "code or token is unknown, used, expired, ended, not this client's, or the verifier is not its own").Named("invalid-grant")
	ErrNext      = fault.New(fault.Invalid, "is not at an origin of the client's redirect URIs").At("next")
	ErrChallenge = fault.New(fault.Invalid, "must be the SHA-256 of a verifier in base64url (S256)").At("challenge")
)

// Person is who is signed in by a session.
type Person struct {
	User, Account      string // ids
	Roles, Permissions []string
	AMR                []string
	ACR                string
	AuthTime           time.Time
}

// People knows who is signed in.
type People interface {
	// BySession returns who is signed in by a session, as of now. The error is of kind
	// Unauthorized or NotFound where it has ended or is another user's.
	BySession(ctx context.Context, user, session string) (Person, error)
	// ByUser returns a user without a session, as they may act now in an account: AMR,
	// ACR and AuthTime are zero. The error is as BySession's.
	ByUser(ctx context.Context, user, account string) (Person, error)
	// Profile returns what a user tells of themselves.
	Profile(ctx context.Context, user string) (Profile, error)
}

// Profile is what a user tells of themselves (OpenID Connect Core, section 5.1).
type Profile struct {
	Name, Locale  string
	Email         string // "" where there is none
	EmailVerified bool
}

// Poster sends requests to addresses that clients chose.
type Poster interface {
	Do(r *http.Request) (*egress.Response, error)
}

// CodeOptions are what codes need besides the clients.
type CodeOptions struct {
	People People
	Audit  Auditor
	Post   Poster // of logout tokens
	Now    func() time.Time
}

// Codes makes and redeems one-time codes, and tells clients of sessions that ended.
// It is safe for concurrent use.
type Codes struct {
	db        *db.DB
	authority *Authority
	people    People
	audit     Auditor
	post      Poster
	now       func() time.Time
}

// NewCodes returns the codes kept in d. What they give is signed by a.
func NewCodes(d *db.DB, a *Authority, o CodeOptions) *Codes {
	return &Codes{
		db: d, authority: a, people: o.People, audit: o.Audit, post: o.Post,
		now: func() time.Time { return db.Now(o.Now()) },
	}
}

// Handoff is a sign-in that is brought to a relying app.
type Handoff struct {
	Client    string // client_id
	Next      string // where the browser takes the code
	Challenge string // S256 of the app's verifier (RFC 7636, section 4.2)
	User      string
	Session   string
}

// HandoffResponse is what the app gets for the code.
type HandoffResponse struct {
	AccessToken string   `json:"access_token"`
	TokenType   string   `json:"token_type"`
	ExpiresIn   int      `json:"expires_in"` // seconds
	User        string   `json:"userId"`
	Account     string   `json:"accountId"`
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions"`
}

// App returns a client that may act, to whoever asks: its name and where its sign-ins
// end are no secret. The error is ErrNoClient where there is none.
func (c *Codes) App(ctx context.Context, id string) (app Client, err error) {
	return actingClient(ctx, c.db, id)
}

// Issue returns a code for h: 256 random bits, to be redeemed once, within CodeLife.
// It notes that the session reaches the client, which will hear of its end.
//
// An app of a tenant gets nobody of another account: a token tells roles and
// permissions, and nobody is asked whether the app may have it.
//
// It returns ErrNoClient, ErrNext, ErrChallenge, or what People says of a session that
// has ended.
func (c *Codes) Issue(ctx context.Context, h Handoff) (string, error) {
	if !jws.IsThumbprint(h.Challenge) {
		return "", ErrChallenge
	}
	app, err := c.App(ctx, h.Client)
	if err != nil {
		return "", err
	}
	if !sharesOrigin(h.Next, app.Redirects) {
		return "", ErrNext
	}
	person, err := c.people.BySession(ctx, h.User, h.Session)
	if err != nil {
		return "", err
	}
	if err := c.serves(ctx, app, person.Account); err != nil {
		return "", err
	}
	value, hash := seal.NewSecret("")
	at := c.now()
	row := code{
		kind: handoff, client: app.ID, user: person.User, account: person.Account, session: h.Session,
		redirect: h.Next, challenge: h.Challenge, amr: person.AMR, authTime: person.AuthTime,
		created: at, expires: at.Add(CodeLife),
	}
	err = c.db.Update(ctx, func(tx *db.Tx) error {
		if err := insertCode(ctx, tx, hash, row); err != nil {
			return err
		}
		return insertSessionClient(ctx, tx, row)
	})
	if err != nil {
		return "", err
	}
	return value, nil
}

// serves returns ErrNoClient where the app is not there for who acts in that account.
func (c *Codes) serves(ctx context.Context, app Client, account string) error {
	return c.db.View(ctx, func(tx *db.Tx) error {
		ok, err := servesAccount(ctx, tx, app.Account, account)
		if err == nil && !ok {
			err = ErrNoClient
		}
		return err
	})
}

// Redeem uses a code up, and returns an access token for who is signed in by its
// session now. The client has proven itself.
//
// Every refusal is ErrGrant, and each of them leaves the code used: a wrong verifier
// or another client means that the code went astray.
func (c *Codes) Redeem(ctx context.Context, client Client, value, verifier string) (HandoffResponse, error) {
	if !jws.IsThumbprint(value) { // it has the form of a code too
		return HandoffResponse{}, ErrGrant
	}
	row, app, err := c.use(ctx, client, seal.SecretHash(value), verifier)
	if err != nil {
		return HandoffResponse{}, err
	}
	person, err := c.people.BySession(ctx, row.user, row.session)
	switch k := fault.KindOf(err); {
	case err != nil && (k == fault.Unauthorized || k == fault.NotFound):
		return HandoffResponse{}, ErrGrant
	case err != nil:
		return HandoffResponse{}, err
	}
	return c.answer(ctx, app, row.session, person)
}

// use uses the code up. It commits also where it refuses.
func (c *Codes) use(ctx context.Context, client Client, hash []byte, verifier string) (row code, app Client, err error) {
	var refused error
	err = c.db.Update(ctx, func(tx *db.Tx) error {
		row, refused, err = code{}, nil, nil
		if row, err = useCode(ctx, tx, hash, handoff, c.now()); errors.Is(err, errNoCode) {
			refused = ErrGrant
			return c.noteReplay(ctx, tx, hash, client)
		} else if err != nil {
			return err
		}
		if app, err = findActing(ctx, tx, client.ID); errors.Is(err, ErrNoClient) {
			refused = ErrGrant
			return c.record(ctx, tx, row, "client is disabled")
		} else if err != nil {
			return err
		}
		why := row.wrong(client.ID, verifier, c.now())
		if why != "" {
			refused = ErrGrant
		}
		return c.record(ctx, tx, row, why)
	})
	if err == nil {
		err = refused
	}
	return row, app, err
}

// wrong says why a code gives nothing, "" where it does.
func (c code) wrong(client, verifier string, now time.Time) string {
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	switch {
	case !now.Before(c.expires):
		return "code is expired"
	case subtle.ConstantTimeCompare([]byte(c.client), []byte(client)) != 1:
		return "code is another client's"
	case !isVerifier(verifier) || subtle.ConstantTimeCompare([]byte(c.challenge), []byte(challenge)) != 1:
		return "verifier is wrong"
	}
	return ""
}

// isVerifier reports whether s has the form of a code_verifier (RFC 7636, section 4.1).
func isVerifier(s string) bool {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	return len(s) >= 43 && len(s) <= 128 && strings.Trim(s, unreserved) == ""
}

func (c *Codes) record(ctx context.Context, tx *db.Tx, row code, why string) error {
	e := audit.Event{Action: "oauth_code.redeem", Target: row.client, Account: row.account, Detail: row.detail()}
	if why != "" {
		e.Outcome, e.Reason = audit.Refused, why
	}
	return c.audit.Record(ctx, tx, e)
}

// noteReplay records that a used code came again: somebody has a copy of it. What it
// gave ends by itself, within Lifetime.
func (c *Codes) noteReplay(ctx context.Context, tx *db.Tx, hash []byte, by Client) error {
	row, err := findCode(ctx, tx, hash)
	if errors.Is(err, errNoCode) {
		return nil
	}
	if err != nil || row.kind != handoff || row.used.IsZero() {
		return err
	}
	detail := row.detail()
	detail["presented_by"] = by.ID
	return c.audit.Record(ctx, tx, audit.Event{
		Action: "oauth_code.replay", Target: row.client, Account: row.account, Outcome: audit.Refused,
		Reason: "a code that was used came again", Detail: detail,
	})
}

func (c code) detail() map[string]any {
	return map[string]any{"kind": c.kind, "user": c.user, "session": c.session}
}

func (c *Codes) answer(ctx context.Context, app Client, session string, p Person) (HandoffResponse, error) {
	audience := app.ID // a client that named no audience has tokens for itself
	if len(app.Audiences) > 0 {
		audience = app.Audiences[0]
	}
	token, err := c.authority.Issue(ctx, Claims{
		Subject: p.User, Audience: []string{audience}, Client: app.ID, Account: p.Account, Session: session,
		AuthTime: p.AuthTime, ACR: p.ACR, AMR: p.AMR, Roles: p.Roles, Permissions: p.Permissions,
	})
	if err != nil {
		return HandoffResponse{}, err
	}
	return HandoffResponse{
		AccessToken: token, TokenType: "Bearer", ExpiresIn: int(Lifetime.Seconds()), User: p.User, Account: p.Account,
		Roles: append([]string{}, p.Roles...), Permissions: append([]string{}, p.Permissions...),
	}, nil
}

// Run tells clients of sessions that ended, and removes codes a day after their end,
// until ctx ends.
func (c *Codes) Run(ctx context.Context) error {
	due, cancel := c.authority.bus.Subscribe(logoutTopic)
	defer cancel()
	prune := time.NewTicker(time.Minute)
	defer prune.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-due:
			err = c.Notify(ctx)
		case <-prune.C:
			err = c.Prune(ctx)
		}
		if err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "work on one-time codes and logouts failed", "error", err)
		}
	}
}

// Prune removes what nobody needs any more, and looks again at the handoffs of the
// last minutes. Run calls it every minute.
func (c *Codes) Prune(ctx context.Context) error {
	if err := c.catchUp(ctx); err != nil {
		return err
	}
	return c.db.Update(ctx, func(tx *db.Tx) error { return pruneCodes(ctx, tx, c.now()) })
}
