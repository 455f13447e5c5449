package token

import (
	"context"
	"crypto/sha256"
	"net/url"
	"slices"
	"strings"
	"time"

	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/jws"
	"signet/internal/recent"
)

const (
	// RefreshIdle is how long a refresh token is good while nobody uses it.
	RefreshIdle = 7 * 24 * time.Hour
	// FamilyLife is how long one authorization gives tokens.
	FamilyLife = 30 * 24 * time.Hour

	refreshGrace = 10 * time.Second // in which a lost answer can be had again
)

// Prefixes tell secrets apart, for people and for secret scanners.
const (
	AccessPrefix  = "sga_" // opaque access tokens
	RefreshPrefix = "sgf_" // refresh tokens
)

// Request is a request at /token (RFC 6749, section 3.2).
type Request struct {
	Form          url.Values
	Authorization string // header
	Sent          Sent
}

// Response is its answer (RFC 6749, section 5.1; OpenID Connect Core, section 3.1.3.3).
type Response struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"` // DPoP where a key must be proven with it, else Bearer
	ExpiresIn    int    `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
	IDToken      string `json:"id_token,omitempty"`

	Nonce string `json:"-"` // for the DPoP-Nonce header

	confirm Confirmation
}

// OAuthOptions are what grants need besides clients and keys.
type OAuthOptions struct {
	People  People
	Senders *Senders
	Audit   Auditor
	Metrics *Metrics
	// Successors is the secret that the successor of a refresh token is derived with, so
	// that a lost answer can be had again though no token is kept.
	Successors [32]byte
	// Forgetful does not keep the JWTs that clients get for themselves: they cost less,
	// and cannot be revoked before they end.
	Forgetful bool
	Now       func() time.Time
}

// OAuth gives tokens for grants (RFC 6749, section 4), and says of tokens whether
// they are good. It is safe for concurrent use.
type OAuth struct {
	db         *db.DB
	authority  *Authority
	clients    *Clients
	people     People
	senders    *Senders
	audit      Auditor
	metrics    *Metrics
	successors [32]byte
	forgetful  bool
	replays    *recent.Cache[string, struct{}] // of codes, that were written down
	writer     *writer
	tokens     *recent.Cache[[sha256.Size]byte, seen] // that were looked at
	now        func() time.Time
}

// NewOAuth returns the grants whose tokens are kept in d and signed by a.
func NewOAuth(d *db.DB, a *Authority, c *Clients, o OAuthOptions) *OAuth {
	now := func() time.Time { return db.Now(o.Now()) }
	return &OAuth{
		db: d, authority: a, clients: c, people: o.People, senders: o.Senders, audit: o.Audit, metrics: o.Metrics,
		successors: o.Successors, forgetful: o.Forgetful, writer: &writer{db: d}, now: now,
		replays: recent.New[string, struct{}](now), tokens: recent.New[[sha256.Size]byte, seen](now),
	}
}

// exchange is one request at /token, by a client that has proven itself.
type exchange struct {
	client Client
	form   url.Values
	sent   Sent
}

// Token answers a request at /token.
//
// Its faults have the words of RFC 6749, section 5.2. The order of its checks: the
// form, the client, the grant, the sender, and last what is used up.
func (g *OAuth) Token(ctx context.Context, r Request) (Response, error) {
	if err := checkForm(r.Form); err != nil {
		return Response{}, err
	}
	client, err := g.clients.AuthenticateRequest(ctx, ClientRequest{
		Authorization: r.Authorization, Form: r.Form, Certificate: r.Sent.Certificate,
	})
	if err != nil {
		return Response{}, err
	}
	kind := r.Form.Get("grant_type")
	give, ok := map[string]func(context.Context, exchange) (Response, error){
		GrantCredentials: g.clientCredentials, GrantCode: g.authorizationCode, GrantRefresh: g.refresh, GrantDevice: g.device,
	}[kind]
	switch {
	case kind == "":
		return Response{}, ErrRequest.At("grant_type").Because("it is missing")
	case !ok:
		return Response{}, ErrGrantType.At("grant_type")
	case !slices.Contains(client.Grants, kind):
		return Response{}, ErrUnauthorized.At("grant_type").Because("%s is not among the client's grants", kind)
	}
	out, err := give(ctx, exchange{client, r.Form, r.Sent})
	if err == nil {
		g.metrics.issued(kind, out.confirm)
	}
	return out, err
}

// mayRepeat are the parameters that may stand in a request several times (RFC 8707,
// section 2).
var mayRepeat = []string{"resource"}

// checkForm refuses what two readers could read differently (RFC 6749, section 3.2).
func checkForm(form url.Values) error {
	for name, values := range form {
		if len(values) > 1 && !slices.Contains(mayRepeat, name) {
			return ErrRequest.At(clip(name)).Because("it stands there twice")
		}
		for _, v := range values {
			if db.Clean("", v) != nil {
				return ErrRequest.At(clip(name)).Because("it is not text")
			}
		}
	}
	return nil
}

// clip bounds a name of a client's that is shown back.
func clip(name string) string { return name[:min(len(name), 64)] }

// clientCredentials is the grant of a client that acts for itself (RFC 6749, section 4.4).
func (g *OAuth) clientCredentials(ctx context.Context, x exchange) (Response, error) {
	scopes, err := scopesOf(x.form, x.client.Scopes, slices.DeleteFunc(slices.Clone(x.client.Scopes), personal))
	if err != nil {
		return Response{}, err
	}
	if i := slices.IndexFunc(scopes, personal); i >= 0 {
		return Response{}, ErrInvalidScope.At("scope").Because("%s is about a person, and here is none", scopes[i])
	}
	audiences, err := audiencesOf(x.form, x.client.audiences())
	if err != nil {
		return Response{}, err
	}
	checked, err := g.senders.Check(ctx, x.sent, x.client, audiences)
	if err != nil {
		return Response{}, err
	}
	if err := checked.Spend(ctx); err != nil {
		return Response{}, err
	}
	made, err := g.make(ctx, authorization{
		client: x.client, subject: x.client.ID, account: x.client.Account, audiences: audiences, scopes: scopes, sender: checked,
	})
	if err != nil {
		return Response{}, err
	}
	if g.forgetful && x.client.Format == JWT {
		return made.response, nil
	}
	return made.response, g.writer.keep(ctx, made.access)
}

// personal reports whether a scope is about a person (OpenID Connect Core, sections
// 5.4 and 11).
func personal(scope string) bool {
	return slices.Contains([]string{"openid", "profile", "email", "offline_access"}, scope)
}

// scopesOf returns what a request asks for: of allowed, or fallback where it says
// nothing (RFC 6749, section 3.3).
func scopesOf(form url.Values, allowed, fallback []string) ([]string, error) {
	text := form.Get("scope")
	if text == "" {
		return fallback, nil
	}
	var scopes []string
	for s := range strings.SplitSeq(text, " ") {
		if !jws.IsScope(s) {
			return nil, ErrInvalidScope.At("scope").Because("want names with one space between them")
		}
		if !slices.Contains(allowed, s) {
			return nil, ErrInvalidScope.At("scope").Because("%s is not among them", clip(s))
		}
		if !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes, nil
}

// audiencesOf returns the resources that a request names (RFC 8707, section 2): of
// allowed, or the first of them where it names none.
func audiencesOf(form url.Values, allowed []string) ([]string, error) {
	named := slices.DeleteFunc(slices.Clone(form["resource"]), func(s string) bool { return s == "" })
	if len(named) == 0 {
		return allowed[:1], nil
	}
	if len(named) > maxElements {
		return nil, ErrTarget.At("resource").Because("more than %d", maxElements)
	}
	for _, r := range named {
		if !slices.Contains(allowed, r) {
			return nil, ErrTarget.At("resource")
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(named))), nil
}

// audiences are the resources that a client may have tokens for. One that named none
// has tokens for itself.
func (c Client) audiences() []string {
	if len(c.Audiences) == 0 {
		return []string{c.ID}
	}
	return c.Audiences
}

// gone makes ErrGrant of a person who is signed out, disabled or gone.
func gone(err error) error {
	if k := fault.KindOf(err); k == fault.Unauthorized || k == fault.NotFound || k == fault.Forbidden {
		return ErrGrant
	}
	return err
}
