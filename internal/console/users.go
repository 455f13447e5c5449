package console

import (
	"net/url"

	"signet/internal/account"
)

const perPage = 50

// userInvited is what became of a new user who was mailed a link.
const userInvited = "userInvited"

type usersPage struct{ Users []account.UserInfo }

func (c *Console) users(q *request) error {
	l := account.ListUsers{Account: "", Query: q.param("q"), Sort: q.param("sort"), Cursor: q.param("cursor"), Limit: perPage}
	switch q.param("state") {
	case "enabled":
		l.Disabled = new(bool)
	case "disabled":
		yes := true
		l.Disabled = &yes
	}
	found, err := c.Users.ListUsers(q.Context(), l)
	if err != nil {
		return err
	}
	return q.show("users", usersPage{found.Users}, found.Next)
}

func userPath(id string) string { return "/console/users/" + url.PathEscape(id) }

// userActions are what makes users, and what opens or closes their doors.
func (c *Console) userActions() map[string]action {
	return map[string]action{
		"/console/users/new":            {name: "userNew", permission: writeUsers, fresh: true, form: c.askNewUser, do: c.newUser},
		"/console/users/{user}/name":    {name: "userName", permission: writeUsers, form: c.askName, do: c.rename},
		"/console/users/{user}/disable": {name: "userDisable", permission: writeUsers, fresh: true, danger: true, form: c.aboutUser("disable", "POST", "/disable"), do: c.onUser(c.Users.Disable)},
		"/console/users/{user}/enable":  {name: "userEnable", permission: writeUsers, fresh: true, form: c.aboutUser("enable", "POST", "/enable"), do: c.onUser(c.Users.Enable)},
		"/console/users/{user}/reset-factors": {
			name: "userReset", permission: writeUsers, fresh: true, danger: true,
			form: c.aboutUser("reset-factors", "POST", "/reset-factors"), do: c.resetFactors,
		},
		"/console/users/{user}/setup-link": {
			name: "userLink", permission: writeUsers, fresh: true, form: c.aboutUser("setup-link", "POST", "/setup-link"), do: c.setupLink,
		},
		"/console/users/{user}/end-sessions": {
			name: "userSignOut", permission: writeUsers, danger: true, form: c.aboutUser("end-sessions", "DELETE", "/sessions"), do: c.endSessions,
		},
	}
}

// about returns the user that the address names.
func (c *Console) about(q *request) (account.UserInfo, error) {
	return c.Users.GetUser(q.Context(), q.PathValue("user"))
}

// aboutUser returns a form that only names a user; verb is that of signet admin user.
func (c *Console) aboutUser(verb, method, call string) func(q *request) (form, error) {
	return func(q *request) (form, error) {
		u, err := c.about(q)
		return form{
			Object: named(u), Back: userPath(u.ID), API: method + " /api/v1/users/" + u.ID + call,
			Command: cli("admin user " + verb).arg(u.ID),
		}, err
	}
}

func named(u account.UserInfo) string {
	if len(u.Addresses) == 0 || u.Addresses[0] == u.DisplayName {
		return u.DisplayName
	}
	return u.DisplayName + " <" + u.Addresses[0] + ">"
}

// back is the page of the user that the address names.
func back(q *request) outcome { return outcome{to: userPath(q.PathValue("user"))} }

func (c *Console) onUser(do userCall) func(q *request) (outcome, error) {
	return func(q *request) (outcome, error) { return back(q), do(q.Context(), q.PathValue("user")) }
}

func (c *Console) askNewUser(q *request) (form, error) {
	roles, err := c.Users.ListRoles(q.Context(), "")
	f := form{
		Back: "/console/users", API: "POST /api/v1/users",
		Command: q.inAccount(cli("admin user invite").flag("email", "alice@example.org")),
		Fields: []input{
			{Name: "email", Label: q.t("console.field.address"), Hint: q.t("console.userNew.emailHint"), Kind: "email", Required: true, Value: q.param("email")},
			{Name: "name", Label: q.t("console.field.name"), Hint: q.t("console.userNew.nameHint"), Kind: "text"},
			{Name: "invite", Label: q.t("console.userNew.invite"), Kind: "check", Value: "1"},
		},
	}
	if given := q.givable(roles); len(given) > 0 {
		f.Fields = append(f.Fields, input{Name: "role", Label: q.t("console.roles.title"), Kind: "checks", Options: given})
	}
	return f, err
}

func (c *Console) newUser(q *request) (outcome, error) {
	n := account.NewUser{Email: q.field("email"), DisplayName: q.field("name"), Roles: q.PostForm["role"]}
	create, done := c.Users.CreateUser, ""
	if q.field("invite") != "" {
		create, done = c.Inviter.Invite, userInvited
	}
	u, err := create(q.Context(), n)
	return outcome{to: userPath(u.ID), done: done}, err
}

func (c *Console) askName(q *request) (form, error) {
	u, err := c.about(q)
	return form{
		Object: named(u), Back: userPath(u.ID), API: "PATCH /api/v1/users/" + u.ID,
		Command: cli("admin user rename").arg(u.ID, u.DisplayName),
		Fields:  []input{{Name: "name", Label: q.t("console.field.name"), Kind: "text", Required: true, Value: u.DisplayName}},
	}, err
}

func (c *Console) rename(q *request) (outcome, error) {
	return back(q), c.Users.UpdateUser(q.Context(), q.PathValue("user"), q.field("name"))
}

func (c *Console) setupLink(q *request) (outcome, error) {
	link, err := c.Inviter.SetupLink(q.Context(), q.PathValue("user"))
	return outcome{to: userPath(q.PathValue("user")), secret: link}, err
}

func (c *Console) resetFactors(q *request) (outcome, error) {
	return back(q), c.Inviter.ResetFactors(q.Context(), q.PathValue("user"))
}

func (c *Console) endSessions(q *request) (outcome, error) {
	_, err := c.Sessions.RevokeOthers(q.Context(), q.PathValue("user"), "")
	return back(q), err
}
