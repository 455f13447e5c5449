package token

import (
	"context"
	"errors"
	"net/http"

	"signet/internal/db"
	"signet/internal/fault"
)

// Presented is an access token that a request presents, with the authorization that it
// came of.
type Presented struct {
	Claims

	Family string // "" where there is none: of a client's own, or of a handoff
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
	return Presented{s.claims, s.family}, nil
}

// Lives reports whether what came of a token goes on: its client may act, and the
// authorization or else the session that it came of has not ended.
func (c *Codes) Lives(ctx context.Context, client, family, user, session string) (bool, error) {
	if _, err := c.App(ctx, client); errors.Is(err, ErrNoClient) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if family == "" && session == "" {
		return true, nil
	}
	if family == "" {
		_, err := c.people.BySession(ctx, user, session)
		if k := fault.KindOf(err); err != nil && (k == fault.Unauthorized || k == fault.NotFound) {
			return false, nil
		}
		return err == nil, err
	}
	var live bool
	err := c.db.View(ctx, func(tx *db.Tx) error {
		f, err := findFamily(ctx, tx, family)
		if errors.Is(err, errNoToken) {
			return nil
		}
		live = f.revoked.IsZero() && c.now().Before(f.expires)
		return err
	})
	return live, err
}
