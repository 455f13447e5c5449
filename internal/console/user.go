package console

import (
	"context"
	"slices"

	"signet/internal/account"
	"signet/internal/audit"
	"signet/internal/authroute"
	"signet/internal/token"
)

type userCall = func(ctx context.Context, user string) error

// userPage is one user. Lists that the reader may not see are nil.
type userPage struct {
	account.UserInfo
	Roles      []string // in the reader's account
	Sessions   []account.Session
	Tokens     []account.Token
	Apps       []userApp
	Identities []account.Identity
	Keys       []authroute.Key
	Activity   []audit.Entry
	Self       bool
}

// userApp is an app that a user let in, with the page that ends that.
type userApp struct {
	token.AppAccess

	Path string
}

func (c *Console) user(q *request) error {
	u, err := c.about(q)
	if err != nil {
		return err
	}
	p := userPage{UserInfo: u, Self: u.ID == q.who.Subject, Roles: rolesIn(u, q.who.Account)}
	ctx := q.Context()
	if p.Sessions, err = c.Sessions.List(ctx, u.ID); err != nil {
		return err
	}
	slices.Reverse(p.Sessions) // the newest first
	if p.Tokens, err = c.Users.ListTokens(ctx, u.ID); err != nil {
		return err
	}
	apps, err := c.Apps.Apps(ctx, u.ID)
	if err != nil {
		return err
	}
	for _, a := range apps {
		p.Apps = append(p.Apps, userApp{a, appPath(u.ID, a.Client.ID)})
	}
	if p.Identities, err = c.Identities.List(ctx, u.ID); err != nil {
		return err
	}
	if q.who.May(readMail) {
		if p.Keys, err = c.MailKeys.ListOf(ctx, u.ID, false); err != nil {
			return err
		}
	}
	if q.who.May(readAudit) || p.Self {
		if p.Activity, _, err = c.Audit.List(ctx, audit.Filter{Involving: u.ID, Limit: 10}, ""); err != nil {
			return err
		}
	}
	return q.show("user", p, "")
}

func rolesIn(u account.UserInfo, in string) []string {
	for _, m := range u.Memberships {
		if m.Account == in {
			return m.Roles
		}
	}
	return nil
}

// memberActions are what changes what a user has.
func (c *Console) memberActions() map[string]action {
	return map[string]action{
		"/console/users/{user}/addresses/add":    {name: "addressAdd", permission: writeUsers, fresh: true, form: c.askAddress, do: c.addAddress},
		"/console/users/{user}/addresses/remove": {name: "addressRemove", permission: writeUsers, danger: true, form: c.askRemoveAddress, do: c.removeAddress},
		"/console/users/{user}/roles/give":       {name: "roleGive", permission: writeUsers, fresh: true, form: c.askGive, do: c.give},
		"/console/users/{user}/roles/take":       {name: "roleTake", permission: writeUsers, fresh: true, danger: true, form: c.askTake, do: c.take},
		"/console/users/{user}/sessions/{id}":    {name: "sessionEnd", permission: writeUsers, danger: true, form: c.askEndSession, do: c.endSession},
	}
}

func (c *Console) askAddress(q *request) (form, error) {
	u, err := c.about(q)
	return form{
		Object: named(u), Back: userPath(u.ID), API: "POST /api/v1/users/" + u.ID + "/addresses",
		Command: cli("admin user add-address").arg(u.ID, "alice@example.org"),
		Fields:  []input{{Name: "address", Label: q.t("console.field.address"), Kind: "email", Required: true}},
	}, err
}

func (c *Console) addAddress(q *request) (outcome, error) {
	return back(q), c.Users.AddAddress(q.Context(), q.PathValue("user"), q.field("address"))
}

func (c *Console) askRemoveAddress(q *request) (form, error) {
	u, err := c.about(q)
	return form{
		Object: q.param("address"), Back: userPath(u.ID), API: "DELETE /api/v1/users/" + u.ID + "/addresses/{address}",
		Command: cli("admin user remove-address").arg(u.ID, q.param("address")), Facts: []fact{{q.t("console.user.one"), named(u)}},
	}, err
}

func (c *Console) removeAddress(q *request) (outcome, error) {
	return back(q), c.Users.RemoveAddress(q.Context(), q.PathValue("user"), q.param("address"))
}

func (c *Console) askGive(q *request) (form, error) {
	u, err := c.about(q)
	if err != nil {
		return form{}, err
	}
	roles, err := c.Users.ListRoles(q.Context(), "")
	has := rolesIn(u, q.who.Account)
	given := slices.DeleteFunc(q.givable(roles), func(o option) bool { return slices.Contains(has, o.Value) })
	role := "ROLE"
	if len(given) > 0 {
		role = given[0].Value
	}
	return form{
		Object: named(u), Back: userPath(u.ID), API: "PUT /api/v1/users/" + u.ID + "/roles/{role}",
		Command: q.inAccount(cli("admin user give-role")).arg(u.ID, role),
		Fields:  []input{{Name: "role", Label: q.t("console.field.role"), Kind: "select", Required: true, Options: given}},
	}, err
}

func (c *Console) give(q *request) (outcome, error) {
	return back(q), c.Users.GiveRole(q.Context(), q.PathValue("user"), "", q.PostFormValue("role"))
}

func (c *Console) askTake(q *request) (form, error) {
	u, err := c.about(q)
	return form{
		Object: q.param("role"), Back: userPath(u.ID), API: "DELETE /api/v1/users/" + u.ID + "/roles/{role}",
		Command: q.inAccount(cli("admin user take-role")).arg(u.ID, q.param("role")), Facts: []fact{{q.t("console.user.one"), named(u)}},
	}, err
}

func (c *Console) take(q *request) (outcome, error) {
	return back(q), c.Users.TakeRole(q.Context(), q.PathValue("user"), "", q.param("role"))
}

func (c *Console) askEndSession(q *request) (form, error) {
	u, err := c.about(q)
	if err != nil {
		return form{}, err
	}
	all, err := c.Sessions.List(q.Context(), u.ID)
	if err != nil {
		return form{}, err
	}
	id := q.PathValue("id")
	i := slices.IndexFunc(all, func(s account.Session) bool { return s.ID == id })
	if i < 0 {
		return form{}, account.ErrUnknownSession
	}
	return form{
		Object: named(u), Back: userPath(u.ID), API: "DELETE /api/v1/users/" + u.ID + "/sessions/" + id,
		Command: cli("admin user end-sessions").arg(u.ID, id),
		Facts:   []fact{{q.t("console.sessions.device"), all[i].Device}, {q.t("console.sessions.address"), all[i].Address}},
	}, nil
}

func (c *Console) endSession(q *request) (outcome, error) {
	return back(q), c.Sessions.Revoke(q.Context(), q.PathValue("user"), q.PathValue("id"))
}
