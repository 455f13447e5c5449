package main

import (
	"context"
	"strings"
	"time"

	"signet/internal/account"
	"signet/internal/app"
)

type userCmd struct {
	List          userListCmd    `cmd:"" help:"List users by name."`
	Show          userShowCmd    `cmd:"" help:"Show a user."`
	Create        createUserCmd  `cmd:"" help:"Create a user."`
	Rename        userRenameCmd  `cmd:"" help:"Give a user another name."`
	Disable       userDisableCmd `cmd:"" help:"Close every door to a user at once: tokens and mail keys."`
	Enable        userEnableCmd  `cmd:"" help:"Let a disabled user act again, with new tokens and keys."`
	AddAddress    addAddressCmd  `cmd:"" help:"Give a user a further verified address."`
	RemoveAddress delAddressCmd  `cmd:"" help:"Take an address from a user, and the mail keys for it."`
	GiveRole      giveRoleCmd    `cmd:"" help:"Give a member of an account a role there."`
	TakeRole      takeRoleCmd    `cmd:"" help:"Take a role from a member of an account."`
	Tokens        userTokensCmd  `cmd:"" help:"List the live API tokens of a user."`
	Identities    identitiesCmd  `cmd:"" help:"List who a user is at identity providers."`
	Unlink        unlinkCmd      `cmd:"" help:"Take an identity from a user; the last way to sign in stays."`
	Invite        inviteCmd      `cmd:"" help:"Create a user and mail them a link to set up their sign-in."`
	SetupLink     setupLinkCmd   `cmd:"" help:"Print a link by which a user sets up their sign-in."`
	ResetFactors  resetCmd       `cmd:"" help:"Remove all second factors of a user, who lost them."`
	Sessions      sessionsCmd    `cmd:"" help:"List where a user is signed in."`
	EndSessions   endSessionsCmd `cmd:"" help:"Sign a user out: everywhere, or of one session."`
}

type oneUser struct {
	store
	User string `arg:"" help:"The user, by address or id."`
}

type userShowCmd struct {
	oneUser
	printed
}

// Run shows a user.
func (cmd userShowCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		u, err := a.Accounts.GetUser(ctx, cmd.User)
		if err != nil {
			return err
		}
		if cmd.JSON {
			return cmd.print(c, viewUser(u), "")
		}
		state := "enabled"
		if !u.Disabled.IsZero() {
			state = "disabled since " + u.Disabled.Format(time.RFC3339)
		}
		return said(c, nil, "user       %s\nname       %s\naddresses  %s\nstate      %s\nroles      %s\nfactors    %s\nlast seen  %s",
			u.ID, plain(u.DisplayName), plain(strings.Join(u.Addresses, ", ")), state, rolesOf(u), factorsOf(u), when(u.LastSeen))
	})
}

type userDisableCmd struct{ oneUser }

// Run disables a user.
func (cmd userDisableCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Accounts.Disable(ctx, cmd.User), "%s is disabled: every door is closed within 2 s", cmd.User)
	})
}

type userEnableCmd struct{ oneUser }

// Run enables a user.
func (cmd userEnableCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Accounts.Enable(ctx, cmd.User), "%s is enabled; revoked tokens and keys stay revoked", cmd.User)
	})
}

type addAddressCmd struct {
	oneUser
	Address string `arg:"" help:"The address; it counts as verified."`
}

// Run adds an address.
func (cmd addAddressCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Accounts.AddAddress(ctx, cmd.User, cmd.Address), "%s belongs to %s now", cmd.Address, cmd.User)
	})
}

type delAddressCmd struct {
	oneUser
	Address string `arg:"" help:"The address."`
}

// Run removes an address.
func (cmd delAddressCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Accounts.RemoveAddress(ctx, cmd.User, cmd.Address), "%s is no address of %s any more, and its mail keys are revoked", cmd.Address, cmd.User)
	})
}

type identitiesCmd struct {
	oneUser
	printed
}

// Run lists identities.
func (cmd identitiesCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		all, err := a.Identities.List(ctx, cmd.User)
		if err != nil {
			return err
		}
		t := table{heads: []string{"IDENTITY", "PROVIDER", "NAME", "USED"}, none: plain(cmd.User) + " has no identities"}
		for _, i := range all {
			t.add(i.ID, i.Provider, i.DisplayName, when(i.LastUsed))
		}
		return cmd.list(c, identityRows(all), t)
	})
}

// identityRows are identities as the command prints them.
func identityRows(all []account.Identity) []map[string]any {
	rows := []map[string]any{}
	for _, i := range all {
		rows = append(rows, map[string]any{
			"identity_id": i.ID, "provider": i.Provider, "issuer": i.Issuer, "provider_sub": i.ProviderSub,
			"email": i.Email, "display_name": i.DisplayName, "created_at": i.Created, "last_used_at": i.LastUsed,
		})
	}
	return rows
}

