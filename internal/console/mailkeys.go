package console

import (
	"net/url"

	"signet/internal/authroute"
)

// modes are the modes in the order of a roll-out.
var modes = []authroute.Mode{authroute.Monitor, authroute.Quarantine, authroute.Enforce, authroute.Require}

type mailKeysPage struct{ Keys []authroute.Key }

func (c *Console) mailKeys(q *request) error {
	f := authroute.KeyFilter{Query: q.param("q"), Revoked: q.param("revoked") != "", Sort: q.param("sort")}
	keys, next, err := c.MailKeys.Search(q.Context(), f, q.param("cursor"), perPage)
	if err != nil {
		return err
	}
	return q.show("mail-keys", mailKeysPage{keys}, next)
}

func (c *Console) mailActions() map[string]action {
	return map[string]action{
		"/console/mail-keys/{key}/revoke": {name: "mailKeyRevoke", permission: adminMail, fresh: true, danger: true, form: c.askRevokeMailKey, do: c.revokeMailKey},
		"/console/domains/mode":           {name: "domainMode", permission: adminMail, fresh: true, form: c.askMode, do: c.setMode},
		"/console/domains/unset":          {name: "domainUnset", permission: adminMail, fresh: true, form: c.askUnset, do: c.unset},
		"/console/bypass/start":           {name: "bypassStart", permission: adminMail, fresh: true, danger: true, form: c.askBypass, do: c.startBypass},
		"/console/bypass/stop":            {name: "bypassStop", permission: adminMail, fresh: true, form: c.askStopBypass, do: c.stopBypass},
	}
}

// reasons are the public words for a revocation.
var reasons = []authroute.Reason{authroute.Unspecified, authroute.KeyCompromise, authroute.Superseded, authroute.Cessation}

func (c *Console) askRevokeMailKey(q *request) (form, error) {
	k, err := c.MailKeys.Get(q.Context(), q.PathValue("key"))
	var words []option
	for _, r := range reasons {
		words = append(words, option{Value: string(r), Text: q.t("console.reason." + string(r))})
	}
	return form{
		Object: k.Address, Back: "/console/mail-keys?q=" + url.QueryEscape(k.Address), API: "POST /api/v1/authroute/keys/" + k.ID + "/revoke",
		Command: cli("authroute revoke").flag("reason", string(authroute.KeyCompromise)).arg(k.ID),
		Fields:  []input{{Name: "reason", Label: q.t("console.field.reason"), Hint: q.t("console.mailKeyRevoke.reasonHint"), Kind: "select", Options: words}},
		Facts:   []fact{{q.t("console.mailKeys.id"), k.ID}, {q.t("console.mailKeys.type"), q.t("console.mailKeys." + string(k.Type))}},
	}, err
}

func (c *Console) revokeMailKey(q *request) (outcome, error) {
	return outcome{to: "/console/mail-keys"}, c.MailKeys.Revoke(q.Context(), q.PathValue("key"), q.field("reason"))
}
