package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"signet/internal/app"
	"signet/internal/token"
)

type clientCmd struct {
	Create clientCreateCmd `cmd:"" help:"Create an OAuth client and print its secret once."`
	List   clientListCmd   `cmd:"" help:"List the OAuth clients of all accounts."`
	Show   clientShowCmd   `cmd:"" help:"Show all about an OAuth client but its secret."`
	Update clientUpdateCmd `cmd:"" help:"Change an OAuth client."`
	Rotate clientRotateCmd `cmd:"" help:"Give an OAuth client a new secret and print it once."`
	Delete clientDeleteCmd `cmd:"" help:"Delete an OAuth client: it gets no more tokens. Its id is not used again." aliases:"disable"`
}

// clientFlags are what a client is created from, and changed by.
type clientFlags struct {
	Auth          string   `help:"How it proves itself: client_secret_basic (where it is missing), client_secret_post, private_key_jwt, tls_client_auth, self_signed_tls_client_auth, or none (a public client)." placeholder:"METHOD" default:"" enum:",client_secret_basic,client_secret_post,private_key_jwt,tls_client_auth,self_signed_tls_client_auth,none"`
	Grant         []string `help:"Grant type that it may use: authorization_code, refresh_token, client_credentials, device_code. May be repeated." placeholder:"GRANT" sep:"none"`
	Scope         []string `help:"Scope that it may ask for, such as openid, or users:read, which opens what the permission opens. May be repeated." sep:"none"`
	RedirectURI   []string `help:"URI that sign-ins may return to: https, or http on a loopback host. OAuth compares it exactly, but for the port of a loopback URI that has none; /login takes any address of its origin. May be repeated." name:"redirect-uri" placeholder:"https://app.example.org/callback" sep:"none"`
	PostLogoutURI []string `help:"URI that may follow the end of a session. May be repeated." name:"post-logout-uri" sep:"none"`
	LogoutURI     *string  `help:"URI that hears when a session of the app's users ends (OpenID Connect Back-Channel Logout): https, or http on a loopback host, which only development reaches." name:"logout-uri" placeholder:"https://app.example.org/backchannel-logout"`
	Audience      []string `help:"Resource that the client may have tokens for; the first one is the default. May be repeated." placeholder:"https://api.example.org" sep:"none"`
	Format        string   `help:"Form of its access tokens: jwt (where it is missing) or opaque." placeholder:"FORM" default:"" enum:",jwt,opaque"`
	JWKS          string   `help:"File with its public keys (JWKS), of private_key_jwt and self_signed_tls_client_auth." name:"jwks" placeholder:"FILE" type:"path" xor:"keys"`
	JWKSURI       string   `help:"Where its public keys are, instead." name:"jwks-uri" placeholder:"https://app.example.org/jwks.json" xor:"keys"`
	TLSSubject    string   `help:"Whom its certificate names, of tls_client_auth: dn:, dns:, uri:, ip: or email: and the value." name:"tls-subject" placeholder:"dns:app.example.org"`
	Consent       string   `help:"Whether people are asked before the app gets what it asks for: ask (where it is missing) or never." placeholder:"WHETHER" default:"" enum:",ask,never"`
	DPoP          string   `help:"Whether senders of its tokens prove a key: off, optional (where it is missing) or required." name:"dpop" placeholder:"DEMAND" default:"" enum:",off,optional,required"`
	MTLS          string   `help:"Whether senders of its tokens show a certificate: off, optional (where it is missing) or required." name:"mtls" placeholder:"DEMAND" default:"" enum:",off,optional,required"`
}

