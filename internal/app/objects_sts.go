package app

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"signet/internal/config"
	"signet/internal/objects"
	"signet/internal/token"
)

// newSTS returns the service of temporary keys; nil where authentication is off. Without
// the token authority it takes tokens of other issuers alone.
func (a *App) newSTS(oauth *token.OAuth) (http.Handler, error) {
	if a.Config.Objects.Auth == "off" {
		return nil, nil
	}
	roles, err := trustedRoles(a.Config.Objects.Roles)
	if err != nil {
		return nil, err
	}
	get, err := appClient(a.Config.Server.Origin)
	if err != nil {
		return nil, err
	}
	origin := a.Config.ObjectsOrigin()
	return objects.NewSTS(a.ObjectKeys, objects.STSOptions{
		Origin: origin, Roles: roles, Issuers: get, Now: time.Now,
		AccountID: func(ctx context.Context, account string) (string, error) {
			acc, err := a.Accounts.FindAccount(ctx, account)
			return acc.ID, err
		},
		Token: func(r *http.Request, value string) (objects.Bearer, error) {
			if oauth == nil {
				return objects.Bearer{}, token.ErrToken.Because("this process does not verify tokens of its own")
			}
			return bearer(oauth, r, value, origin)
		},
	}), nil
}

// bearer is what an access token says that is for the S3 API.
func bearer(oauth *token.OAuth, r *http.Request, value, origin string) (objects.Bearer, error) {
	t, err := oauth.Present(r, value, origin+"/", origin)
	if err != nil {
		return objects.Bearer{}, err
	}
	b := objects.Bearer{
		User: t.Subject, Account: t.Account, Client: t.Client, Session: t.Session, Family: t.Family, Token: t.Hash, Scopes: t.Scopes, Expires: t.Expires,
	}
	if t.Subject == t.Client {
		b.User = ""
	}
	return b, nil
}

// trustedRoles are the roles of the configuration.
func trustedRoles(configured map[string]config.Role) (map[string]objects.TrustedRole, error) {
	roles := map[string]objects.TrustedRole{}
	for name, r := range configured {
		role := objects.TrustedRole{Account: r.Account, Issuer: r.Issuer, Audience: r.Audience, Subject: r.Subject}
		for _, text := range r.Grants {
			g, err := objects.ParseAllowance(text)
			if err != nil {
				return nil, fmt.Errorf("objects.roles.%s.grants: %q: %w", name, text, err)
			}
			role.Grants = append(role.Grants, g)
		}
		roles[name] = role
	}
	return roles, nil
}

// alive reports whether what a temporary key came of goes on.
func (a *App) alive(ctx context.Context, p objects.Parent) (bool, error) {
	return a.Codes.Lives(ctx, token.Source{Client: p.Client, User: p.User, Session: p.Session, Family: p.Family, Hash: p.Token})
}