type unlinkCmd struct {
	oneUser
	ID string `arg:"" name:"identity-id" help:"Id of the identity, such as idn_..."`
}

// Run takes an identity from a user.
func (cmd unlinkCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Identities.Unlink(ctx, cmd.User, cmd.ID), "%s opens %s no more", cmd.ID, cmd.User)
	})
}

type userListCmd struct {
	store
	printed
	Account string `help:"Only members of this account (tenant)."`
	Query   string `help:"Only those whose name or address begins so." short:"q"`
	State   string `help:"all, enabled or disabled." default:"all" enum:"all,enabled,disabled"`
	Limit   int    `help:"How many to list; 500 at most." default:"100"`
	Cursor  string `help:"Go on after the list that gave this cursor."`
}

// Run lists users.
func (cmd userListCmd) Run(ctx context.Context, c *console) error {
	if cmd.Limit < 1 || cmd.Limit > 500 {
		return usagef("--limit: %d is not between 1 and 500", cmd.Limit)
	}
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		l := account.ListUsers{Account: cmd.Account, Query: cmd.Query, Cursor: cmd.Cursor, Limit: cmd.Limit}
		if disabled := cmd.State == "disabled"; cmd.State != "all" {
			l.Disabled = &disabled
		}
		p, err := a.Accounts.ListUsers(ctx, l)
		if err != nil {
			return err
		}
		t := table{
			heads: []string{"ADDRESS", "NAME", "ROLES", "STATE", "LAST SEEN"},
			none:  "no such users; make one with signet admin user create --email ADDRESS",
		}
		views := []userView{}
		for _, u := range p.Users {
			views = append(views, viewUser(u))
			t.add(nameOf(u), u.DisplayName, rolesOf(u), stateOf(u.Disabled), when(u.LastSeen))
		}
		if err := cmd.list(c, map[string]any{"users": views, "next": p.Next}, t); err != nil || p.Next == "" || cmd.JSON {
			return err
		}
		return said(c, nil, "\nThere are more: --cursor %s", p.Next)
	})
}

// nameOf is what commands take for a user.
func nameOf(u account.UserInfo) string {
	if len(u.Addresses) == 0 {
		return u.ID
	}
	return u.Addresses[0]
}

// rolesOf is the roles of a user, after the account where it is not the only one.
func rolesOf(u account.UserInfo) string {
	var all []string
	for _, m := range u.Memberships {
		for _, r := range m.Roles {
			if len(u.Memberships) > 1 {
				r = m.Name + ":" + r
			}
			all = append(all, plain(r))
		}
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

func factorsOf(u account.UserInfo) string {
	var all []string
	for _, f := range []struct {
		name string
		has  bool
	}{{"password", u.Password}, {"authenticator app", u.TOTP}, {"passkey", u.Passkeys > 0}, {"second factor at each sign-in", u.MFA}} {
		if f.has {
			all = append(all, f.name)
		}
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

func stateOf(disabled time.Time) string {
	if disabled.IsZero() {
		return "enabled"
	}
	return "disabled"
}

// userView is a user as JSON.
type userView struct {
	ID          string           `json:"user_id"`
	Name        string           `json:"display_name"`
	Addresses   []string         `json:"addresses"`
	State       string           `json:"state"`
	Memberships []membershipView `json:"memberships"`
	Created     time.Time        `json:"created_at"`
	Disabled    time.Time        `json:"disabled_at,omitzero"`
	LastSeen    time.Time        `json:"last_seen_at,omitzero"`
	Password    bool             `json:"password"`
	TOTP        bool             `json:"totp"`
	Passkeys    int              `json:"passkeys"`
	MFA         bool             `json:"mfa"`
}

type membershipView struct {
	AccountID string   `json:"account_id"`
	Account   string   `json:"account"`
	Roles     []string `json:"roles"`
}

func viewUser(u account.UserInfo) userView {
	v := userView{
		ID: u.ID, Name: u.DisplayName, Addresses: append([]string{}, u.Addresses...), State: stateOf(u.Disabled), Memberships: []membershipView{},
		Created: u.Created, Disabled: u.Disabled, LastSeen: u.LastSeen, Password: u.Password, TOTP: u.TOTP, Passkeys: u.Passkeys, MFA: u.MFA,
	}
	for _, m := range u.Memberships {
		v.Memberships = append(v.Memberships, membershipView{m.Account, m.Name, append([]string{}, m.Roles...)})
	}
	return v
}

type userRenameCmd struct {
	oneUser
	Name string `arg:"" help:"The name to show."`
}

// Run renames a user.
func (cmd userRenameCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Accounts.UpdateUser(ctx, cmd.User, cmd.Name), "%s is called %q now", cmd.User, cmd.Name)
	})
}
