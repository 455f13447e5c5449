package token

import (
	"context"
	"errors"
	"slices"
	"strings"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/seal"
)

// Introspection says of a token what its resource needs to know (RFC 7662, section 2.2).
// An inactive one says nothing else.
type Introspection struct {
	Active    bool              `json:"active"`
	Scope     string            `json:"scope,omitempty"`
	Client    string            `json:"client_id,omitempty"`
	TokenType string            `json:"token_type,omitempty"` // DPoP or Bearer
	Expires   int64             `json:"exp,omitempty"`
	Issued    int64             `json:"iat,omitempty"`
	Subject   string            `json:"sub,omitempty"`
	Audience  []string          `json:"aud,omitempty"`
	Issuer    string            `json:"iss,omitempty"`
	Confirm   map[string]string `json:"cnf,omitempty"`    // jkt, x5t#S256
	Tenant    string            `json:"tenant,omitempty"` // account
	AuthTime  int64             `json:"auth_time,omitempty"`
	ACR       string            `json:"acr,omitempty"`
	AMR       []string          `json:"amr,omitempty"`
	Session   string            `json:"sid,omitempty"`
}

// Introspect answers a request at /introspect. A caller sees tokens of its own tenant
// only, and of those the ones that it owns or that are for it; any other one is
// inactive.
func (g *OAuth) Introspect(ctx context.Context, r Request) (Introspection, error) {
	caller, value, err := g.about(ctx, r)
	if err != nil {
		return Introspection{}, err
	}
	s, err := g.look(ctx, value)
	if isNoToken(err) {
		return Introspection{}, nil
	}
	if err != nil {
		return Introspection{}, err
	}
	may, err := g.maySee(ctx, caller, s)
	if err != nil || !may {
		return Introspection{}, err
	}
	if err := g.senders.atIntrospection(ctx, r.Sent, caller, r.Form.Get("client_certificate"), s.claims); err != nil {
		return Introspection{}, err
	}
	return s.introspection(), nil
}

// about returns who asks about a token, and the token (RFC 7662, section 2.1; RFC 7009,
// section 2.1).
func (g *OAuth) about(ctx context.Context, r Request) (caller Client, value string, err error) {
	if err := checkForm(r.Form); err != nil {
		return Client{}, "", err
	}
	caller, err = g.clients.AuthenticateRequest(ctx, ClientRequest{
		Authorization: r.Authorization, Form: r.Form, Certificate: r.Sent.Certificate,
	})
	if err != nil {
		return Client{}, "", err
	}
	if value = r.Form.Get("token"); value == "" {
		return Client{}, "", ErrRequest.At("token").Because("it is missing")
	}
	return caller, value, nil
}

// isNoToken reports whether err says that a token is not good, and nothing else.
func isNoToken(err error) bool {
	return errors.Is(err, ErrToken) || errors.Is(err, errNoToken)
}

// maySee reports whether a token is a caller's business.
func (g *OAuth) maySee(ctx context.Context, caller Client, s seen) (may bool, err error) {
	if caller.Public() { // anybody could say that they are it
		return false, nil
	}
	if s.claims.Client == caller.ID {
		return true, nil
	}
	if s.kind == refresh || !slices.ContainsFunc(s.claims.Audience, caller.isAudience) {
		return false, nil
	}
	owner, err := g.clients.acting(ctx, s.claims.Client)
	if errors.Is(err, ErrNoClient) {
		return false, nil
	}
	return owner.Account == caller.Account, err
}

// isAudience reports whether a client stands for an audience.
func (c Client) isAudience(a string) bool { return a == c.ID || slices.Contains(c.Audiences, a) }

func (s seen) introspection() Introspection {
	c := s.claims
	i := Introspection{
		Active: true, Scope: strings.Join(c.Scopes, " "), Client: c.Client, Expires: c.Expires.Unix(), Issued: c.Issued.Unix(),
		Subject: c.Subject, Audience: c.Audience, Issuer: c.Issuer, Confirm: members(c.Confirm), Tenant: c.Account,
		ACR: c.ACR, AMR: c.AMR, Session: c.Session,
	}
	if s.kind == access {
		i.TokenType = tokenType(c.Confirm)
	}
	if !c.AuthTime.IsZero() {
		i.AuthTime = c.AuthTime.Unix()
	}
	return i
}

// members is a confirmation as cnf has it; nil for none.
func members(c Confirmation) map[string]string {
	m := map[string]string{}
	if c.JKT != "" {
		m["jkt"] = c.JKT
	}
	if c.X5T != "" {
		m["x5t#S256"] = c.X5T
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// Revoke answers a request at /revoke: the token ends, and with a refresh token its
// whole family (RFC 7009, section 2.1). A token that is unknown, or another client's, is
// no error.
func (g *OAuth) Revoke(ctx context.Context, r Request) error {
	caller, value, err := g.about(ctx, r)
	if err != nil {
		return err
	}
	hash := seal.SecretHash(value)
	err = g.db.Update(ctx, func(tx *db.Tx) error {
		row, err := findToken(ctx, tx, hash)
		if err != nil || row.client != caller.ID {
			return err
		}
		if row.kind == refresh {
			err = g.revokeFamily(ctx, tx, row.family, g.now())
		} else {
			err = revokeToken(ctx, tx, hash, g.now())
		}
		if err != nil {
			return err
		}
		tx.AfterCommit(g.tokens.Forget)
		return g.audit.Record(ctx, tx, audit.Event{
			Action: "authority.token.revoke", Target: caller.ID, Account: caller.Account,
			Detail: map[string]any{"kind": string(row.kind), "subject": row.subject, "family": row.family},
		})
	})
	if errors.Is(err, errNoToken) {
		return nil
	}
	return err
}
