package token

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"signet/internal/db"
	"signet/internal/fault"
)

// Presented is an access token that a request presents, with the authorization that it
// came of.
type Presented struct {
	Claims

	Family string // "" where there is none: of a client's own, or of a handoff
	Hash   string // SHA-256 of the token, in hex
}

// Present returns what an access token says that a request presents in another place
// than its Authorization: where it is good, for the audience, and the request proves what
// the token is bound to. url is that of the endpoint as configured, for DPoP proofs.
// Refusals are as at other resources.
func (g *OAuth) Present(r *http.Request, value, url, audience string) (Presented, error) {
	sent, err := g.senders.Read(r, "")
	if err != nil {
		return Presented{}, err
	}
	sent.URL = url
	b := credential{"Bearer", value}
	if len(sent.Proofs) > 0 {
		b.scheme = "DPoP"
	}
	s, err := g.present(r.Context(), b, sent, audience)
	if err != nil {
		return Presented{}, err
	}
	sum := sha256.Sum256([]byte(value))
	return Presented{s.claims, s.family, hex.EncodeToString(sum[:])}, nil
}

// Source is what something was given for: an access token, as Present returned it.
type Source struct{ Client, User, Session, Family, Hash string }

// Lives reports whether what came of a token goes on: its client may act, and neither
// the token was revoked nor the authorization or else the session that it came of ended.
func (c *Codes) Lives(ctx context.Context, s Source) (bool, error) {
	_, err := c.App(ctx, s.Client)
	if err == nil {
		err = c.db.View(ctx, func(tx *db.Tx) error { return unrevoked(ctx, tx, s, c.now()) })
	}
	if err == nil && s.Family == "" && s.Session != "" {
		_, err = c.people.BySession(ctx, s.User, s.Session)
	}
	if k := fault.KindOf(err); errors.Is(err, errNoToken) || err != nil && (k == fault.Unauthorized || k == fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// unrevoked returns errNoToken where a token or its family was revoked. A token that is
// not kept ends with its client or session alone.
func unrevoked(ctx context.Context, tx *db.Tx, s Source, now time.Time) error {
	hash, err := hex.DecodeString(s.Hash)
	if err != nil {
		return err
	}
	row, err := findToken(ctx, tx, hash)
	switch {
	case errors.Is(err, errNoToken) && s.Family == "":
		return nil
	case err != nil:
		return err
	case !row.revoked.IsZero():
		return errNoToken
	case s.Family == "":
		return nil
	}
	f, err := findFamily(ctx, tx, s.Family)
	if err == nil && (!f.revoked.IsZero() || !now.Before(f.expires)) {
		err = errNoToken
	}
	return err
}
