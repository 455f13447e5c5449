package token

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/seal"
)

const authorizationKind = "authorization" // kind of code

// authorizationCode is the grant of a code from /authorize (RFC 6749, section 4.1.3;
// RFC 7636, section 4.5). The code is looked at first and used up last: a proof that
// lacks a nonce must not cost it.
func (g *OAuth) authorizationCode(ctx context.Context, x exchange) (Response, error) {
	value := x.form.Get("code")
	if value == "" {
		return Response{}, ErrRequest.At("code").Because("it is missing")
	}
	hash := seal.SecretHash(value)
	c, err := g.findCode(ctx, x, hash)
	if err != nil {
		return Response{}, err
	}
	if c.scopes, c.audiences, err = x.client.within(c.scopes, c.audiences); err != nil {
		return Response{}, err
	}
	checked, err := g.senders.Check(ctx, x.sent, x.client, c.audiences)
	if err != nil {
		return Response{}, err
	}
	if err := checked.Matches(ctx, Confirmation{JKT: c.jkt}); err != nil {
		return Response{}, err
	}
	person, err := g.people.BySession(ctx, c.user, c.session)
	if err != nil {
		return Response{}, gone(err)
	}
	if err := checked.Spend(ctx); err != nil {
		return Response{}, err
	}
	// What was proven when the code was asked for counts, not what was since.
	person.AMR, person.ACR, person.AuthTime = c.amr, c.acr, c.authTime
	a := g.authorized(x.client, c, person, checked)
	m, err := g.make(ctx, a)
	if err != nil {
		return Response{}, err
	}
	return m.response, g.keepCode(ctx, x, hash, c, m)
}

// authorized is what a code stands for.
func (g *OAuth) authorized(client Client, c code, person Person, sender Checked) authorization {
	a := authorization{
		client: client, family: c.family, subject: person.User, account: person.Account, session: c.session,
		audiences: c.audiences, scopes: c.scopes, person: person, nonce: c.nonce, sender: sender,
	}
	if refreshable(client, sender) {
		a.refresh, a.refreshEnds = firstRefresh(), g.now().Add(FamilyLife)
	}
	return a
}

// refreshable reports whether a client gets a refresh token. That of a public client is
// always bound to its sender (RFC 9700, section 2.2.2).
func refreshable(c Client, sender Checked) bool {
	bound := !c.Public() || sender.Confirm != Confirmation{}
	return bound && !sender.NoRefresh && slices.Contains(c.Grants, GrantRefresh)
}

// findCode returns a code that is good for this client and request, and is not used.
// Where it was, all that it gave ends: somebody has a copy of it (RFC 9700, section 4.5).
func (g *OAuth) findCode(ctx context.Context, x exchange, hash []byte) (c code, err error) {
	err = g.db.View(ctx, func(tx *db.Tx) error {
		c, err = findCode(ctx, tx, hash)
		return err
	})
	switch {
	case errors.Is(err, errNoCode):
		return code{}, ErrGrant
	case err != nil:
		return code{}, err
	case c.kind != authorizationKind:
		return code{}, ErrGrant
	case !c.used.IsZero():
		return code{}, g.codeCameAgain(ctx, c, x.client)
	}
	if c.wrong(x.client.ID, x.form.Get("code_verifier"), g.now()) != "" {
		return code{}, ErrGrant
	}
	if to := x.form.Get("redirect_uri"); subtle.ConstantTimeCompare([]byte(to), []byte(c.redirect)) != 1 {
		return code{}, ErrGrant.At("redirect_uri").Because("it must be the one of the request at /authorize")
	}
	return c, nil
}

// codeCameAgain ends what a code has given. A client that does not own the code cannot
// cause that: it is refused alone.
func (g *OAuth) codeCameAgain(ctx context.Context, c code, by Client) error {
	// Whoever has it can do so again and again: it is written down once a second.
	_, err := g.replays.Get(c.family+"\n"+by.ID, func() (struct{}, error) {
		return struct{}{}, g.db.Update(ctx, func(tx *db.Tx) error {
			if c.client == by.ID {
				if err := g.revokeFamily(ctx, tx, c.family, g.now()); err != nil {
					return err
				}
			}
			detail := c.detail()
			detail["presented_by"] = by.ID
			return g.audit.Record(ctx, tx, audit.Event{
				Action: "oauth_code.replay", Target: c.client, Account: c.account, Outcome: audit.Refused,
				Reason: "a code that was used came again", Detail: detail,
			})
		})
	})
	if err != nil {
		return err
	}
	return ErrGrant
}

// keepCode uses the code up and keeps what it gives, in one transaction: of two requests
// with one code, one wins.
func (g *OAuth) keepCode(ctx context.Context, x exchange, hash []byte, c code, m made) error {
	var again bool
	err := g.db.Update(ctx, func(tx *db.Tx) error {
		again = false
		now := g.now()
		used, err := useCode(ctx, tx, hash, authorizationKind, now)
		if errors.Is(err, errNoCode) {
			again = true
			return nil
		}
		if err != nil {
			return err
		}
		if !now.Before(used.expires) { // all ended for the user since it was looked at
			return ErrGrant
		}
		f := family{
			id: c.family, client: c.client, account: c.account, user: c.user, session: c.session,
			offline: slices.Contains(c.scopes, "offline_access"), audiences: c.audiences, scopes: c.scopes,
			amr: c.amr, acr: c.acr, authTime: c.authTime, created: now, expires: now.Add(FamilyLife),
		}
		if err := insertFamily(ctx, tx, f); err != nil {
			return err
		}
		if err := g.keep(ctx, tx, m); err != nil {
			return err
		}
		return g.audit.Record(ctx, tx, audit.Event{Action: "oauth_code.redeem", Target: c.client, Account: c.account, Detail: c.detail()})
	})
	if err == nil && again {
		return g.codeCameAgain(ctx, c, x.client)
	}
	return err
}

func (g *OAuth) keep(ctx context.Context, tx *db.Tx, m made) error {
	if err := insertToken(ctx, tx, m.access); err != nil {
		return err
	}
	if m.refresh == nil {
		return nil
	}
	return insertToken(ctx, tx, *m.refresh)
}
