package console

import (
	"net/url"
	"slices"
	"strconv"

	"signet/internal/account"
)

type sessionsPage struct{ Sessions []account.MemberSession }

func (c *Console) sessions(q *request) error {
	all, next, err := c.Sessions.ListAll(q.Context(), q.param("sort"), q.param("cursor"))
	if err != nil {
		return err
	}
	return q.show("sessions", sessionsPage{all}, next)
}

type tokensPage struct {
	Tokens []account.MemberToken
	Keys   []account.Key
}

func (c *Console) tokens(q *request) error {
	tokens, next, err := c.Users.ListAllTokens(q.Context(), q.param("sort"), q.param("cursor"))
	if err != nil {
		return err
	}
	keys, err := c.Users.ListKeys(q.Context(), "")
	if err != nil {
		return err
	}
	return q.show("tokens", tokensPage{tokens, keys}, next)
}

func (c *Console) tokenActions() map[string]action {
	return map[string]action{
		"/console/users/{user}/tokens/{id}": {name: "tokenRevoke", permission: writeUsers, danger: true, form: c.askRevokeToken, do: c.revokeToken},
		"/console/service-keys/new":         {name: "keyNew", permission: writeUsers, fresh: true, form: c.askNewKey, do: c.newKey},
		"/console/service-keys/{id}":        {name: "keyRevoke", permission: writeUsers, fresh: true, danger: true, form: c.askRevokeKey, do: c.revokeKey},
	}
}

func (c *Console) askRevokeToken(q *request) (form, error) {
	u, err := c.about(q)
	if err != nil {
		return form{}, err
	}
	all, err := c.Users.ListTokens(q.Context(), u.ID)
	if err != nil {
		return form{}, err
	}
	id := q.PathValue("id")
	i := slices.IndexFunc(all, func(t account.Token) bool { return t.ID == id })
	if i < 0 {
		return form{}, account.ErrNoToken
	}
	return form{
		Object: all[i].Name, Back: userPath(u.ID), API: "DELETE /api/v1/tokens/" + id,
		Command: cli("admin revoke-token").arg(id), Facts: []fact{{q.t("console.user.one"), named(u)}},
	}, nil
}

func (c *Console) revokeToken(q *request) (outcome, error) {
	return back(q), c.Users.RevokeToken(q.Context(), q.PathValue("id"))
}

// keyLives are how long a new service key can be good, in days; 0 is for ever.
var keyLives = []int{30, 90, 365, 0}

func (c *Console) askNewKey(q *request) (form, error) {
	o, err := c.Users.Overview(q.Context())
	lives := make([]option, len(keyLives))
	for i, days := range keyLives {
		lives[i] = option{Value: strconv.Itoa(days), Text: q.texts.N("console.days", days), On: days == 90}
		if days == 0 {
			lives[i].Text = q.t("console.forever")
		}
	}
	f := form{
		Object: q.field("name"), Back: "/console/tokens", API: "POST /api/v1/service-keys",
		Command: q.inAccount(cli("admin create-service-key").flag("name", "login").flag("permission", "users:read")),
		Fields: []input{
			{Name: "name", Label: q.t("console.field.name"), Hint: q.t("console.keyNew.nameHint"), Kind: "text", Required: true},
			{Name: "days", Label: q.t("console.keyNew.life"), Kind: "select", Options: lives},
			{Name: "permission", Label: q.t("console.roles.permissions"), Hint: q.t("console.roles.permissionsHint"), Kind: "checks", Options: q.permissionOptions(nil, o.Account.System)},
			{Name: "provider", Label: q.t("console.keyNew.providers"), Hint: q.t("console.keyNew.providersHint"), Kind: "text"},
		},
	}
	return f, err
}

func (c *Console) newKey(q *request) (outcome, error) {
	days, err := strconv.Atoi(q.field("days"))
	if err != nil || !slices.Contains(keyLives, days) {
		return outcome{}, errNumber.At("days")
	}
	n := account.NewKey{
		Name: q.field("name"), Account: c.o.Person(q.Request).Account, Permissions: q.PostForm["permission"], Providers: fieldsOf(q.field("provider")),
	}
	if days > 0 {
		n.Expires = c.o.Now().AddDate(0, 0, days)
	}
	_, secret, err := c.Users.CreateKey(q.Context(), n)
	return outcome{to: "/console/tokens", secret: secret}, err
}

func (c *Console) askRevokeKey(q *request) (form, error) {
	all, err := c.Users.ListKeys(q.Context(), "")
	if err != nil {
		return form{}, err
	}
	id := q.PathValue("id")
	i := slices.IndexFunc(all, func(k account.Key) bool { return k.ID == id })
	if i < 0 {
		return form{}, account.ErrNoKey
	}
	return form{
		Object: all[i].Name, Back: "/console/tokens", API: "DELETE /api/v1/service-keys/" + url.PathEscape(id),
		Command: cli("admin key revoke").arg(id),
	}, nil
}

func (c *Console) revokeKey(q *request) (outcome, error) {
	return outcome{to: "/console/tokens"}, c.Users.RevokeKey(q.Context(), q.PathValue("id"))
}
