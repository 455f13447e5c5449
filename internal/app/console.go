package app

import (
	"net/http"
	"time"

	"signet/internal/console"
	"signet/internal/login"
	"signet/internal/token"
)

// mountConsole mounts the pages of administration, for who is signed in at pages.
func (a *App) mountConsole(mux *http.ServeMux, pages *login.Login, m *mail, oauth *token.OAuth) error {
	browser, err := a.newBrowser()
	if err != nil {
		return err
	}
	c, err := console.New(console.Services{
		Users: a.Accounts, Clients: a.Clients, Identities: a.Identities, Sessions: a.Sessions, Inviter: a.Gate, Audit: a.Audit,
		MailKeys: a.Registry, Keyset: a.Keys, Verdicts: m.verdicts, Domains: a.Domains, Bypass: a.Bypass,
		Senders: oauth, Apps: appAccess{a, oauth},
		Files: console.Files{Keys: a.ObjectKeys, Access: a.ObjectAccess, Denials: a.Denials, Browser: browser},
	}, pages, a.Site, console.Options{
		Person: person, Origin: a.Config.Server.Origin, Permissions: Permissions(), MailServer: a.Config.Account.Mail.Server != "", Now: time.Now,
		Started: time.Now(), Counters: a.tokenMetrics.Snapshot,
	})
	if err != nil {
		return err
	}
	c.Routes(mux)
	return nil
}

// person is who looks at a page of the console.
func person(r *http.Request) console.Person {
	s, _ := login.SessionOf(r)
	return console.Person{Name: s.DisplayName, Account: s.Account}
}
