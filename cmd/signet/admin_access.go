package main

import (
	"context"
	"strings"
	"time"

	"signet/internal/app"
)

// roleOfUser names a role of a user.
type roleOfUser struct {
	oneUser
	Role    string `arg:"" help:"The role, such as administrator."`
	Account string `help:"Account (tenant) of the role; the user's first one where it is missing."`
}

type giveRoleCmd struct{ roleOfUser }

// Run gives a role.
func (cmd giveRoleCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Accounts.GiveRole(ctx, cmd.User, cmd.Account, cmd.Role), "%s has the role %s now", cmd.User, cmd.Role)
	})
}

type takeRoleCmd struct{ roleOfUser }

// Run takes a role.
func (cmd takeRoleCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Accounts.TakeRole(ctx, cmd.User, cmd.Account, cmd.Role), "%s has the role %s no more", cmd.User, cmd.Role)
	})
}

type userTokensCmd struct {
	oneUser
	printed
}

// tokenView is an API token as JSON.
type tokenView struct {
	ID      string    `json:"token_id"`
	Name    string    `json:"name"`
	Scopes  []string  `json:"scopes,omitempty"`
	Created time.Time `json:"created_at"`
	Expires time.Time `json:"expires_at,omitzero"`
}

// Run lists tokens.
func (cmd userTokensCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		all, err := a.Accounts.ListTokens(ctx, cmd.User)
		if err != nil {
			return err
		}
		t := table{
			heads: []string{"TOKEN", "NAME", "SCOPES", "EXPIRES"},
			none:  plain(cmd.User) + " has no API tokens; make one with signet admin create-token --user USER --name NAME",
		}
		views := []tokenView{}
		for _, k := range all {
			views = append(views, tokenView{k.ID, k.Name, k.Scopes, k.Created, k.Expires})
			scopes := strings.Join(k.Scopes, ", ")
			if k.Scopes == nil {
				scopes = "all"
			}
			t.add(k.ID, k.Name, scopes, when(k.Expires))
		}
		return cmd.list(c, views, t)
	})
}

type sessionsCmd struct {
	oneUser
	printed
}

// sessionView is a session as JSON.
type sessionView struct {
	ID       string    `json:"session_id"`
	AMR      []string  `json:"amr"`
	AuthTime time.Time `json:"auth_time"`
	Created  time.Time `json:"created_at"`
	LastSeen time.Time `json:"last_seen_at"`
	Expires  time.Time `json:"expires_at"`
	Address  string    `json:"address"`
	Device   string    `json:"device"`
}

// Run lists sessions.
func (cmd sessionsCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		all, err := a.Sessions.List(ctx, cmd.User)
		if err != nil {
			return err
		}
		t := table{heads: []string{"SESSION", "DEVICE", "ADDRESS", "LAST SEEN"}, none: plain(cmd.User) + " is signed in nowhere"}
		views := []sessionView{}
		for _, s := range all {
			views = append(views, sessionView{s.ID, s.AMR, s.AuthTime, s.Created, s.LastSeen, s.Expires, s.Address, s.Device})
			t.add(s.ID, s.Device, s.Address, when(s.LastSeen))
		}
		return cmd.list(c, views, t)
	})
}

type endSessionsCmd struct {
	oneUser
	ID string `arg:"" optional:"" name:"session-id" help:"Id of the session, such as ses_...; all where it is missing."`
}

// Run ends sessions.
func (cmd endSessionsCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		if cmd.ID != "" {
			return said(c, a.Sessions.Revoke(ctx, cmd.User, cmd.ID), "session %s ended", cmd.ID)
		}
		n, err := a.Sessions.RevokeOthers(ctx, cmd.User, "")
		return said(c, err, "%s is signed out; sessions ended: %d", cmd.User, n)
	})
}
