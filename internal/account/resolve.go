package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"signet/internal/authapi"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/ticket"
)

// errOvertaken says that another transaction was first: what was read is not so any more.
var errOvertaken = fault.New(fault.Conflict, "the identity or its user changed meanwhile: try again")

// overtakings bounds how often Resolve begins anew. Each time somebody else is done.
const overtakings = 5

// Resolution is the user whom an identity stands for.
type Resolution struct {
	User    User
	Account Account  // the user's first one
	Roles   []string // names of the user's roles there
	Created bool     // the user is new
	Linked  bool     // the identity is new, on a user who was there
}

// Resolve returns the user whom an identity stands for. In this order it takes:
//
//  1. the user who has the identity;
//  2. the user LinkToUserID, and nobody else where it is set: person must be that very
//     user's ticket (ErrLinkTicket, ErrLinkOther), with an AuthTime of the last 5
//     minutes (ErrStepUp); ErrLinked where the identity is another's;
//  3. the user who verified the address that the provider verified, unless nobody but a
//     tenant's administrator vouched for it, or they have another identity of that
//     provider or a permission of the node (ErrLinkRequired);
//  4. a new user, where sign-up is open, in an account of their own and without roles
//     (ErrSignUpClosed, ErrInvited). The address counts as verified where the provider
//     verified it.
//
// The caller, in the context, is a service key with auth:oauth that lists the
// provider, or the installation itself. A user who is disabled, or whose accounts
// are, is ErrSignIn. Everything is one transaction, and of many calls at once one
// makes the user.
func (s *Identities) Resolve(ctx context.Context, req authapi.OAuthRequest, person *ticket.Ticket) (Resolution, error) {
	t := ticket.From(ctx)
	if err := t.Demand("auth:oauth"); err != nil {
		return Resolution{}, err
	}
	req, err := checked(req)
	if err != nil {
		return Resolution{}, err
	}
	if t.Kind != ticket.System && !t.SpeaksFor(req.Provider) {
		return Resolution{}, ticket.ErrForbidden.Because("the caller does not speak for the provider %s", req.Provider)
	}
	if req.LinkToUserID != "" {
		if err := s.mayLink(person, req.LinkToUserID); err != nil {
			return Resolution{}, err
		}
	}
	for n := 1; ; n++ {
		var r Resolution
		err := s.accounts.db.Update(ctx, func(tx *db.Tx) (err error) {
			r, err = s.resolve(ctx, tx, req)
			return err
		})
		if err == nil {
			return r, nil
		}
		if !errors.Is(err, errOvertaken) || n == overtakings {
			return Resolution{}, err
		}
	}
}

func (s *Identities) mayLink(person *ticket.Ticket, user string) error {
	switch {
	case person == nil:
		return ErrLinkTicket
	case person.Kind != ticket.User || person.Subject != user:
		return ErrLinkOther
	case person.Scopes != nil: // an app's token opens what the app is for, and no door to the user
		return ErrLinkOther.Because("one that is not narrowed by scopes")
	}
	return s.recent(person)
}

func (s *Identities) resolve(ctx context.Context, tx *db.Tx, req authapi.OAuthRequest) (Resolution, error) {
	i, err := findIdentity(ctx, tx, req.Provider, req.ProviderSub)
	switch {
	case err == nil:
		return s.known(ctx, tx, i, req)
	case !errors.Is(err, ErrNoIdentity):
		return Resolution{}, err
	case req.LinkToUserID != "":
		u, err := s.accounts.Hold(ctx, tx, req.LinkToUserID)
		if err != nil {
			return Resolution{}, refusal(err)
		}
		return s.attach(ctx, tx, u, req, "request")
	}
	u, err := s.ownerOfVerified(ctx, tx, req)
	switch {
	case err == nil:
		return s.attach(ctx, tx, u, req, "address")
	case !errors.Is(err, ErrNoUser):
		return Resolution{}, err
	}
	return s.signUp(ctx, tx, req)
}

// known is for an identity that a user has.
func (s *Identities) known(ctx context.Context, tx *db.Tx, i Identity, req authapi.OAuthRequest) (Resolution, error) {
	if req.LinkToUserID != "" && req.LinkToUserID != i.User {
		return Resolution{}, ErrLinked
	}
	if i.Issuer != s.issuer(i.Provider) {
		return Resolution{}, ErrIssuer.At("provider")
	}
	u, err := s.accounts.Hold(ctx, tx, i.User) // before the identity: so does Unlink
	if err != nil {
		return Resolution{}, refusal(err)
	}
	if err := useIdentity(ctx, tx, i.ID, u.ID, db.Now(s.accounts.now())); err != nil {
		return Resolution{}, err
	}
	return s.resolution(ctx, tx, Resolution{User: u})
}

// ownerOfVerified returns the user who verified the address that the provider
// verified too, locked; ErrNoUser where there is none.
func (s *Identities) ownerOfVerified(ctx context.Context, tx *db.Tx, req authapi.OAuthRequest) (User, error) {
	if !req.EmailVerified {
		return User{}, ErrNoUser
	}
	owner, err := ownerOf(ctx, tx, req.Email)
	if err != nil {
		return User{}, err
	}
	u, err := s.accounts.Hold(ctx, tx, owner)
	if err != nil {
		return User{}, refusal(err)
	}
	if !slices.Contains(u.Addresses, req.Email) { // it went while we waited for the lock
		return User{}, errOvertaken
	}
	return u, s.safeToMatch(ctx, tx, u.ID, req)
}

