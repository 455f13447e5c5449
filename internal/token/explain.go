package token

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/seal"
	"signet/internal/ticket"
)

// NoToken is the reason of what is nothing that this authority issues.
const NoToken = "no-token"

// Why a token is refused besides, as Explanation has it.
const (
	whyInvalid = "invalid"          // its signature or its form
	whyUnknown = "unknown"          // it is not kept here
	whyExpired = "expired"          // its end has passed
	whyEarly   = "not-yet-valid"    // its time has not come
	whyUsed    = "used"             // a refresh token that has a successor
	whyRevoked = "revoked"          // itself
	whyFamily  = "family-ended"     // all tokens of its authorization
	whySession = "session-ended"    // that it came of
	whyClient  = "client-deleted"   // that it was given to
	whyAccount = "account-disabled" // of that client
	whyUser    = "user-gone"        // disabled, deleted, or no member any more
	whyUnbound = "unbound"          // its client must prove a key
)

// Reason is one reason for which a token is refused.
type Reason struct {
	Word string `json:"reason"`
	Text string `json:"text"`
}

// Explanation is what can be said of a token. What it says of itself is there only where
// its signature, or the store, proves that.
type Explanation struct {
	Good    bool
	Reasons []Reason // all that there are; none of a good token
	Known   bool     // the members below are filled

	Kind       string // access or refresh
	Format     Format
	Claims     Claims
	ClientName string
	Ours       bool // this server is among its audiences: its own API takes it

	Session string // "ended" or "live"; "" without one
}

// TokenType is how the token is to be sent, DPoP or Bearer.
func (e Explanation) TokenType() string { return tokenType(e.Claims.Confirm) }

func (e *Explanation) because(word, text string) {
	e.Reasons = append(e.Reasons, Reason{word, text})
}

// Explain says what a token is bound to, and why it is refused. It is for who runs the
// server (permission oauth:keys): whose token it is does not matter.
func (g *OAuth) Explain(ctx context.Context, value string) (e Explanation, err error) {
	if err := ticket.From(ctx).Demand("oauth:keys"); err != nil {
		return e, err
	}
	k, err := g.keptToken(ctx, value)
	opaque := strings.HasPrefix(value, AccessPrefix) || strings.HasPrefix(value, RefreshPrefix)
	switch jwt := strings.Count(value, ".") == 2; {
	case err == nil:
		e.Format = Opaque
		if jwt {
			e.Format = JWT
		}
		err = g.explainKept(ctx, &e, k)
	case !errors.Is(err, errNoToken):
		return e, err
	case opaque:
		err = nil
		e.because(whyUnknown, "this store does not have it: it is another server's, mistyped, or ended more than a day ago")
	case jwt:
		err = g.explainUnkept(ctx, &e, value)
	default:
		err = nil
		e.because(NoToken, "it is neither a JWT nor begins with "+AccessPrefix+" or "+RefreshPrefix)
	}
	if err == nil && e.Known {
		err = g.explainSender(ctx, &e)
	}
	e.Good = err == nil && len(e.Reasons) == 0
	return e, err
}

// explainUnkept explains a JWT that is not kept: one of a handoff, which lives as long
// as its session, or a client's own, where those are not kept.
func (g *OAuth) explainUnkept(ctx context.Context, e *Explanation, value string) error {
	c, err := g.authority.read(ctx, value)
	f, refused := fault.As(err)
	switch {
	case err != nil && !refused:
		return err
	case c.ID == "": // nothing of it is proven
		e.because(whyInvalid, f.Error())
		return nil
	case refused && f.Field == "exp":
		e.because(whyExpired, "it ended at "+atTime(c.Expires))
	case refused && (f.Field == "nbf" || f.Field == "iat"):
		e.because(whyEarly, f.Error())
	case refused:
		e.because(whyInvalid, f.Error())
	case c.Session == "" && (!g.forgetful || c.Subject != c.Client):
		e.because(whyUnknown, "it was signed here, but the store does not have it: the store is older than the token")
	}
	e.Known, e.Kind, e.Format, e.Claims = true, string(access), JWT, c
	var k keptToken
	if err := g.db.View(ctx, func(tx *db.Tx) error { return k.readClient(ctx, tx, c.Client) }); err != nil {
		return err
	}
	e.ClientName = k.clientName
	k.explainClient(e)
	return g.explainSession(ctx, e, true)
}