// change sets what was given. One empty value empties a list.
func (f clientFlags) change() (func(c *token.Client), error) {
	jwks, err := readOptional(f.JWKS)
	if err != nil {
		return nil, err
	}
	return func(c *token.Client) {
		for _, t := range []struct {
			into  *string
			value string
		}{
			{(*string)(&c.Auth), f.Auth},
			{(*string)(&c.Format), f.Format},
			{&c.TLSSubject, f.TLSSubject},
			{(*string)(&c.Consent), f.Consent},
			{(*string)(&c.Policy.DPoP), f.DPoP},
			{(*string)(&c.Policy.MTLS), f.MTLS},
		} {
			if t.value != "" {
				*t.into = t.value
			}
		}
		for _, l := range []struct {
			into   *[]string
			values []string
		}{
			{&c.Grants, longGrants(f.Grant)},
			{&c.Scopes, f.Scope},
			{&c.Redirects, f.RedirectURI},
			{&c.PostLogoutRedirects, f.PostLogoutURI},
			{&c.Audiences, f.Audience},
		} {
			if l.values != nil {
				*l.into = slices.DeleteFunc(slices.Clone(l.values), func(s string) bool { return s == "" })
			}
		}
		if f.LogoutURI != nil {
			c.LogoutURI = *f.LogoutURI
		}
		if jwks != "" || f.JWKSURI != "" {
			c.JWKS, c.JWKSURI = jwks, f.JWKSURI
		}
	}, nil
}

// readOptional returns what a file holds, and "" where there is no name.
func readOptional(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path) //nolint:gosec // the operator named it
	return string(b), err
}

// deviceCode is what people call token.GrantDevice.
const deviceCode = "device_code"

// longGrants returns grant types by their whole names.
func longGrants(names []string) []string { return renamed(names, deviceCode, token.GrantDevice) }

// shortGrants returns grant types as people call them.
func shortGrants(names []string) []string { return renamed(names, token.GrantDevice, deviceCode) }

func renamed(names []string, from, to string) []string {
	all := slices.Clone(names)
	for i := range all {
		if all[i] == from {
			all[i] = to
		}
	}
	return all
}

// newClient is what a client is created from that is to be like c.
func newClient(c token.Client, account string) token.NewClient {
	return token.NewClient{
		ID: c.ID, Name: c.Name, Account: account, Auth: c.Auth, Grants: c.Grants, Scopes: c.Scopes,
		Redirects: c.Redirects, PostLogoutRedirects: c.PostLogoutRedirects, LogoutURI: c.LogoutURI,
		Audiences: c.Audiences, Format: c.Format, JWKS: c.JWKS, JWKSURI: c.JWKSURI, TLSSubject: c.TLSSubject,
		Consent: c.Consent, Policy: c.Policy,
	}
}

type clientCreateCmd struct {
	store
	printed
	clientFlags

	ID      string `help:"Its client_id: 1 to 64 of a-z, 0-9, -, _ and .; made where it is missing." name:"id" placeholder:"shop"`
	Name    string `required:"" help:"Name to show, such as that of the app."`
	Account string `help:"Account (tenant); the system account where it is missing."`
}

// Run creates a client.
func (cmd clientCreateCmd) Run(ctx context.Context, c *console) error {
	change, err := cmd.change()
	if err != nil {
		return err
	}
	wanted := token.Client{ID: cmd.ID, Name: cmd.Name}
	change(&wanted)
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		client, secret, err := a.Clients.Create(ctx, newClient(wanted, cmd.Account))
		if err != nil {
			return err
		}
		if client.Auth == token.AuthNone {
			return cmd.print(c, map[string]string{"client_id": client.ID}, "client id  %s\n\nIt has no secret: it is a public client.", client.ID)
		}
		if secret == "" {
			return cmd.print(c, map[string]string{"client_id": client.ID},
				"client id  %s\n\nIt has no secret: it proves itself by %s.", client.ID, client.Auth)
		}
		return cmd.print(c, map[string]string{"client_id": client.ID, "client_secret": secret},
			"client id      %s\nclient secret  %s\n\nKeep the secret: it is shown this once.", client.ID, secret)
	})
}

type clientListCmd struct {
	store
	printed
}