// safeToMatch refuses users whom an address alone must not open: those whose address the
// mailbox never proved, those who use the provider as somebody else, and those who hold
// a permission of the node.
func (s *Identities) safeToMatch(ctx context.Context, tx *db.Tx, user string, req authapi.OAuthRequest) error {
	have, err := identities(ctx, tx, user)
	if err != nil {
		return err
	}
	for _, i := range have {
		switch {
		case i.Provider == req.Provider && i.ProviderSub == req.ProviderSub: // linked while we waited for the lock
			return errOvertaken
		case i.Provider == req.Provider:
			return ErrLinkRequired
		}
	}
	if proven, err := isProven(ctx, tx, user, req.Email); err != nil || !proven {
		return cmp.Or(err, error(ErrLinkRequired))
	}
	held, err := memberships(ctx, tx, user)
	if err != nil {
		return err
	}
	for _, m := range held {
		for _, p := range s.accounts.expand(m.permissions, m.system) {
			if !s.accounts.holdable(p, false) {
				return ErrLinkRequired
			}
		}
	}
	return nil
}

// attach gives a user, whose row is locked, the identity.
func (s *Identities) attach(ctx context.Context, tx *db.Tx, u User, req authapi.OAuthRequest, by string) (Resolution, error) {
	if err := s.addIdentity(ctx, tx, u, req, by); err != nil {
		return Resolution{}, err
	}
	return s.resolution(ctx, tx, Resolution{User: u, Linked: true})
}

// signUp makes a user in an account of their own. They get no role: an
// administrator, even of a tenant, vouches for addresses (see CreateUser), and
// strangers must not.
func (s *Identities) signUp(ctx context.Context, tx *db.Tx, req authapi.OAuthRequest) (Resolution, error) {
	switch s.o.SignUp {
	case "open":
	case "invited":
		return Resolution{}, ErrInvited
	default:
		return Resolution{}, ErrSignUpClosed
	}
	u := User{ID: newID("usr"), DisplayName: nameOf(req), Created: db.Now(s.accounts.now())}
	acc, err := s.accounts.insertAccount(ctx, tx, u.ID, false)
	if err != nil {
		return Resolution{}, err
	}
	if err := insertNewcomer(ctx, tx, u, acc.ID, req); err != nil {
		return Resolution{}, err
	}
	if err := setName(ctx, tx, u.ID, u.DisplayName); err != nil {
		return Resolution{}, err
	}
	if req.EmailVerified {
		u.Addresses = []string{req.Email}
		if err := proveAddress(ctx, tx, u.ID, req.Email); err != nil {
			return Resolution{}, err
		}
	}
	if err := s.accounts.record(ctx, tx, "user.create", u.ID, map[string]any{"account": acc.ID, "provider": req.Provider}); err != nil {
		return Resolution{}, err
	}
	if err := s.addIdentity(ctx, tx, u, req, "sign-up"); err != nil {
		return Resolution{}, err
	}
	return s.resolution(ctx, tx, Resolution{User: u, Created: true})
}

// nameOf returns what to call somebody new.
func nameOf(r authapi.OAuthRequest) string {
	for _, name := range []string{r.DisplayName, r.Email} {
		if len(name) > 0 && len([]rune(name)) <= 200 {
			return name
		}
	}
	return r.Provider
}

func (s *Identities) addIdentity(ctx context.Context, tx *db.Tx, u User, req authapi.OAuthRequest, by string) error {
	now := db.Now(s.accounts.now())
	i := Identity{
		ID: newID("idn"), User: u.ID, Issuer: s.issuer(req.Provider), Provider: req.Provider, ProviderSub: req.ProviderSub,
		Email: req.Email, DisplayName: req.DisplayName, Created: now, LastUsed: now,
	}
	if err := insertIdentity(ctx, tx, i); err != nil {
		return fmt.Errorf("link identity: %w", err)
	}
	if err := deleteLinks(ctx, tx, u.ID, authapi.LinkSetup); err != nil {
		return err
	}
	tx.AfterCommit(func() {
		s.o.Notifier.IdentityLinked(ctx, NewIdentity{User: u, Identity: i, Created: by == "sign-up"})
	})
	return s.accounts.record(ctx, tx, "identity.link", i.ID, map[string]any{"user": u.ID, "provider": i.Provider, "issuer": i.Issuer, "by": by})
}

// resolution completes r with where the user acts.
func (s *Identities) resolution(ctx context.Context, tx *db.Tx, r Resolution) (_ Resolution, err error) {
	if r.Account, err = accountOfMember(ctx, tx, r.User.ID, ""); err != nil {
		return Resolution{}, refusal(err)
	}
	r.Roles, err = roleNames(ctx, tx, r.Account.ID, r.User.ID)
	return r, err
}

// refusal hides from a client why a user may not sign in.
func refusal(err error) error {
	if errors.Is(err, ErrNoUser) || errors.Is(err, ErrNoAccount) {
		return ErrSignIn
	}
	return err
}
