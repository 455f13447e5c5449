package console

import (
	"net/url"
	"slices"
	"strings"

	"signet/internal/token"
)

type clientsPage struct {
	Clients []token.Client
	Policy  token.Policy // what the account demands
}

func (c *Console) clients(q *request) error {
	all, err := c.Clients.List(q.Context())
	if err != nil {
		return err
	}
	p := clientsPage{Clients: slices.DeleteFunc(all, func(k token.Client) bool { return !k.Disabled.IsZero() })}
	if p.Policy, err = c.Clients.TenantPolicy(q.Context(), ""); err != nil {
		return err
	}
	return q.show("clients", p, "")
}

type clientPage struct {
	token.Client
	Demands   token.Policy // with its account's
	HasSecret bool
	Path      string
	Uses      []string // its grant types, in words
}

func (c *Console) client(q *request) error {
	k, err := c.oneClient(q)
	if err != nil {
		return err
	}
	p := clientPage{Client: k, HasSecret: k.Auth == token.AuthBasic || k.Auth == token.AuthPost, Path: clientPath(k.ID)}
	for _, g := range k.Grants {
		p.Uses = append(p.Uses, q.t("console.grant."+grantWord(g)))
	}
	if p.Demands, err = c.Clients.Demands(q.Context(), k); err != nil {
		return err
	}
	return q.show("client", p, "")
}

// clientPath is the page of a client. Ids are chosen freely, so that nothing else may
// stand where one does.
func clientPath(id string) string { return "/console/clients/id/" + url.PathEscape(id) }

// oneClient returns the client that the address names.
func (c *Console) oneClient(q *request) (token.Client, error) {
	return c.Clients.Get(q.Context(), q.PathValue("client"))
}

func (c *Console) clientActions() map[string]action {
	return map[string]action{
		"/console/clients/new":                {name: "clientNew", permission: manageClients, fresh: true, form: c.askNewClient, do: c.newClient},
		"/console/clients/policy":             {name: "clientPolicy", permission: manageClients, fresh: true, form: c.askPolicy, do: c.setPolicy},
		"/console/clients/id/{client}/edit":   {name: "clientEdit", permission: manageClients, fresh: true, form: c.askEditClient, do: c.editClient},
		"/console/clients/id/{client}/rotate": {name: "clientRotate", permission: manageClients, fresh: true, danger: true, form: c.askRotate, do: c.rotate},
		"/console/clients/id/{client}/delete": {name: "clientDelete", permission: manageClients, fresh: true, danger: true, form: c.askDeleteClient, do: c.deleteClient},
	}
}

// grantWord is the name of a grant type for texts and forms.
func grantWord(grant string) string { return grant[strings.LastIndexByte(grant, ':')+1:] }

// grantOptions lists the grant types.
func (q *request) grantOptions(on []string) (all []option) {
	for _, g := range token.Grants() {
		w := grantWord(g)
		all = append(all, option{Value: g, Text: q.t("console.grant." + w), Hint: w, On: slices.Contains(on, g)})
	}
	return all
}

// demandOptions lists the demands; prefix is that of their texts.
func (q *request) demandOptions(prefix string, on token.Demand) (all []option) {
	for _, d := range demands {
		all = append(all, option{Value: string(d), Text: q.t(prefix + string(d)), On: d == on})
	}
	return all
}

var (
	demands  = []token.Demand{token.Off, token.Optional, token.Required}
	consents = []token.Consent{token.ConsentAsk, token.ConsentNever}
)

// clientFields are what is asked of new clients and of old ones.
func (q *request) clientFields(k token.Client) []input {
	lines := func(name string, list []string) input {
		return input{
			Name: name, Label: q.t("console.clients." + name), Hint: q.t("console.clients." + name + "Hint"), Kind: "lines", Value: strings.Join(list, "\n"),
		}
	}
	text := func(name, value string) input {
		return input{Name: name, Label: q.t("console.clients." + name), Hint: q.t("console.clients." + name + "Hint"), Kind: "text", Value: value}
	}
	fields := []input{
		{Name: "name", Label: q.t("console.field.name"), Kind: "text", Required: true, Value: k.Name},
		{Name: "grant", Label: q.t("console.clients.grants"), Kind: "checks", Options: q.grantOptions(k.Grants)},
		lines("redirects", k.Redirects), lines("scopes", k.Scopes), lines("audiences", k.Audiences),
		lines("leaves", k.PostLogoutRedirects), text("logout", k.LogoutURI),
	}
	if k.Auth == "" || k.Auth == token.AuthKey || k.Auth == token.AuthSelfSigned {
		fields = append(fields, text("jwksURI", k.JWKSURI), input{
			Name: "jwks", Label: q.t("console.clients.jwks"), Hint: q.t("console.clients.jwksHint"), Kind: "lines", Value: k.JWKS,
		})
	}
	if k.Auth == "" || k.Auth == token.AuthTLS {
		fields = append(fields, text("subject", k.TLSSubject))
	}
	var asks []option
	for _, a := range consents {
		asks = append(asks, option{Value: string(a), Text: q.t("console.consent." + string(a)), On: a == k.Consent})
	}
	return append(fields,
		input{Name: "consent", Label: q.t("console.clients.consent"), Kind: "select", Options: asks},
		input{Name: "dpop", Label: q.t("console.clients.dpop"), Kind: "select", Options: q.demandOptions("console.demand.", k.Policy.DPoP)},
		input{Name: "mtls", Label: q.t("console.clients.mtls"), Kind: "select", Options: q.demandOptions("console.demand.", k.Policy.MTLS)},
	)
}