func (g *OAuth) keptToken(ctx context.Context, value string) (k keptToken, err error) {
	err = g.db.View(ctx, func(tx *db.Tx) error {
		k, err = findKept(ctx, tx, seal.SecretHash(value))
		return err
	})
	return k, err
}

// explainKept explains a token by what the store says.
func (g *OAuth) explainKept(ctx context.Context, e *Explanation, k keptToken) error {
	e.Known, e.Kind, e.ClientName = true, string(k.kind), k.clientName
	e.Claims = Claims{
		Issuer: g.authority.options.Issuer, Subject: k.subject, Audience: k.audiences, Client: k.client, Account: cmp.Or(k.of.account, k.account),
		Issued: k.created, Expires: k.expires, AuthTime: k.of.authTime, ACR: k.of.acr, AMR: k.of.amr, Scopes: k.scopes,
		Session: k.of.session, Confirm: k.confirm,
	}
	if !g.now().Before(k.expires) {
		e.because(whyExpired, "it ended at "+atTime(k.expires))
	}
	e.since(whyRevoked, "it was revoked at ", k.revoked)
	e.since(whyUsed, "it was used, and has had a successor since ", k.used)
	e.since(whyFamily, "all tokens of its authorization were ended (a sign-out, a revocation, or a refresh token that came twice) at ", k.of.revoked)
	k.explainClient(e)
	return g.explainSession(ctx, e, k.of.session != "" && !k.of.offline)
}

func (k keptToken) explainClient(e *Explanation) {
	e.since(whyClient, "its client was deleted at ", k.clientDisabled)
	e.since(whyAccount, "the account of its client was disabled at ", k.accountDisabled)
}

// since adds a reason that has a time; there is none where that is zero.
func (e *Explanation) since(word, text string, at time.Time) {
	if !at.IsZero() {
		e.because(word, text+atTime(at))
	}
}

// explainSession says whether the session and the person behind a token are still there.
// Tokens that are not bound to the session outlive it.
func (g *OAuth) explainSession(ctx context.Context, e *Explanation, bound bool) error {
	c := e.Claims
	if c.Subject == c.Client {
		return nil
	}
	if c.Account != "" {
		_, err := g.people.ByUser(ctx, c.Subject, c.Account)
		if ended(err) {
			e.because(whyUser, "its subject is disabled, deleted, or not in the account "+c.Account+" any more")
		} else if err != nil {
			return err
		}
	}
	if c.Session == "" {
		return nil
	}
	_, err := g.people.BySession(ctx, c.Subject, c.Session)
	switch {
	case err == nil:
		e.Session = "live"
	case !ended(err):
		return err
	default:
		if e.Session = "ended"; bound {
			e.because(whySession, "the session "+c.Session+" has ended: the person signed out, or was signed out")
		}
	}
	return nil
}

// ended reports whether err says that a person or a session is not there any more.
func ended(err error) bool {
	k := fault.KindOf(err)
	return err != nil && (k == fault.Unauthorized || k == fault.NotFound || k == fault.Forbidden)
}

// explainSender adds what senders of the token must prove here.
func (g *OAuth) explainSender(ctx context.Context, e *Explanation) error {
	e.Ours = slices.Contains(e.Claims.Audience, g.authority.options.Issuer)
	if e.Kind != string(access) || e.Claims.Confirm.JKT != "" {
		return nil
	}
	client, err := g.clients.acting(ctx, e.Claims.Client)
	if errors.Is(err, ErrNoClient) {
		return nil
	}
	if err != nil {
		return err
	}
	need, err := g.senders.demands(ctx, client, nil)
	if _, bypassed := g.senders.Bypassed(); err == nil && need.DPoP == Required && !bypassed {
		e.because(whyUnbound, "it is bound to no key, and its client must prove one (it was issued while a bypass was on, or before this was demanded)")
	}
	return err
}

func atTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }
