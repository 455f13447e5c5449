package app

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"signet/internal/egress"
	"signet/internal/token"
)

// appTimeout bounds one request to a relying app.
const appTimeout = 10 * time.Second

// appClient returns the client for addresses that relying apps registered. They are
// on the open Internet; where this server itself is on loopback, in development, they
// may be too.
func appClient(origin string) (*egress.Client, error) {
	u, err := url.Parse(origin)
	if err != nil {
		return nil, fmt.Errorf("server.origin: %w", err)
	}
	return egress.New(egress.Config{Timeout: appTimeout, Loopback: u.Scheme == "http" && onThisMachine(u.Hostname())})
}

func onThisMachine(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && a.IsLoopback()
}

// sessionPeople tells the token authority who is signed in.
type sessionPeople struct{ app *App }

// BySession implements [token.People].
func (p sessionPeople) BySession(ctx context.Context, user, session string) (token.Person, error) {
	t, roles, err := p.app.Gate.BySession(ctx, user, session)
	if err != nil {
		return token.Person{}, err
	}
	return token.Person{
		User: t.Subject, Account: t.Account, Roles: roles, Permissions: t.Permissions, AMR: t.AMR, ACR: t.ACR, AuthTime: t.AuthTime,
	}, nil
}

// ByUser implements [token.People].
func (p sessionPeople) ByUser(ctx context.Context, user, account string) (token.Person, error) {
	t, err := p.app.Accounts.Acting(ctx, user, account)
	if err != nil {
		return token.Person{}, err
	}
	return token.Person{User: t.Subject, Account: t.Account, Permissions: t.Permissions}, nil
}

// Profile implements [token.People].
func (p sessionPeople) Profile(ctx context.Context, user string) (token.Profile, error) {
	u, err := p.app.Accounts.Profile(ctx, user)
	if err != nil {
		return token.Profile{}, err
	}
	out := token.Profile{Name: u.DisplayName, Locale: u.Locale}
	if len(u.Addresses) > 0 { // only verified ones are there
		out.Email, out.EmailVerified = u.Addresses[0], true
	}
	return out, nil
}
