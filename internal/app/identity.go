package app

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"signet/internal/account"
	"signet/internal/audit"
	"signet/internal/authapi"
	"signet/internal/limit"
	"signet/internal/login"
	"signet/internal/page"
	"signet/internal/ticket"
	"signet/internal/token"
)

// startRate is how often one network may begin a sign-in at an outside provider.
var startRate = limit.Rate{Burst: 30, Every: 2 * time.Second}

// buildGate makes what login asks, over services that are there.
func (a *App) buildGate() error {
	origin, err := url.Parse(a.Config.Server.Origin)
	if err != nil {
		return err
	}
	host := origin.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		slog.Warn("passkeys need a host name in server.origin: nobody can make one", "origin", a.Config.Server.Origin)
		host = "localhost"
	}
	a.Passkeys, err = account.NewPasskeys(a.Credentials, account.PasskeyOptions{
		RPID: host, Origins: []string{a.Config.Server.Origin}, RPName: "Signet",
	})
	if err != nil {
		return err
	}
	a.Gate = account.NewGate(account.GateParts{
		Users: a.Accounts, Credentials: a.Credentials, Identities: a.Identities, Passkeys: a.Passkeys, Sessions: a.Sessions,
		Tokens: accessTokens{a.Tokens, a.Config.Server.Origin}, Post: a.Post, Log: userLog{a}, MailKeys: a.Registry,
	}, account.GateOptions{Origin: a.Config.Server.Origin, SignUp: a.Config.Account.SignUp})
	return nil
}

// newLogin makes the pages, over the gate of this process or of another.
func (a *App) newLogin(oauth *token.OAuth) (*login.Login, *login.Providers, error) {
	var accounts authapi.Service = a.Gate
	if c := a.Config.Login.Account; c.URL != "" {
		accounts = authapi.NewClient(c.URL, c.Key.Reveal(), &http.Client{Timeout: 10 * time.Second})
	}
	adapters, err := a.providers()
	if err != nil {
		return nil, nil, err
	}
	outside := login.NewProviders(a.DB, login.ProviderOptions{
		Providers: adapters, Origin: a.Config.Server.Origin, Key: a.Seal.Derive("login state"), Limiter: limit.NewMemory(startRate, edgeAddrs),
		Nexts: func(ctx context.Context, client string) ([]string, error) {
			c, err := a.Codes.App(ctx, client)
			return c.Redirects, err
		},
		Locale: func(tag string) string { return a.Texts.Known(tag) },
	})
	site, err := page.New(a.Texts, time.Now)
	if err != nil {
		return nil, nil, err
	}
	l, err := login.New(accounts, apps{a}, authority{a, oauth}, outside, site, a.Bus, login.Options{
		Origin: a.Config.Server.Origin, SignUp: a.Config.Account.SignUp == "open", Changed: account.SessionsTopic, Now: time.Now, Keys: a.ownKeys(),
	})
	a.Site = site
	return l, outside, err
}

// apps are the relying apps, for login.
type apps struct{ a *App }

// App implements [login.Apps].
func (s apps) App(ctx context.Context, id string) (login.App, error) {
	c, err := s.a.Codes.App(ctx, id)
	return login.App{ID: c.ID, Name: c.Name, Redirects: c.Redirects}, err
}

// Issue implements [login.Apps].
func (s apps) Issue(ctx context.Context, h login.Handoff) (string, error) {
	return s.a.Codes.Issue(ctx, token.Handoff{Client: h.App, Next: h.Next, Challenge: h.Challenge, User: h.User, Session: h.Session})
}

// accessTokens name a user to account, over HTTP.
type accessTokens struct {
	authority *token.Authority
	origin    string
}

// selfClient is the client_id of login's own tokens; no client has it.
const selfClient = "login"

func (t accessTokens) audience() string { return t.origin + "/auth" }

// Issue implements [account.AccessTokens].
func (t accessTokens) Issue(ctx context.Context, who *ticket.Ticket, roles []string) (string, time.Duration, error) {
	text, err := t.authority.Issue(ctx, token.Claims{
		Subject: who.Subject, Audience: []string{t.audience()}, Client: selfClient, Account: who.Account, Session: who.Session,
		AuthTime: who.AuthTime, ACR: who.ACR, AMR: who.AMR, Roles: roles, Permissions: who.Permissions,
	})
	return text, token.Lifetime, err
}

// Session implements [account.AccessTokens].
func (t accessTokens) Session(ctx context.Context, text string) (user, session string, err error) {
	c, err := t.authority.Verify(ctx, text, t.audience())
	if err == nil && (c.Client != selfClient || c.Session == "") {
		err = token.ErrToken
	}
	return c.Subject, c.Session, err
}

// userLog reads what users see of the audit log.
type userLog struct{ a *App }

// OfUser implements [account.Log].
func (l userLog) OfUser(ctx context.Context, user string, limit int) (out []authapi.Activity, err error) {
	events, _, err := l.a.Audit.List(ctx, audit.Filter{Involving: user, Limit: limit}, "")
	for _, e := range events {
		bySelf := e.Actor.ID == user || e.Actor.ID == "" // who signs in is not proven yet
		out = append(out, authapi.Activity{Time: e.Time, Action: e.Action, Outcome: string(e.Outcome), Address: e.Address, BySelf: bySelf})
	}
	return out, err
}