// clientView is a client as it is printed.
type clientView struct {
	ID         string     `json:"client_id"`
	Account    string     `json:"account_id"`
	Name       string     `json:"name"`
	Auth       string     `json:"auth_method"`
	Grants     []string   `json:"grants"`
	Scopes     []string   `json:"scopes"`
	Redirects  []string   `json:"redirect_uris"`
	PostLogout []string   `json:"post_logout_redirect_uris"`
	LogoutURI  string     `json:"backchannel_logout_uri,omitempty"`
	Audiences  []string   `json:"audiences"`
	Format     string     `json:"token_format"`
	JWKS       string     `json:"jwks,omitempty"`
	JWKSURI    string     `json:"jwks_uri,omitempty"`
	TLSSubject string     `json:"tls_subject,omitempty"`
	Consent    string     `json:"consent"`
	Policy     policyView `json:"policy"`
	Created    time.Time  `json:"created_at"`
	Disabled   time.Time  `json:"disabled_at,omitzero"`
	OldUntil   time.Time  `json:"old_secret_until,omitzero"`
}

type policyView struct {
	DPoP string `json:"dpop"`
	MTLS string `json:"mtls"`
}

// Run lists the clients.
func (cmd clientListCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		clients, err := a.Clients.List(ctx)
		if err != nil {
			return err
		}
		accounts, err := accountNames(ctx, a)
		if err != nil {
			return err
		}
		t := table{
			heads: []string{"CLIENT", "ACCOUNT", "NAME", "PROOF", "GRANTS", "STATE"}, wrap: true,
			none: "no clients yet; make one with signet admin client create --name NAME",
		}
		views := []clientView{}
		for _, k := range clients {
			views = append(views, viewClient(k))
			t.add(k.ID, cmp.Or(accounts[k.Account], k.Account), k.Name, string(k.Auth), strings.Join(shortGrants(k.Grants), ", "), clientState(k))
		}
		return cmd.list(c, views, t)
	})
}

// accountNames are the names of all accounts, by id.
func accountNames(ctx context.Context, a *app.App) (map[string]string, error) {
	accounts, err := a.Accounts.ListAccounts(ctx)
	names := map[string]string{}
	for _, acc := range accounts {
		names[acc.ID] = acc.Name
	}
	return names, err
}

func clientState(k token.Client) string {
	if k.Disabled.IsZero() {
		return "live"
	}
	return "deleted"
}

func viewClient(k token.Client) clientView {
	full := func(list []string) []string { return append([]string{}, list...) }
	return clientView{
		ID: k.ID, Account: k.Account, Name: k.Name, Auth: string(k.Auth), Grants: full(k.Grants), Scopes: full(k.Scopes),
		Redirects: full(k.Redirects), PostLogout: full(k.PostLogoutRedirects), LogoutURI: k.LogoutURI, Audiences: full(k.Audiences),
		Format: string(k.Format), JWKS: k.JWKS, JWKSURI: k.JWKSURI, TLSSubject: k.TLSSubject, Consent: string(k.Consent),
		Policy:  policyView{string(k.Policy.DPoP), string(k.Policy.MTLS)},
		Created: k.Created, Disabled: k.Disabled, OldUntil: k.OldSecretUntil,
	}
}

type oneClient struct {
	store
	ID string `arg:"" name:"client-id" help:"Id of the client, such as cli_..."`
}

type clientShowCmd struct {
	oneClient
	printed
}

// Run shows a client.
func (cmd clientShowCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		k, err := a.Clients.Get(ctx, cmd.ID)
		if err != nil {
			return err
		}
		if cmd.JSON {
			return cmd.print(c, viewClient(k), "")
		}
		demands, err := a.Clients.Demands(ctx, k)
		if err != nil {
			return err
		}
		return showClient(c, k, demands)
	})
}

