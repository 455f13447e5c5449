package token

import (
	"context"
	"errors"
	"slices"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/seal"
)

// refresh gives new tokens for a refresh token (RFC 6749, section 6). Each is good for
// one use; its successor is the same for each use in the ten seconds after the first,
// since an answer may be lost. A later use ends the family: two have it now (RFC 9700,
// section 4.14.2).
func (g *OAuth) refresh(ctx context.Context, x exchange) (Response, error) {
	value := x.form.Get("refresh_token")
	if value == "" {
		return Response{}, ErrRequest.At("refresh_token").Because("it is missing")
	}
	row, f, err := g.findRefresh(ctx, x.client, value)
	if err != nil {
		return Response{}, err
	}
	allowed, reach, err := x.client.within(f.scopes, f.audiences)
	if err != nil {
		return Response{}, err
	}
	scopes, err := scopesOf(x.form, allowed, allowed)
	if err != nil {
		return Response{}, err
	}
	audiences, err := audiencesOf(x.form, reach)
	if err != nil {
		return Response{}, err
	}
	if len(x.form["resource"]) == 0 {
		audiences = reach
	}
	checked, err := g.senders.Check(ctx, x.sent, x.client, audiences)
	if err != nil {
		return Response{}, err
	}
	if err := checked.Matches(ctx, row.confirm); err != nil {
		return Response{}, err
	}
	person, err := g.personOf(ctx, f)
	if err != nil {
		return Response{}, err
	}
	if err := checked.Spend(ctx); err != nil {
		return Response{}, err
	}
	a := authorization{
		client: x.client, family: f.id, subject: f.user, account: f.account, session: f.session, audiences: audiences, scopes: scopes,
		person: person, sender: checked, refreshEnds: f.expires,
	}
	if !checked.NoRefresh {
		a.refresh = g.successor(value)
	}
	m, err := g.make(ctx, a)
	if err != nil {
		return Response{}, err
	}
	if m.refresh != nil { // it reaches as far as the family, whatever this answer was narrowed to
		m.refresh.scopes, m.refresh.audiences, m.refresh.confirm = f.scopes, f.audiences, row.confirm
	}
	return m.response, g.keepRefresh(ctx, row, f, m)
}

// within returns what an authorization still gives a client: what the client may have no
// more, an old one does not give it.
func (c Client) within(scopes, audiences []string) (allowed, reach []string, err error) {
	if reach = common(audiences, c.audiences()); len(reach) == 0 {
		return nil, nil, ErrTarget.At("resource")
	}
	return common(scopes, c.Scopes), reach, nil
}

// common returns what stands in both lists, in the order of the first.
func common(a, b []string) (both []string) {
	for _, s := range a {
		if slices.Contains(b, s) {
			both = append(both, s)
		}
	}
	return both
}

// findRefresh returns a refresh token of the client that may be used, and its family.
func (g *OAuth) findRefresh(ctx context.Context, client Client, value string) (row tokenRow, f family, err error) {
	err = g.db.View(ctx, func(tx *db.Tx) error {
		if row, err = findToken(ctx, tx, seal.SecretHash(value)); err != nil {
			return err
		}
		f, err = findFamily(ctx, tx, row.family)
		return err
	})
	now := g.now()
	switch {
	case errors.Is(err, errNoToken):
		return row, f, ErrGrant
	case err != nil:
		return row, f, err
	case row.kind != refresh, row.client != client.ID, !row.revoked.IsZero(), !f.revoked.IsZero(), !now.Before(row.expires), !now.Before(f.expires):
		return row, f, ErrGrant
	case row.stale(now):
		return row, f, g.cameAgain(ctx, row, f)
	}
	return row, f, nil
}

// stale reports whether a refresh token was used too long ago to be used again.
func (t tokenRow) stale(now time.Time) bool {
	return !t.used.IsZero() && !now.Before(t.used.Add(refreshGrace))
}

// cameAgain ends a family whose refresh token was used twice.
func (g *OAuth) cameAgain(ctx context.Context, row tokenRow, f family) error {
	err := g.db.Update(ctx, func(tx *db.Tx) error {
		if err := g.revokeFamily(ctx, tx, f.id, g.now()); err != nil {
			return err
		}
		return g.audit.Record(ctx, tx, audit.Event{
			Action: "authority.refresh.replay", Target: f.client, Account: f.account, Outcome: audit.Refused,
			Reason: "a refresh token that was used came again: the family has ended",
			Detail: map[string]any{"user": f.user, "session": f.session, "family": f.id, "used_at": row.used},
		})
	})
	if err != nil {
		return err
	}
	return ErrGrant
}

// personOf returns who authorized a family, as they may act now. What they proved of
// themselves stays as it was then.
func (g *OAuth) personOf(ctx context.Context, f family) (p Person, err error) {
	if f.offline {
		p, err = g.people.ByUser(ctx, f.user, f.account)
	} else {
		p, err = g.people.BySession(ctx, f.user, f.session)
	}
	if err != nil {
		return Person{}, gone(err)
	}
	p.AMR, p.ACR, p.AuthTime = f.amr, f.acr, f.authTime
	return p, nil
}

// keepRefresh uses the old one up and keeps the new ones. Of uses at the same time, all
// get the same successor.
func (g *OAuth) keepRefresh(ctx context.Context, row tokenRow, f family, m made) error {
	var late bool
	err := g.db.Update(ctx, func(tx *db.Tx) error {
		late = false
		first, err := useRefresh(ctx, tx, row.hash, g.now())
		if err != nil {
			return err
		}
		if !first {
			now, err := findToken(ctx, tx, row.hash)
			if err != nil {
				return err
			}
			if late = now.stale(g.now()); late {
				return nil
			}
		}
		return g.keep(ctx, tx, m)
	})
	if errors.Is(err, errNoToken) {
		return ErrGrant
	}
	if err == nil && late {
		return g.cameAgain(ctx, row, f)
	}
	return err
}
