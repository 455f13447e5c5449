package token

import (
	"context"
	"net/url"
	"strings"

	"signet/internal/fault"
	"signet/internal/jws"
)

// ErrHint says that an id_token_hint is none of this server's ID tokens.
var ErrHint = fault.New(fault.Malformed, "is not an ID token of this server").At("id_token_hint").Named("invalid-hint")

// Leaving is a request at /end_session (OpenID Connect RP-Initiated Logout 1.0, section
// 2) that was found good.
type Leaving struct {
	Client  Client // zero where it does not say
	To      string // where the browser goes afterwards, with its state; empty: nowhere
	User    string // whose session the client means; empty where it does not say
	Session string
}

// Leave reads a request at /end_session. Every fault is for the person: nobody is sent
// anywhere with it.
func (g *OAuth) Leave(ctx context.Context, q url.Values) (l Leaving, err error) {
	if err := checkForm(q); err != nil {
		return Leaving{}, err
	}
	id := q.Get("client_id")
	if hint := q.Get("id_token_hint"); hint != "" {
		h, err := g.authority.readHint(ctx, hint)
		if err != nil {
			return Leaving{}, err
		}
		if id != "" && id != h.client {
			return Leaving{}, ErrHint.Because("it was given to another client than client_id")
		}
		id, l.User, l.Session = h.client, h.user, h.session
	}
	if id != "" {
		if l.Client, err = g.clients.acting(ctx, id); err != nil {
			return Leaving{}, err
		}
	}
	l.To, err = leaveTo(l.Client, q.Get("post_logout_redirect_uri"), q.Get("state"))
	return l, err
}

// leaveTo returns where the browser goes, with the state that the client gets back.
func leaveTo(c Client, uri, state string) (string, error) {
	switch {
	case uri == "":
		return "", nil
	case c.ID == "":
		return "", ErrRequest.At("post_logout_redirect_uri").Because("say whose it is, by id_token_hint or client_id")
	case !c.MayLeaveTo(uri):
		return "", ErrUnregistered.At("post_logout_redirect_uri")
	case len(state) > 2048:
		return "", ErrRequest.At("state").Because("it is too long")
	case state == "":
		return uri, nil
	}
	sep := "?"
	if strings.Contains(uri, "?") {
		sep = "&"
	}
	return uri + sep + url.Values{"state": {state}}.Encode(), nil
}

// hint is what an ID token of ours says of whom it is about.
type hint struct{ client, user, session string }

// readHint reads an ID token that may have expired. Its key may be one that signs no
// more: what it says is a hint, and opens nothing.
func (a *Authority) readHint(ctx context.Context, text string) (hint, error) {
	t, err := jws.Parse(text, MaxSize)
	if err != nil {
		return hint{}, jws.As(err, ErrHint)
	}
	k, err := a.hintKey(ctx, t.Header)
	if err != nil {
		return hint{}, err
	}
	if err := t.Verify(k.public, string(k.alg)); err != nil {
		return hint{}, jws.As(err, ErrHint)
	}
	r := t.Payload.Read()
	issuer, audience := r.Text("iss"), r.Audience()
	h := hint{user: r.Text("sub"), session: r.OptionalText("sid")}
	if err := r.Err(); err != nil {
		return hint{}, jws.As(err, ErrHint)
	}
	if issuer != a.options.Issuer || len(audience) != 1 {
		return hint{}, ErrHint.Because("its iss or aud is not what this server writes")
	}
	h.client = audience[0]
	return h, nil
}

// hintKey returns the key that an ID token names, retired ones too as long as they are
// kept.
func (a *Authority) hintKey(ctx context.Context, header jws.Object) (*key, error) {
	r := header.Read()
	typ, kid, alg := r.Text("typ"), r.Text("kid"), r.Text("alg")
	if err := r.Err(); err != nil {
		return nil, jws.As(err, ErrHint)
	}
	if typ != identityType {
		return nil, ErrHint.Because("its typ is not %s", identityType)
	}
	keys, err := a.known(ctx)
	if err != nil {
		return nil, err
	}
	k := keys.key(kid)
	if k == nil {
		if k, err = a.oldKey(ctx, kid); err != nil {
			return nil, err
		}
	}
	if string(k.alg) != alg {
		return nil, ErrHint.Because("its alg is not the key's")
	}
	return k, nil
}

// oldKey returns a key that the ring has dropped already.
func (a *Authority) oldKey(ctx context.Context, kid string) (*key, error) {
	rows, err := a.readKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.id == kid {
			return a.open(row)
		}
	}
	return nil, ErrHint.Because("its key is not known any more")
}
