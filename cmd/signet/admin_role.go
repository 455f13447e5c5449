package main

import (
	"context"
	"strings"
	"time"

	"signet/internal/app"
)

type roleCmd struct {
	List   roleListCmd   `cmd:"" help:"List the roles of an account."`
	Create createRoleCmd `cmd:"" help:"Create a role with permissions."`
	Update roleUpdateCmd `cmd:"" help:"Change what a role gives and demands."`
	Delete roleDeleteCmd `cmd:"" help:"Delete a role that nobody has."`
}

type roleListCmd struct {
	store
	printed
	Account string `help:"Account (tenant); the system account where it is missing."`
}

// roleView is a role as JSON.
type roleView struct {
	Name        string    `json:"name"`
	Permissions []string  `json:"permissions"`
	MFA         bool      `json:"mfa"`
	Members     int       `json:"members"`
	Created     time.Time `json:"created_at"`
}

// Run lists roles.
func (cmd roleListCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		all, err := a.Accounts.ListRoles(ctx, cmd.Account)
		if err != nil {
			return err
		}
		t := table{heads: []string{"ROLE", "MEMBERS", "MFA", "PERMISSIONS"}, none: "no roles; make one with signet admin role create --name NAME --permission PERMISSION"}
		views := []roleView{}
		for _, r := range all {
			views = append(views, roleView{r.Name, append([]string{}, r.Permissions...), r.MFA, r.Members, r.Created})
			t.add(r.Name, count(r.Members), onOff(r.MFA), strings.Join(r.Permissions, ", "))
		}
		return cmd.list(c, views, t)
	})
}

type roleUpdateCmd struct {
	store
	Name       string   `arg:"" help:"The role."`
	Account    string   `help:"Account (tenant); the system account where it is missing."`
	Permission []string `help:"Permission that it gives from now on, in place of all others. May be repeated; without it they stay."`
	MFA        string   `help:"Ask who has the role for a second factor at each sign-in: on or off; without it that stays." enum:"on,off," default:"" placeholder:"on" name:"mfa"`
}

// Run changes a role.
func (cmd roleUpdateCmd) Run(ctx context.Context, c *console) error {
	if cmd.MFA == "" && len(cmd.Permission) == 0 {
		return usagef("say what to change: --permission, --mfa")
	}
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		var mfa *bool
		if cmd.MFA != "" {
			mfa = new(cmd.MFA == "on")
		}
		return said(c, a.Accounts.UpdateRole(ctx, cmd.Account, cmd.Name, cmd.Permission, mfa), "role %s changed", cmd.Name)
	})
}

type roleDeleteCmd struct {
	store
	Name    string `arg:"" help:"The role."`
	Account string `help:"Account (tenant); the system account where it is missing."`
}

// Run deletes a role.
func (cmd roleDeleteCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Accounts.DeleteRole(ctx, cmd.Account, cmd.Name), "role %s deleted", cmd.Name)
	})
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
