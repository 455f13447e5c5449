package token

import (
	"context"
	"errors"
	"strings"

	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/seal"
)

// seen is a token of ours that is good now.
type seen struct {
	kind   tokenKind
	claims Claims
	format Format
	family string
}

// look returns what a token says, whatever its kind and audience, where it is good now:
// signed, kept, not expired, and neither it nor its family, client, session or user has
// ended. Every fault is ErrToken.
func (g *OAuth) look(ctx context.Context, value string) (seen, error) {
	if len(value) > MaxSize {
		return seen{}, ErrToken.Because("it is longer than %d bytes", MaxSize)
	}
	if strings.HasPrefix(value, AccessPrefix) || strings.HasPrefix(value, RefreshPrefix) {
		return g.lookUp(ctx, seal.SecretHash(value))
	}
	c, err := g.authority.read(ctx, value)
	if err != nil {
		return seen{}, err
	}
	s, err := g.lookUp(ctx, seal.SecretHash(c.ID))
	if errors.Is(err, errNoToken) && c.Session != "" { // it came with a handoff, and lives as long as its session
		return seen{kind: access, claims: c, format: JWT}, g.signedIn(ctx, c)
	}
	if errors.Is(err, errNoToken) {
		err = ErrToken.Because("it is not known")
	}
	s.claims, s.format = c, JWT
	return s, err
}

func (g *OAuth) signedIn(ctx context.Context, c Claims) error {
	_, err := g.people.BySession(ctx, c.Subject, c.Session)
	if k := fault.KindOf(err); err != nil && (k == fault.Unauthorized || k == fault.NotFound) {
		return ErrToken.Because("its session has ended")
	}
	return err
}

// lookUp returns a token that is kept, by its hash. What it says of itself is as an
// access token would.
func (g *OAuth) lookUp(ctx context.Context, hash []byte) (s seen, err error) {
	var row tokenRow
	var f family
	err = g.db.View(ctx, func(tx *db.Tx) error {
		if row, err = findToken(ctx, tx, hash); err != nil || row.family == "" {
			return err
		}
		f, err = findFamily(ctx, tx, row.family)
		return err
	})
	now := g.now()
	switch {
	case err != nil:
		return seen{}, err
	case !row.revoked.IsZero(), !f.revoked.IsZero():
		return seen{}, ErrToken.Because("it was revoked")
	case !now.Before(row.expires):
		return seen{}, ErrToken.At("exp").Because("it has passed")
	case row.kind == refresh && !row.used.IsZero():
		return seen{}, ErrToken.Because("it was used")
	}
	return seen{kind: row.kind, format: Opaque, family: row.family, claims: Claims{
		Issuer: g.authority.options.Issuer, Subject: row.subject, Audience: row.audiences, Client: row.client, Account: f.account,
		Issued: row.created, Expires: row.expires, AuthTime: f.authTime, ACR: f.acr, AMR: f.amr, Scopes: row.scopes,
		Session: f.session, Confirm: row.confirm,
	}}, nil
}
