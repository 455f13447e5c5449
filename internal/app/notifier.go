package app

import (
	"context"

	"signet/internal/account"
	"signet/internal/config"
	"signet/internal/notify"
)

// notifier mails users what changed about how they sign in, to all their addresses:
// who took over one of them cannot hide it from the others.
type notifier struct{ a *App }

// IdentityLinked implements [account.Notifier].
func (n notifier) IdentityLinked(ctx context.Context, i account.NewIdentity) {
	n.a.Post.Send(ctx, notify.Message{
		To: i.User.Addresses, Locale: i.User.Locale, What: notify.IdentityLinked,
		Values: map[string]any{"Name": providerName(n.a.Config.Login, i.Identity.Provider)},
	})
}

// CredentialChanged implements [account.Notifier].
func (n notifier) CredentialChanged(ctx context.Context, c account.CredentialChange) {
	n.a.Post.Send(ctx, notify.Message{
		To: c.User.Addresses, Locale: c.User.Locale, What: c.What, Values: map[string]any{"Name": c.Name},
	})
}

// mailSender returns what takes mails to users: the server, or a directory where none
// is named.
func mailSender(c config.Config) notify.Sender {
	if c.Account.Mail.Server == "" {
		return notify.NewFile(c.MailDirectory())
	}
	return notify.NewSMTP(smtpOptions(c))
}

func smtpOptions(c config.Config) notify.SMTPOptions {
	m := c.Account.Mail
	return notify.SMTPOptions{Server: m.Server, TLS: m.TLS, User: m.User, Password: m.Password.Reveal()}
}
