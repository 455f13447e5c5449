package main

import (
	"context"
	"strconv"
	"strings"
	"time"

	"signet/internal/app"
)

type accountCmd struct {
	List    accountListCmd    `cmd:"" help:"List all accounts."`
	Create  createAccountCmd  `cmd:"" help:"Create an account (tenant)."`
	Disable accountDisableCmd `cmd:"" help:"Close every door to the members of an account."`
	Enable  accountEnableCmd  `cmd:"" help:"Let the members of an account act again."`
	MFA     accountMFACmd     `cmd:"" help:"Ask all members for a second factor at each sign-in, or not." name:"mfa"`
}

type accountListCmd struct {
	store
	printed
}

// accountView is an account as JSON.
type accountView struct {
	ID       string    `json:"account_id"`
	Name     string    `json:"name"`
	System   bool      `json:"system"`
	MFA      bool      `json:"mfa"`
	Members  int       `json:"members"`
	Created  time.Time `json:"created_at"`
	Disabled time.Time `json:"disabled_at,omitzero"`
}

// Run lists accounts.
func (cmd accountListCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		all, err := a.Accounts.ListAccounts(ctx)
		if err != nil {
			return err
		}
		t := table{heads: []string{"ACCOUNT", "ID", "MEMBERS", "MFA", "STATE"}, none: "no accounts yet; signet admin bootstrap-admin --email ADDRESS makes the first one"}
		views := []accountView{}
		for _, k := range all {
			views = append(views, accountView{k.ID, k.Name, k.System, k.MFA, k.Members, k.Created, k.Disabled})
			t.add(k.Name, k.ID, count(k.Members), onOff(k.MFA), stateOf(k.Disabled))
		}
		return cmd.list(c, views, t)
	})
}

func count(n int) string { return strconv.Itoa(n) }

type oneAccount struct {
	store
	Account string `arg:"" help:"The account, by name or id."`
}

type accountDisableCmd struct{ oneAccount }

// Run disables an account.
func (cmd accountDisableCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Accounts.DisableAccount(ctx, cmd.Account), "account %s is disabled; its members cannot act in it", cmd.Account)
	})
}

type accountEnableCmd struct{ oneAccount }

// Run enables an account.
func (cmd accountEnableCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Accounts.EnableAccount(ctx, cmd.Account), "account %s is enabled", cmd.Account)
	})
}

type accountMFACmd struct {
	oneAccount
	State string `arg:"" enum:"on,off" help:"on or off."`
}

// Run demands a second factor of all members, or does not.
func (cmd accountMFACmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Accounts.SetAccountMFA(ctx, cmd.Account, cmd.State == "on"), "second factor at each sign-in to account %s: %s", cmd.Account, cmd.State)
	})
}

type keyCmd struct {
	List   keyListCmd   `cmd:"" help:"List the live service keys."`
	Revoke keyRevokeCmd `cmd:"" help:"End a service key at once."`
}

type keyListCmd struct {
	store
	printed
	Account string `help:"Only those of this account (tenant)."`
}

// serviceKeyView is a service key as JSON.
type serviceKeyView struct {
	ID          string    `json:"key_id"`
	Account     string    `json:"account_id"`
	Name        string    `json:"name"`
	Permissions []string  `json:"permissions"`
	Providers   []string  `json:"providers"`
	Created     time.Time `json:"created_at"`
	Expires     time.Time `json:"expires_at,omitzero"`
}

// Run lists service keys.
func (cmd keyListCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		all, err := a.Accounts.ListKeys(ctx, cmd.Account)
		if err != nil {
			return err
		}
		t := table{heads: []string{"KEY", "NAME", "PERMISSIONS", "EXPIRES"}, none: "no service keys; make one with signet admin create-service-key --name NAME"}
		views := []serviceKeyView{}
		for _, k := range all {
			views = append(views, serviceKeyView{
				k.ID, k.Account, k.Name, append([]string{}, k.Permissions...), append([]string{}, k.Providers...), k.Created, k.Expires,
			})
			t.add(k.ID, k.Name, strings.Join(k.Permissions, ", "), when(k.Expires))
		}
		return cmd.list(c, views, t)
	})
}

type keyRevokeCmd struct {
	store
	ID string `arg:"" name:"key-id" help:"Id of the key, such as key_..."`
}

// Run ends a service key.
func (cmd keyRevokeCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Accounts.RevokeKey(ctx, cmd.ID), "service key %s revoked", cmd.ID)
	})
}
