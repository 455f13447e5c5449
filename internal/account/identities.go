package account

import (
	"context"
	"log/slog"
	"time"

	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/ticket"
)

// What identities can refuse. ErrSignIn tells nothing about the user: not that they
// are disabled, nor that they have no account.
var (
	ErrSignIn       = fault.New(fault.Unauthorized, "sign-in is refused").Named("sign-in-refused")
	ErrSignUpClosed = fault.New(fault.Forbidden, "nobody is known by this identity, and sign-up is closed: ask an administrator").Named("sign-up-closed")
	ErrInvited      = fault.New(fault.Forbidden, "nobody is known by this identity, and sign-up needs an invitation: ask an administrator").Named("sign-up-closed")
	ErrLinkRequired = fault.New(fault.Conflict, "the address belongs to a user already: sign in as usual to link").Named("link_required")
	ErrLinkTicket   = fault.New(fault.Unauthorized, "linking needs the access token of the user")
	ErrLinkOther    = fault.New(fault.Forbidden, "linking needs the access token of that very user")
	ErrLinked       = fault.New(fault.Conflict, "the identity belongs to another user").Named("linked-to-other")
	ErrStepUp       = ticket.ErrStepUp
	ErrIssuer       = fault.New(fault.Conflict, "the provider's name stood for another issuer when the identity was linked")
	ErrNoIdentity   = fault.New(fault.NotFound, "the user has no such identity")
	ErrLastWayIn    = fault.New(fault.Conflict, "it is the user's only way to sign in: add another one first").Named("last-way-in")
)

// maxAuthAge is how old a sign-in may be that changes how a user signs in.
const maxAuthAge = 5 * time.Minute

// Identity is who a user is at a provider.
type Identity struct {
	ID          string
	User        string
	Issuer      string
	Provider    string
	ProviderSub string
	Email       string // as the provider told it when linked; it proves nothing
	DisplayName string
	Created     time.Time
	LastUsed    time.Time
}

// NewIdentity tells of an identity that a user has now.
type NewIdentity struct {
	User     User
	Identity Identity
	Created  bool // with the user, just now
}

// Notifier tells users what changed about how they sign in.
type Notifier interface {
	// IdentityLinked is called once the identity is stored.
	IdentityLinked(ctx context.Context, n NewIdentity)
	// CredentialChanged is called once the change is stored.
	CredentialChanged(ctx context.Context, c CredentialChange)
}

// CredentialChange tells of something that a user signs in with.
type CredentialChange struct {
	User User
	What string // the mail that says so, such as [notify.PasskeyAdded]
	Name string // of the passkey
}

// LogNotifier logs what a user should know, without addresses.
type LogNotifier struct{}

// IdentityLinked implements [Notifier].
func (LogNotifier) IdentityLinked(ctx context.Context, n NewIdentity) {
	slog.InfoContext(ctx, "identity linked", "user", n.User.ID, "provider", n.Identity.Provider, "created", n.Created)
}

// CredentialChanged implements [Notifier].
func (LogNotifier) CredentialChanged(ctx context.Context, c CredentialChange) {
	slog.InfoContext(ctx, "credential changed", "user", c.User.ID, "what", c.What)
}

// IdentityOptions are what an installation may choose.
type IdentityOptions struct {
	SignUp   string            // "open" makes users of strangers; "invited" and all else does not
	Issuers  map[string]string // issuer by provider; where one is missing its name stands for it
	Notifier Notifier          // nil means LogNotifier
}

// Identities links users with who they are at identity providers. It is safe for
// concurrent use.
type Identities struct {
	accounts *Service
	o        IdentityOptions
}

// NewIdentities returns the identities of the users of s.
func NewIdentities(s *Service, o IdentityOptions) *Identities {
	if o.Notifier == nil {
		o.Notifier = LogNotifier{}
	}
	return &Identities{s, o}
}

func (s *Identities) issuer(provider string) string {
	if issuer, ok := s.o.Issuers[provider]; ok {
		return issuer
	}
	return provider
}

// List returns the identities of a user, named by id or verified address, oldest
// first. Users see their own; others need users:read, in an account of the user.
func (s *Identities) List(ctx context.Context, user string) (all []Identity, err error) {
	t := ticket.From(ctx)
	if t == nil {
		return nil, ticket.ErrNone
	}
	err = s.accounts.db.View(ctx, func(tx *db.Tx) error {
		if !themselves(t, user) {
			if err := t.Demand("users:read"); err != nil {
				return err
			}
		}
		u, err := s.accounts.lookUp(ctx, tx, user, "")
		if err != nil {
			return err
		}
		if !themselves(t, u.ID) && t.Kind != ticket.System {
			if err := memberOf(ctx, tx, u.ID, t.Account); err != nil {
				return err
			}
		}
		all, err = identities(ctx, tx, u.ID)
		return err
	})
	return all, err
}

// Unlink takes an identity from a user, named by id or verified address. The last
// way to sign in stays (ErrLastWayIn). Users may unlink their own, within 5 minutes
// of a sign-in; for others see [Service.Disable].
func (s *Identities) Unlink(ctx context.Context, user, id string) error {
	t := ticket.From(ctx)
	if !themselves(t, user) {
		return s.accounts.changeUser(ctx, user, func(tx *db.Tx, u User) error { return s.unlink(ctx, tx, u.ID, id) })
	}
	if err := s.recent(t); err != nil {
		return err
	}
	return s.accounts.db.Update(ctx, func(tx *db.Tx) error {
		u, err := s.accounts.Hold(ctx, tx, user)
		if err != nil {
			return err
		}
		return s.unlink(ctx, tx, u.ID, id)
	})
}

// unlink wants the user's row locked, so that two cannot take the last two.
func (s *Identities) unlink(ctx context.Context, tx *db.Tx, user, id string) error {
	provider, err := deleteIdentity(ctx, tx, user, id)
	if err != nil {
		return err
	}
	left, err := waysIn(ctx, tx, user)
	if err != nil {
		return err
	}
	if left == 0 {
		return ErrLastWayIn
	}
	return s.accounts.record(ctx, tx, "identity.unlink", id, map[string]any{"user": user, "provider": provider})
}

// themselves reports whether t is the user in person, not narrowed by scopes: an
// app that holds a token for something else changes nobody's way to sign in.
func themselves(t *ticket.Ticket, user string) bool {
	return t != nil && t.Kind == ticket.User && t.Subject == user && t.Scopes == nil
}

// recent refuses a caller whose sign-in is old, and one that cannot say, such as an
// API token.
func (s *Identities) recent(t *ticket.Ticket) error {
	if age := s.accounts.now().Sub(t.AuthTime); age > maxAuthAge || age < -time.Minute { // another instance's clock may run ahead
		return ErrStepUp
	}
	return nil
}

func memberOf(ctx context.Context, tx *db.Tx, user, account string) error {
	all, err := memberships(ctx, tx, user)
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.account == account {
			return nil
		}
	}
	return ErrNoUser
}
