package token

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"signet/internal/db"
	"signet/internal/fault"
)

// seen is a token of ours that is good now.
type seen struct {
	kind   tokenKind
	claims Claims // as an access token has them; ID names it for logs
	family string // "" where a client acts for itself
}

// look returns what a token says, whatever its kind and audience, where it is good now:
// kept, not expired, and neither it nor its family, client, session or user had ended two
// seconds ago. Every fault is ErrToken.
//
// A token is found by its hash, so that its signature need not be verified: nobody else
// knows a text that has it.
func (g *OAuth) look(ctx context.Context, value string) (seen, error) {
	if len(value) > MaxSize {
		return seen{}, ErrToken.Because("it is longer than %d bytes", MaxSize)
	}
	hash := sha256.Sum256([]byte(value))
	s, err := g.tokens.Get(hash, func() (seen, error) {
		s, err := g.lookUp(ctx, hash[:])
		if errors.Is(err, errNoToken) {
			return g.unkept(ctx, value)
		}
		return s, err
	})
	if err == nil && !g.now().Before(s.claims.Expires) {
		return seen{}, ErrToken.At("exp").Because("it has passed")
	}
	return s, err
}

// unkept returns what a token says that is not kept: one of a handoff, which lives as
// long as its session, or a client's own, where those are not kept.
func (g *OAuth) unkept(ctx context.Context, value string) (seen, error) {
	c, err := g.authority.read(ctx, value)
	if err != nil {
		return seen{}, err
	}
	_, err = g.clients.acting(ctx, c.Client) // else what is kept of it was not found either
	switch {
	case err != nil:
	case c.Session != "":
		_, err = g.people.BySession(ctx, c.Subject, c.Session)
	case !g.forgetful || c.Subject != c.Client:
		return seen{}, ErrToken.Because("it is not known")
	}
	if k := fault.KindOf(err); err != nil && (k == fault.Unauthorized || k == fault.NotFound) {
		return seen{}, ErrToken.Because("its session or client has ended")
	}
	return seen{kind: access, claims: c}, err
}

// lookUp returns a token that is kept, by its hash.
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
	switch {
	case err != nil:
		return seen{}, err
	case !row.revoked.IsZero(), !f.revoked.IsZero():
		return seen{}, ErrToken.Because("it was revoked")
	case row.kind == refresh && !row.used.IsZero():
		return seen{}, ErrToken.Because("it was used")
	}
	return seen{kind: row.kind, family: row.family, claims: Claims{
		Issuer: g.authority.options.Issuer, Subject: row.subject, Audience: row.audiences, Client: row.client,
		Account: cmp.Or(f.account, row.account), ID: "tok_" + hex.EncodeToString(hash[:10]),
		Issued: row.created, Expires: row.expires, AuthTime: f.authTime, ACR: f.acr, AMR: f.amr, Scopes: row.scopes,
		Session: f.session, Confirm: row.confirm,
	}}, nil
}
