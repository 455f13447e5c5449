package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"signet/internal/account"
	"signet/internal/app"
)

type adminCmd struct {
	BootstrapAdmin   bootstrapAdminCmd   `cmd:"" help:"Create the first administrator and print a link to set up their sign-in."`
	CreateAccount    createAccountCmd    `cmd:"" help:"Create an account (tenant)."`
	CreateUser       createUserCmd       `cmd:"" help:"Create a user."`
	CreateRole       createRoleCmd       `cmd:"" help:"Create a role with permissions."`
	CreateToken      createTokenCmd      `cmd:"" help:"Create a personal API token for a user and print it once."`
	RevokeToken      revokeTokenCmd      `cmd:"" help:"End a personal API token."`
	CreateServiceKey createServiceKeyCmd `cmd:"" help:"Create a service key and print it once."`
	User             userCmd             `cmd:"" help:"List, show and change users: addresses, roles, tokens, sessions."`
	Role             roleCmd             `cmd:"" help:"List, create, change and delete roles."`
	Account          accountCmd          `cmd:"" help:"List, create, disable and enable accounts (tenants)."`
	Key              keyCmd              `cmd:"" help:"List and revoke service keys."`
	objectsAdminCmd

	Denials     denialsCmd     `cmd:"" help:"What the S3 API refused in the last 30 days, and why."`
	Client      clientCmd      `cmd:"" help:"Create, list, change and delete OAuth clients (relying apps)."`
	Tenant      tenantCmd      `cmd:"" help:"What accounts (tenants) demand of their OAuth clients."`
	Apply       applyCmd       `cmd:"" help:"Have OAuth clients be as a file says."`
	Permissions permissionsCmd `cmd:"" help:"List the permissions that a role can hold."`
}

// printed is how a command answers: one line for people, or JSON.
type printed struct {
	JSON bool `help:"Print JSON." name:"json"`
}

// print writes v as JSON where that was asked for, and else the text.
func (p printed) print(c *console, v any, format string, args ...any) error {
	if !p.JSON {
		_, err := fmt.Fprintf(c.out, format+"\n", args...)
		return err
	}
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

type bootstrapAdminCmd struct {
	store
	printed
	Email string `required:"" help:"Address of the administrator." placeholder:"alice@example.org"`
}

// Run creates the first administrator.
func (cmd bootstrapAdminCmd) Run(ctx context.Context, c *console) error {
	return cmd.withNew(ctx, c, func(ctx context.Context, a *app.App) error {
		u, err := a.Accounts.BootstrapAdmin(ctx, cmd.Email)
		if err != nil {
			return err
		}
		link, err := a.Gate.SetupLink(ctx, u.ID)
		if err != nil {
			return err
		}
		return cmd.print(c, map[string]string{"user_id": u.ID, "setup_link": link},
			"user        %s\nsetup link  %s\n\nOpen the link within an hour: it sets up a passkey or a password.", u.ID, link)
	})
}

type createAccountCmd struct {
	store
	printed
	Name string `required:"" help:"Name of the account, unique on this installation."`
}

// Run creates a tenant.
func (cmd createAccountCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		acc, err := a.Accounts.CreateAccount(ctx, cmd.Name)
		if err != nil {
			return err
		}
		return cmd.print(c, map[string]string{"account_id": acc.ID}, "account  %s", acc.ID)
	})
}

type createUserCmd struct {
	store
	printed
	Email   string   `required:"" help:"Address of the user; it counts as verified." placeholder:"alice@example.org"`
	Name    string   `help:"Name to show; the address where it is missing."`
	Account string   `help:"Account (tenant) that the user belongs to; the system account where it is missing."`
	Role    []string `help:"Role in that account, such as administrator. May be repeated."`
}

// Run creates a user.
func (cmd createUserCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		u, err := a.Accounts.CreateUser(ctx, account.NewUser{
			Email: cmd.Email, DisplayName: cmd.Name, Account: cmd.Account, Roles: cmd.Role,
		})
		if err != nil {
			return err
		}
		return cmd.print(c, map[string]string{"user_id": u.ID}, "user  %s", u.ID)
	})
}

type createRoleCmd struct {
	store
	Name       string   `required:"" help:"Name of the role, unique in its account."`
	Account    string   `help:"Account (tenant); the system account where it is missing."`
	Permission []string `required:"" help:"Permission, such as authroute:read. May be repeated."`
}

// Run creates a role.
func (cmd createRoleCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Accounts.CreateRole(ctx, cmd.Account, cmd.Name, cmd.Permission), "role %s created", cmd.Name)
	})
}

type createTokenCmd struct {
	store
	printed
	User    string        `required:"" help:"The user, by address or id." placeholder:"alice@example.org"`
	Account string        `help:"Account (tenant) that the token acts in; the user's first one where it is missing."`
	Name    string        `required:"" help:"What the token is for."`
	Scope   []string      `help:"Narrow the token to a permission, such as authroute:keys. May be repeated."`
	For     time.Duration `help:"How long the token is good, such as 720h; for ever where it is missing."`
}

// Run creates a token.
func (cmd createTokenCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		n := account.NewToken{User: cmd.User, Account: cmd.Account, Name: cmd.Name, Scopes: cmd.Scope}
		if cmd.For != 0 {
			n.Expires = time.Now().Add(cmd.For)
		}
		t, secret, err := a.Accounts.CreateToken(ctx, n)
		if err != nil {
			return err
		}
		return cmd.print(c, map[string]string{"token_id": t.ID, "api_token": secret},
			"token id   %s\napi token  %s\n\nKeep the token: it is shown this once.", t.ID, secret)
	})
}

type revokeTokenCmd struct {
	store
	ID string `arg:"" name:"token-id" help:"Id of the token, such as tok_..."`
}

// Run ends a token.
func (cmd revokeTokenCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Accounts.RevokeToken(ctx, cmd.ID), "token %s revoked", cmd.ID)
	})
}

type createServiceKeyCmd struct {
	store
	printed
	Name       string   `required:"" help:"What the key is for."`
	Account    string   `help:"Account (tenant); the system account where it is missing."`
	Permission []string `help:"Permission of the key. May be repeated."`
	Provider   []string `help:"Identity provider that the key may speak for, * for all. May be repeated."`
}

// Run creates a service key.
func (cmd createServiceKeyCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		id, secret, err := a.Accounts.CreateKey(ctx, account.NewKey{
			Name: cmd.Name, Account: cmd.Account, Permissions: cmd.Permission, Providers: cmd.Provider,
		})
		if err != nil {
			return err
		}
		return cmd.print(c, map[string]string{"key_id": id, "service_key": secret},
			"key id       %s\nservice key  %s\n\nKeep the key: it is shown this once.", id, secret)
	})
}

type permissionsCmd struct{ printed }

// Run lists the catalogue.
func (cmd permissionsCmd) Run(c *console) error {
	all := app.Permissions()
	if cmd.JSON {
		return cmd.print(c, all, "")
	}
	for _, p := range all {
		scope := "tenant"
		if p.Node {
			scope = "node"
		}
		fmt.Fprintf(c.out, "%-16s %-7s %s\n", p.Name, scope, p.Text)
	}
	return nil
}