func showClient(c *console, k token.Client, demands token.Policy) error {
	lines := [][2]string{
		{"client", k.ID},
		{"name", plain(k.Name)},
		{"account", k.Account},
		{"state", clientState(k)},
		{"proof", string(k.Auth)},
		{"grants", strings.Join(shortGrants(k.Grants), ", ")},
		{"scopes", strings.Join(k.Scopes, " ")},
		{"redirects", strings.Join(k.Redirects, ", ")},
		{"after logout", strings.Join(k.PostLogoutRedirects, ", ")},
		{"logout uri", k.LogoutURI},
		{"audiences", strings.Join(k.Audiences, ", ")},
		{"tokens", string(k.Format)},
		{"keys", k.JWKS + k.JWKSURI},
		{"certificate", k.TLSSubject},
		{"consent", string(k.Consent)},
		{"dpop", demanded(k.Policy.DPoP, demands.DPoP)},
		{"mtls", demanded(k.Policy.MTLS, demands.MTLS)},
	}
	if !k.OldSecretUntil.IsZero() {
		lines = append(lines, [2]string{"old secret", "until " + when(k.OldSecretUntil)})
	}
	for _, l := range lines {
		if l[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(c.out, "%-12s  %s\n", l[0], l[1]); err != nil {
			return err
		}
	}
	return nil
}

// demanded says what a client demands, and where its account is stricter.
func demanded(own, both token.Demand) string {
	if own == both {
		return string(own)
	}
	return string(own) + "; its account: " + string(both)
}

type clientUpdateCmd struct {
	oneClient
	clientFlags

	Name string `help:"Another name to show."`
}

// Run changes a client.
func (cmd clientUpdateCmd) Run(ctx context.Context, c *console) error {
	if cmd.Name == "" && reflect.ValueOf(cmd.clientFlags).IsZero() {
		return usagef("say what to change: --name, --grant, --scope, --redirect-uri, --post-logout-uri, --logout-uri, --audience, --format, " +
			"--jwks, --jwks-uri, --tls-subject, --consent, --dpop or --mtls; an empty value, such as --scope=, empties a list (signet admin client update --help)")
	}
	change, err := cmd.change()
	if err != nil {
		return err
	}
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		_, changed, err := a.Clients.Update(ctx, cmd.ID, func(k *token.Client) {
			if change(k); cmd.Name != "" {
				k.Name = cmd.Name
			}
		})
		if !changed {
			return said(c, err, "%s is like that already", cmd.ID)
		}
		return said(c, err, "%s changed", cmd.ID)
	})
}

type clientRotateCmd struct {
	oneClient
	printed

	EndOld bool `help:"The secret before ends at once, not in 24 hours."`
}

// Run gives a client another secret.
func (cmd clientRotateCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		secret, err := a.Clients.Rotate(ctx, cmd.ID, cmd.EndOld)
		if err != nil {
			return err
		}
		old := "The one before is good for 24 hours more."
		if cmd.EndOld {
			old = "The one before has ended."
		}
		return cmd.print(c, map[string]string{"client_id": cmd.ID, "client_secret": secret},
			"client secret  %s\n\nKeep the secret: it is shown this once. %s", secret, old)
	})
}

type clientDeleteCmd struct{ oneClient }

// Run deletes a client.
func (cmd clientDeleteCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Clients.Disable(ctx, cmd.ID), "%s is deleted; tokens that it has live on until they expire", cmd.ID)
	})
}

type tenantCmd struct {
	Policy tenantPolicyCmd `cmd:"" help:"Show or set what an account demands of the senders of its clients' tokens."`
}

type tenantPolicyCmd struct {
	oneAccount
	printed

	DPoP string `help:"Whether they prove a key: off, optional or required; off leaves it to each client." name:"dpop" placeholder:"DEMAND" default:"" enum:",off,optional,required"`
	MTLS string `help:"Whether they show a certificate: off, optional or required; off leaves it to each client." name:"mtls" placeholder:"DEMAND" default:"" enum:",off,optional,required"`
}

// Run shows the policy, after it has set what was given.
func (cmd tenantPolicyCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		p, err := a.Clients.TenantPolicy(ctx, cmd.Account)
		if err != nil {
			return err
		}
		if cmd.DPoP != "" || cmd.MTLS != "" {
			if cmd.DPoP != "" {
				p.DPoP = token.Demand(cmd.DPoP)
			}
			if cmd.MTLS != "" {
				p.MTLS = token.Demand(cmd.MTLS)
			}
			if err := a.Clients.SetTenantPolicy(ctx, cmd.Account, p); err != nil {
				return err
			}
		}
		return cmd.print(c, policyView{string(p.DPoP), string(p.MTLS)}, "dpop  %s\nmtls  %s", p.DPoP, p.MTLS)
	})
}