// fillClient sets what clientFields asks for.
func (q *request) fillClient(k *token.Client) {
	k.Name, k.Grants, k.Consent = q.field("name"), q.PostForm["grant"], token.Consent(q.field("consent"))
	k.Redirects, k.Scopes, k.Audiences = q.words("redirects"), q.words("scopes"), q.words("audiences")
	k.PostLogoutRedirects, k.LogoutURI = q.words("leaves"), q.field("logout")
	k.JWKS, k.JWKSURI, k.TLSSubject = q.field("jwks"), q.field("jwksURI"), q.field("subject")
	k.Policy = token.Policy{DPoP: token.Demand(q.field("dpop")), MTLS: token.Demand(q.field("mtls"))}
}

// words returns the lines of a field; none of them can hold a space.
func (q *request) words(name string) []string { return strings.Fields(q.field(name)) }

func (c *Console) askNewClient(q *request) (form, error) {
	var ways []option
	for _, m := range token.AuthMethods() {
		ways = append(ways, option{Value: string(m), Text: q.t("console.clientAuth." + string(m))})
	}
	own := []input{
		{Name: "id", Label: q.t("console.clients.id"), Hint: q.t("console.clients.idHint"), Kind: "text"},
		{Name: "auth", Label: q.t("console.clients.auth"), Hint: q.t("console.clients.authHint"), Kind: "select", Options: ways},
	}
	return form{
		Object: q.field("name"), Back: "/console/clients", API: "POST /api/v1/clients",
		Command: q.inAccount(cli("admin client create").flag("name", "Shop").flag("grant", token.GrantCode).flag("redirect-uri", "https://app.example.org/callback")),
		Fields:  append(own, q.clientFields(token.Client{Policy: token.Policy{DPoP: token.Optional, MTLS: token.Optional}})...),
	}, nil
}

func (c *Console) newClient(q *request) (outcome, error) {
	var k token.Client
	q.fillClient(&k)
	made, secret, err := c.Clients.Create(q.Context(), token.NewClient{
		ID: q.field("id"), Name: k.Name, Auth: token.AuthMethod(q.field("auth")), Grants: k.Grants, Scopes: k.Scopes,
		Redirects: k.Redirects, PostLogoutRedirects: k.PostLogoutRedirects, LogoutURI: k.LogoutURI, Audiences: k.Audiences,
		JWKS: k.JWKS, JWKSURI: k.JWKSURI, TLSSubject: k.TLSSubject, Consent: k.Consent, Policy: k.Policy,
	})
	return outcome{to: clientPath(made.ID), secret: secret}, err
}

func (c *Console) askEditClient(q *request) (form, error) {
	k, err := c.oneClient(q)
	if err != nil {
		return form{}, err
	}
	return form{
		Object: k.Name, Back: clientPath(k.ID), API: "PATCH /api/v1/clients/" + k.ID,
		Command: cli("admin client update").flag("name", k.Name).flag("dpop", string(k.Policy.DPoP)).arg(k.ID), Fields: q.clientFields(k),
	}, nil
}

func (c *Console) editClient(q *request) (outcome, error) {
	id := q.PathValue("client")
	_, _, err := c.Clients.Update(q.Context(), id, q.fillClient)
	return outcome{to: clientPath(id)}, err
}

func (c *Console) askRotate(q *request) (form, error) {
	k, err := c.oneClient(q)
	return form{
		Object: k.Name, Back: clientPath(k.ID), API: "POST /api/v1/clients/" + k.ID + "/rotate", Command: cli("admin client rotate").arg(k.ID),
		Fields: []input{{Name: "end", Label: q.t("console.clients.endOld"), Kind: "check"}},
	}, err
}

func (c *Console) rotate(q *request) (outcome, error) {
	id := q.PathValue("client")
	secret, err := c.Clients.Rotate(q.Context(), id, q.field("end") != "")
	return outcome{to: clientPath(id), secret: secret}, err
}

func (c *Console) askDeleteClient(q *request) (form, error) {
	k, err := c.oneClient(q)
	return form{
		Object: k.Name, Back: clientPath(k.ID), API: "DELETE /api/v1/clients/" + k.ID, Command: cli("admin client delete").arg(k.ID),
	}, err
}

func (c *Console) deleteClient(q *request) (outcome, error) {
	return outcome{to: "/console/clients"}, c.Clients.Disable(q.Context(), q.PathValue("client"))
}

func (c *Console) askPolicy(q *request) (form, error) {
	p, err := c.Clients.TenantPolicy(q.Context(), "")
	name := q.c.o.Person(q.Request).Account
	return form{
		Object: name, Back: "/console/clients", API: "PUT /api/v1/accounts/{account}/token-policy",
		Command: cli("admin tenant policy").flag("dpop", string(p.DPoP)).flag("mtls", string(p.MTLS)).arg(name),
		Fields: []input{
			{Name: "dpop", Label: q.t("console.clients.dpop"), Kind: "select", Options: q.demandOptions("console.tenantDemand.", p.DPoP)},
			{Name: "mtls", Label: q.t("console.clients.mtls"), Kind: "select", Options: q.demandOptions("console.tenantDemand.", p.MTLS)},
		},
	}, err
}

func (c *Console) setPolicy(q *request) (outcome, error) {
	p := token.Policy{DPoP: token.Demand(q.field("dpop")), MTLS: token.Demand(q.field("mtls"))}
	return outcome{to: "/console/clients"}, c.Clients.SetTenantPolicy(q.Context(), "", p)
}
