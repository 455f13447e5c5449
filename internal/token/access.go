package token

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"signet/internal/fault"
	"signet/internal/ticket"
)

// Authenticator proves callers of this server's own APIs by access token (RFC 6750,
// RFC 9449, RFC 8705). The token must be for this server, and reaches as far as its
// scopes.
type Authenticator struct {
	grants  *OAuth
	foreign func(token string) bool // other credentials that are sent as Bearer
}

// NewAuthenticator returns an authenticator over g. It leaves alone what foreign says is
// a credential of another kind.
func NewAuthenticator(g *OAuth, foreign func(token string) bool) Authenticator {
	return Authenticator{g, foreign}
}

// Authenticate returns the caller, nil where the request carries no access token, and a
// fault of kind Unauthorized where it carries one that is not good.
func (a Authenticator) Authenticate(r *http.Request) (*ticket.Ticket, error) {
	b, err := readCredential(r)
	if err != nil || b.token == "" || ownEndpoint(r.URL.Path) || a.foreign(b.token) {
		return nil, err
	}
	sent, err := a.grants.senders.Read(r, r.URL.EscapedPath())
	if err != nil {
		return nil, err
	}
	s, err := a.grants.present(r.Context(), b, sent, a.grants.authority.options.Issuer)
	if err != nil {
		return nil, err
	}
	return a.grants.ticketOf(r.Context(), s.claims)
}

// ownEndpoint reports whether an endpoint reads its access token itself, since it is
// for tokens of any audience.
func ownEndpoint(path string) bool { return path == pathUserInfo || path == pathFreshAuth }

// ticketOf is the caller that a token proves, as they may act now: of what a person may,
// the token opens what its scopes name.
func (g *OAuth) ticketOf(ctx context.Context, c Claims) (*ticket.Ticket, error) {
	t := &ticket.Ticket{
		Kind: ticket.Client, Subject: c.Client, Account: c.Account, Scopes: append([]string{}, c.Scopes...), Credential: c.ID,
		AMR: c.AMR, ACR: c.ACR, AuthTime: c.AuthTime, Session: c.Session,
		Sender: ticket.Sender{JKT: c.Confirm.JKT, X5T: c.Confirm.X5T},
	}
	if c.Subject == c.Client {
		var err error
		if t.Permissions, err = g.clients.permissions(ctx, c.Client, c.Scopes); errors.Is(err, ErrNoClient) {
			err = g.senders.challenged(ErrToken.Because("its client is disabled"), tokenType(c.Confirm), "invalid_token")
		}
		return t, err
	}
	p, err := g.people.ByUser(ctx, c.Subject, c.Account)
	if k := fault.KindOf(err); err != nil && (k == fault.NotFound || k == fault.Unauthorized) {
		return nil, g.senders.challenged(ErrToken.Because("its user is disabled"), tokenType(c.Confirm), "invalid_token")
	}
	if err != nil {
		return nil, err
	}
	t.Kind, t.Subject = ticket.User, c.Subject
	for _, name := range p.Permissions {
		if slices.Contains(c.Scopes, name) {
			t.Permissions = append(t.Permissions, name)
		}
	}
	return t, nil
}
