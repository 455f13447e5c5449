package console

import (
	"net/url"

	"signet/internal/authroute"
)

type domainsPage struct {
	Domains []domainRow
	Default authroute.Mode
}

type domainRow struct {
	authroute.Treated
	Query string
}

func (c *Console) domains(q *request) error {
	all, err := c.Domains.List(q.Context())
	if err != nil {
		return err
	}
	p := domainsPage{Default: c.Domains.Of("").Mode}
	for _, d := range all {
		p.Domains = append(p.Domains, domainRow{d, "?domain=" + url.QueryEscape(d.Name)})
	}
	return q.show("domains", p, "")
}

// outlook is what would have become of the mails of the last days, in each mode.
type outlook struct {
	Days    int
	Rows    []authroute.Outlook
	Current authroute.Mode
}

// dryRunDays is how far a dry run looks back: mails without proof are kept no longer.
const dryRunDays = 7

func (c *Console) askMode(q *request) (form, error) {
	name := q.param("domain")
	f := form{Object: name, Back: "/console/domains", API: "PUT /api/v1/authroute/domains/{domain}"}
	current := c.Domains.Of(name)
	if name == "" {
		f.Fields = []input{{Name: "domain", Label: q.t("console.domains.domain"), Kind: "text", Required: true}}
		name = "example.org"
	} else {
		rows, err := c.Verdicts.DryRun(q.Context(), current, c.o.Now().AddDate(0, 0, -dryRunDays))
		if err != nil {
			return form{}, err
		}
		f.Table = &outlook{dryRunDays, rows, current.Mode}
	}
	var choices []option
	for _, m := range modes {
		choices = append(choices, option{Value: string(m), Text: string(m) + " – " + q.t("console.mode."+string(m)), On: m == current.Mode})
	}
	f.Fields = append(f.Fields, input{Name: "mode", Label: q.t("console.domains.mode"), Kind: "select", Options: choices})
	f.Command = cli("authroute domain set").flag("mode", string(current.Mode)).arg(name)
	return f, nil
}

func (c *Console) setMode(q *request) (outcome, error) {
	name := q.param("domain")
	if name == "" {
		name = q.field("domain")
	}
	return outcome{to: "/console/domains"}, c.Domains.SetMode(q.Context(), name, authroute.Mode(q.field("mode")))
}

func (c *Console) askUnset(q *request) (form, error) {
	return form{
		Object: q.param("domain"), Back: "/console/domains", API: "DELETE /api/v1/authroute/domains/{domain}",
		Command: cli("authroute domain unset").arg(q.param("domain")),
	}, nil
}

func (c *Console) unset(q *request) (outcome, error) {
	return outcome{to: "/console/domains"}, c.Domains.Unset(q.Context(), q.param("domain"))
}
