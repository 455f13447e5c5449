package app

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"signet/internal/fault"
	"signet/internal/limit"
	"signet/internal/login"
	"signet/internal/token"
)

// deviceRate is of a user who types the codes of devices: never more than 10 wrong ones
// in 15 minutes.
var deviceRate = limit.Rate{Burst: 10, Every: 15 * time.Minute}

// authority is the token authority, for login.
type authority struct {
	a     *App
	oauth *token.OAuth
}

// Begin implements [login.Authority].
func (s authority) Begin(ctx context.Context, q url.Values) (login.Asked, error) {
	a, err := s.oauth.Begin(ctx, q)
	return s.asked(ctx, a, err)
}

// Resume implements [login.Authority].
func (s authority) Resume(ctx context.Context, client, uri string) (login.Asked, error) {
	a, err := s.oauth.Resume(ctx, client, uri)
	return s.asked(ctx, a, err)
}

func (s authority) asked(ctx context.Context, a token.Asked, err error) (login.Asked, error) {
	if no, ok := errors.AsType[*token.Refusal](err); ok {
		return login.Asked{}, &login.Refused{To: no.To}
	}
	switch {
	case errors.Is(err, token.ErrNoClient):
		return login.Asked{}, login.ErrNoApp
	case errors.Is(err, token.ErrUnregistered):
		return login.Asked{}, login.ErrRedirect
	case err != nil:
		return login.Asked{}, err
	}
	owner, err := s.owner(ctx, a.Client)
	return login.Asked{
		Client: a.Client.ID, URI: a.URI, App: a.Client.Name, Owner: owner, Redirect: a.Redirect, Scopes: scopesOf(a.Scopes),
		Prompt: a.Prompt, MaxAge: a.MaxAge, ACR: a.ACR, Locales: strings.Fields(a.Locale), Begun: a.Begun, Own: a,
	}, err
}

// own returns a request as the authority made it.
func own(a login.Asked) token.Asked {
	own, _ := a.Own.(token.Asked)
	return own
}

// owner returns the name of the account that an app belongs to.
func (s authority) owner(ctx context.Context, c token.Client) (string, error) {
	acc, err := s.a.Accounts.FindAccount(ctx, c.Account)
	return acc.Name, err
}

// scopesOf returns scopes with what they open.
func scopesOf(names []string) (all []login.Scope) {
	catalogue := Permissions()
	for _, name := range names {
		s := login.Scope{Name: name}
		for _, p := range catalogue {
			if p.Name == name {
				s.Text = p.Text
			}
		}
		all = append(all, s)
	}
	return all
}

// Agreed implements [login.Authority].
func (s authority) Agreed(ctx context.Context, a login.Asked, who login.Member) (bool, error) {
	asked := own(a)
	if err := s.oauth.Serves(ctx, asked.Client, who.Account); err != nil {
		return false, absent(err)
	}
	return s.oauth.Agreed(ctx, asked, who.User)
}

// absent is a refusal of an app that is not there for somebody, as login says it.
func absent(err error) error {
	if errors.Is(err, token.ErrNoClient) {
		return login.ErrAppAbsent
	}
	return err
}

// Grant implements [login.Authority].
func (s authority) Grant(ctx context.Context, a login.Asked, who login.Member, remember bool) (string, error) {
	to, err := s.oauth.Grant(ctx, own(a), who.User, who.Session, remember)
	return to, absent(err)
}

// denials are what clients are told.
var denials = map[login.Denial]error{
	login.DeniedByUser: token.ErrNoConsent, login.LoginNeeded: token.ErrLoginNeeded, login.ConsentNeeded: token.ErrAskNeeded,
	login.TooWeakASignIn: token.ErrUnmet,
}

// Deny implements [login.Authority].
func (s authority) Deny(ctx context.Context, a login.Asked, why login.Denial) (string, error) {
	return s.oauth.Deny(ctx, own(a), denials[why])
}

// Device implements [login.Authority].
func (s authority) Device(ctx context.Context, who login.Member, code string) (out login.Waiting, err error) {
	err = s.counted(ctx, who, func() error {
		d, err := s.oauth.Device(ctx, code)
		if err != nil {
			return err
		}
		if err := s.oauth.Serves(ctx, d.Client, who.Account); err != nil {
			return absent(err)
		}
		out = login.Waiting{App: d.Client.Name, Scopes: scopesOf(d.Scopes), Address: d.Address, Created: d.Created}
		out.Owner, err = s.owner(ctx, d.Client)
		return err
	})
	return out, err
}

// SettleDevice implements [login.Authority].
func (s authority) SettleDevice(ctx context.Context, who login.Member, code string, allow bool) error {
	return s.counted(ctx, who, func() error {
		return absent(s.oauth.SettleDevice(ctx, code, token.Person{User: who.User, Account: who.Account}, allow))
	})
}

// counted bounds how many wrong codes of devices somebody may try, wherever they try them.
func (s authority) counted(ctx context.Context, who login.Member, try func() error) error {
	b := limit.Bucket{Name: "oauth.device", Key: who.User, Rate: deviceRate}
	if err := s.a.Limits.Take(ctx, b); err != nil {
		return err
	}
	err := try()
	if errors.Is(err, token.ErrDeviceCode) {
		return login.ErrDeviceCode
	}
	if give := s.a.Limits.Give(context.WithoutCancel(ctx), b); err == nil {
		err = give
	}
	return err
}

// Leave implements [login.Authority].
func (s authority) Leave(ctx context.Context, q url.Values) (login.Leaving, error) {
	l, err := s.oauth.Leave(ctx, q)
	switch {
	case errors.Is(err, token.ErrNoClient):
		return login.Leaving{}, login.ErrNoApp
	case errors.Is(err, token.ErrUnregistered):
		return login.Leaving{}, login.ErrRedirect.At("post_logout_redirect_uri")
	}
	return login.Leaving{Client: l.Client.ID, App: l.Client.Name, To: l.To, User: l.User, Session: l.Session}, err
}

// Apps implements [login.Authority].
func (s authority) Apps(ctx context.Context, user string) (out []login.AppAccess, err error) {
	all, err := s.oauth.Apps(ctx, user)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		owner, err := s.owner(ctx, a.Client)
		if err != nil && fault.KindOf(err) != fault.NotFound { // its account is disabled
			return nil, err
		}
		out = append(out, login.AppAccess{
			Client: a.Client.ID, App: a.Client.Name, Owner: owner, Scopes: scopesOf(a.Scopes), Since: a.Since,
			Live: a.Live, Offline: a.Offline, Bound: a.Bound,
		})
	}
	return out, nil
}

// RemoveApp implements [login.Authority].
func (s authority) RemoveApp(ctx context.Context, user, client string) error {
	return s.oauth.RemoveApp(ctx, user, client)
}
