package main

import (
	"context"

	"signet/internal/account"
	"signet/internal/app"
)

type inviteCmd struct {
	store
	printed
	Email   string   `required:"" help:"Address of the user; it counts as verified." placeholder:"alice@example.org"`
	Name    string   `help:"Name to show; the address where it is missing."`
	Account string   `help:"Account (tenant) that the user belongs to; the system account where it is missing."`
	Role    []string `help:"Role in that account, such as administrator. May be repeated."`
}

// Run invites a user.
func (cmd inviteCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		u, err := a.Gate.Invite(ctx, account.NewUser{
			Email: cmd.Email, DisplayName: cmd.Name, Account: cmd.Account, Roles: cmd.Role,
		})
		if err != nil {
			return err
		}
		return cmd.print(c, map[string]string{"user_id": u.ID}, "user  %s\n\nA link is on its way to %s. It is good for 7 days.", u.ID, cmd.Email)
	})
}

type setupLinkCmd struct {
	oneUser
	printed
}

// Run prints a setup link.
func (cmd setupLinkCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		link, err := a.Gate.SetupLink(ctx, cmd.User)
		if err != nil {
			return err
		}
		return cmd.print(c, map[string]string{"setup_link": link},
			"setup link  %s\n\nIt is good for an hour. Who opens it acts as the user: hand it to nobody else.", link)
	})
}

type resetCmd struct{ oneUser }

// Run removes second factors.
func (cmd resetCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Gate.ResetFactors(ctx, cmd.User),
			"%s has no second factors any more, and is signed out everywhere; API tokens are revoked", cmd.User)
	})
}
