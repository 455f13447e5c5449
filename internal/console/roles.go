package console

import (
	"net/url"
	"slices"
	"strings"

	"signet/internal/account"
)

type rolesPage struct {
	Roles   []roleRow
	Account account.TenantInfo
}

type roleRow struct {
	account.Role
	Fixed bool // it holds everything, and stays
	Mine  bool // the reader holds all that it gives, and may change users
	Query string
}

func (c *Console) roles(q *request) error {
	all, err := c.Users.ListRoles(q.Context(), "")
	if err != nil {
		return err
	}
	o, err := c.Users.Overview(q.Context())
	if err != nil {
		return err
	}
	p := rolesPage{Account: o.Account}
	for _, r := range all {
		p.Roles = append(p.Roles, roleRow{
			Role: r, Fixed: r.Name == account.Administrator, Mine: q.holds(r.Permissions) && q.who.May(writeUsers),
			Query: "?role=" + url.QueryEscape(r.Name),
		})
	}
	return q.show("roles", p, "")
}

// holds reports whether the reader has all these permissions.
func (q *request) holds(permissions []string) bool {
	return !slices.ContainsFunc(permissions, func(p string) bool { return !q.who.May(p) })
}

// givable lists the roles that the reader may give.
func (q *request) givable(roles []account.Role) (all []option) {
	for _, r := range roles {
		if q.holds(r.Permissions) {
			all = append(all, option{Value: r.Name, Text: r.Name})
		}
	}
	return all
}

// inAccount adds the account that the command line cannot know.
func (q *request) inAccount(c command) command {
	return c.flag("account", q.c.o.Person(q.Request).Account)
}

func (c *Console) roleActions() map[string]action {
	return map[string]action{
		"/console/roles/new":    {name: "roleNew", permission: writeUsers, fresh: true, form: c.askNewRole, do: c.newRole},
		"/console/roles/edit":   {name: "roleEdit", permission: writeUsers, fresh: true, form: c.askEditRole, do: c.editRole},
		"/console/roles/delete": {name: "roleDelete", permission: writeUsers, fresh: true, danger: true, form: c.askDeleteRole, do: c.deleteRole},
		"/console/roles/mfa":    {name: "accountMFA", permission: writeUsers, fresh: true, form: c.askAccountMFA, do: c.setAccountMFA},
	}
}

// permissionOptions lists the catalogue; what the reader lacks cannot be chosen.
func (q *request) permissionOptions(on []string, system bool) (all []option) {
	for _, p := range q.c.o.Permissions {
		if p.Node && !system {
			continue
		}
		area, _, _ := strings.Cut(p.Name, ":")
		all = append(all, option{
			Value: p.Name, Text: p.Name, Hint: q.permissionText(p.Name, p.Text), Group: area, On: slices.Contains(on, p.Name), Off: !q.who.May(p.Name),
		})
	}
	slices.SortStableFunc(all, func(a, b option) int { return strings.Compare(a.Group, b.Group) })
	return all
}

// permissionText says in the reader's language what a permission allows; text is the
// catalogue's, for those that are new.
func (q *request) permissionText(name, text string) string {
	if !slices.Contains(translated, name) {
		return text
	}
	return q.t("console.permission." + strings.ReplaceAll(name, ":", "."))
}

// translated are the permissions that have texts in every language.
var translated = []string{
	"users:read", "users:write", "accounts:write", "auth:login", "auth:oauth", "audit:read",
	"authroute:keys", "authroute:read", "authroute:admin", "oauth:clients", "oauth:keys", "objects:read", "objects:write",
}

func (c *Console) roleFields(q *request, r account.Role) ([]input, error) {
	o, err := c.Users.Overview(q.Context())
	mfa := ""
	if r.MFA {
		mfa = "1"
	}
	fields := []input{}
	if r.Name != account.Administrator {
		fields = append(fields, input{
			Name: "permission", Label: q.t("console.roles.permissions"), Hint: q.t("console.roles.permissionsHint"), Kind: "checks",
			Options: q.permissionOptions(r.Permissions, o.Account.System),
		})
	}
	return append(fields, input{Name: "mfa", Label: q.t("console.roles.mfaLabel"), Kind: "check", Value: mfa}), err
}

func (c *Console) askNewRole(q *request) (form, error) {
	fields, err := c.roleFields(q, account.Role{})
	return form{
		Back: "/console/roles", API: "POST /api/v1/roles",
		Command: q.inAccount(cli("admin create-role").flag("name", "support").flag("permission", "users:read")),
		Fields:  append([]input{{Name: "name", Label: q.t("console.field.name"), Kind: "text", Required: true}}, fields...),
	}, err
}

func (c *Console) newRole(q *request) (outcome, error) {
	name := q.field("name")
	done := outcome{to: "/console/roles"}
	if err := c.Users.CreateRole(q.Context(), "", name, q.PostForm["permission"]); err != nil || q.field("mfa") == "" {
		return done, err
	}
	return done, c.Users.UpdateRole(q.Context(), "", name, nil, new(true))
}

// role returns the role that the address names.
func (c *Console) role(q *request) (account.Role, error) {
	all, err := c.Users.ListRoles(q.Context(), "")
	for _, r := range all {
		if r.Name == q.param("role") {
			return r, err
		}
	}
	if err == nil {
		err = account.ErrNoRole
	}
	return account.Role{}, err
}

func (c *Console) askEditRole(q *request) (form, error) {
	r, err := c.role(q)
	if err != nil {
		return form{}, err
	}
	fields, err := c.roleFields(q, r)
	command := q.inAccount(cli("admin role update"))
	if r.Name != account.Administrator {
		for _, p := range r.Permissions {
			command = command.flag("permission", p)
		}
	}
	return form{
		Object: r.Name, Back: "/console/roles", API: "PATCH /api/v1/roles/{role}", Fields: fields,
		Command: command.flag("mfa", onOff(r.MFA)).arg(r.Name),
	}, err
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func (c *Console) editRole(q *request) (outcome, error) {
	permissions := append([]string{}, q.PostForm["permission"]...) // not nil: none are none
	if q.param("role") == account.Administrator {
		permissions = nil
	}
	return outcome{to: "/console/roles"}, c.Users.UpdateRole(q.Context(), "", q.param("role"), permissions, new(q.field("mfa") != ""))
}

func (c *Console) askDeleteRole(q *request) (form, error) {
	r, err := c.role(q)
	return form{
		Object: r.Name, Back: "/console/roles", API: "DELETE /api/v1/roles/{role}",
		Command: q.inAccount(cli("admin role delete")).arg(r.Name),
	}, err
}

func (c *Console) deleteRole(q *request) (outcome, error) {
	return outcome{to: "/console/roles"}, c.Users.DeleteRole(q.Context(), "", q.param("role"))
}

func (c *Console) askAccountMFA(q *request) (form, error) {
	o, err := c.Users.Overview(q.Context())
	on := ""
	if o.Account.MFA {
		on = "1"
	}
	return form{
		Object: o.Account.Name, Back: "/console/roles", API: "PUT /api/v1/accounts/{account}/mfa",
		Command: cli("admin account mfa").arg(o.Account.Name, onOff(!o.Account.MFA)),
		Fields:  []input{{Name: "mfa", Label: q.t("console.accountMFA.label"), Kind: "check", Value: on}},
	}, err
}

func (c *Console) setAccountMFA(q *request) (outcome, error) {
	return outcome{to: "/console/roles"}, c.Users.SetAccountMFA(q.Context(), "", q.field("mfa") != "")
}
