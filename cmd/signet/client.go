package main

import (
	"context"
	"fmt"
	"time"

	"signet/internal/app"
	"signet/internal/token"
)

type clientCmd struct {
	Create  clientCreateCmd  `cmd:"" help:"Create an OAuth client and print its secret once."`
	List    clientListCmd    `cmd:"" help:"List the OAuth clients of all accounts."`
	Disable clientDisableCmd `cmd:"" help:"Let a client ask for no more tokens."`
}

type clientCreateCmd struct {
	store
	printed
	Name        string   `required:"" help:"Name to show, such as that of the app."`
	Account     string   `help:"Account (tenant); the system account where it is missing."`
	RedirectURI []string `help:"URI that sign-ins may return to: https, or http on a loopback host. OAuth compares it exactly; /login takes any address of its origin. May be repeated." name:"redirect-uri" placeholder:"https://app.example.org/callback" sep:"none"`
	LogoutURI   string   `help:"URI that hears when a session of the app's users ends (OpenID Connect Back-Channel Logout): https, or http on a loopback host, which only development reaches." name:"logout-uri" placeholder:"https://app.example.org/backchannel-logout"`
	Audience    []string `help:"Resource that the client may have tokens for; the first one is the default. May be repeated." placeholder:"https://api.example.org" sep:"none"`
	Format      string   `help:"Form of its access tokens: ${enum}." default:"jwt" enum:"jwt,opaque"`
}

// Run creates a client.
func (cmd clientCreateCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		client, secret, err := a.Clients.Create(ctx, token.NewClient{
			Name: cmd.Name, Account: cmd.Account, Redirects: cmd.RedirectURI, LogoutURI: cmd.LogoutURI,
			Audiences: cmd.Audience, Format: token.Format(cmd.Format),
		})
		if err != nil {
			return err
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
	ID        string     `json:"client_id"`
	Account   string     `json:"account_id"`
	Name      string     `json:"name"`
	Redirects []string   `json:"redirect_uris"`
	LogoutURI string     `json:"backchannel_logout_uri,omitempty"`
	Audiences []string   `json:"audiences"`
	Format    string     `json:"token_format"`
	Created   time.Time  `json:"created_at"`
	Disabled  *time.Time `json:"disabled_at,omitempty"`
}

// Run lists the clients.
func (cmd clientListCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		clients, err := a.Clients.List(ctx)
		if err != nil {
			return err
		}
		if !cmd.JSON {
			return printClients(c, clients)
		}
		views := []clientView{}
		for _, k := range clients {
			views = append(views, viewClient(k))
		}
		return cmd.print(c, views, "")
	})
}

func viewClient(k token.Client) clientView {
	v := clientView{
		ID: k.ID, Account: k.Account, Name: k.Name, Redirects: k.Redirects, LogoutURI: k.LogoutURI,
		Audiences: k.Audiences, Format: string(k.Format), Created: k.Created,
	}
	if !k.Disabled.IsZero() {
		v.Disabled = &k.Disabled
	}
	return v
}

func printClients(c *console, clients []token.Client) error {
	if len(clients) == 0 {
		return said(c, nil, "no clients yet; make one with signet admin client create --name NAME")
	}
	for _, k := range clients {
		state := "enabled"
		if !k.Disabled.IsZero() {
			state = "disabled since " + k.Disabled.Format(time.RFC3339)
		}
		if _, err := fmt.Fprintf(c.out, "%s  %q  %s\n", k.ID, k.Name, state); err != nil {
			return err
		}
	}
	return nil
}

type clientDisableCmd struct {
	store
	ID string `arg:"" name:"client-id" help:"Id of the client, such as cli_..."`
}

// Run disables a client.
func (cmd clientDisableCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Clients.Disable(ctx, cmd.ID), "%s is disabled; tokens that it has live on until they expire", cmd.ID)
	})
}
