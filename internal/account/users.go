package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"signet/internal/db"
	"signet/internal/ticket"
)

// NewUser is what a user is created from.
type NewUser struct {
	Email       string   // becomes a verified address: whoever may create users vouches for it
	DisplayName string   // the address where empty
	Account     string   // name of the account; the system account where empty
	Roles       []string // names of roles of that account
}

// CreateUser creates a user who is a member of an account.
func (s *Service) CreateUser(ctx context.Context, n NewUser) (User, error) {
	t := ticket.From(ctx)
	if err := t.Demand("users:write"); err != nil {
		return User{}, err
	}
	var u User
	err := s.db.Update(ctx, func(tx *db.Tx) (err error) {
		acc, err := s.accountFor(ctx, tx, t, n.Account)
		if err != nil {
			return err
		}
		u, err = s.createUser(ctx, tx, acc, n)
		return err
	})
	return u, err
}

// BootstrapAdmin creates the first administrator, in the system account. They have no
// way to sign in yet: see [Gate.SetupLink]. It returns ErrAdminExists where there is an
// administrator, also when twenty callers try at once.
func (s *Service) BootstrapAdmin(ctx context.Context, email string) (u User, err error) {
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		acc, err := s.ensureSystem(ctx, tx)
		if err != nil {
			return err
		}
		exists, err := hasAdministrator(ctx, tx, acc.ID)
		if err != nil {
			return err
		}
		if exists {
			return ErrAdminExists
		}
		u, err = s.createUser(ctx, tx, acc, NewUser{Email: email, Roles: []string{Administrator}})
		return err
	})
	return u, err
}

// HasAdministrator reports whether BootstrapAdmin would find an administrator.
func (s *Service) HasAdministrator(ctx context.Context) (has bool, err error) {
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		acc, err := systemAccount(ctx, tx)
		if errors.Is(err, ErrNoAccount) {
			return nil
		}
		if err != nil {
			return err
		}
		has, err = hasAdministrator(ctx, tx, acc.ID)
		return err
	})
	return has, err
}

// CreateAccount creates a tenant with its administrator role.
func (s *Service) CreateAccount(ctx context.Context, name string) (Account, error) {
	if err := ticket.From(ctx).Demand("accounts:write"); err != nil {
		return Account{}, err
	}
	var a Account
	err := s.db.Update(ctx, func(tx *db.Tx) (err error) {
		if err := checkName("name", name); err != nil {
			return err
		}
		a, err = s.insertAccount(ctx, tx, name, false)
		if db.IsUnique(err) {
			return ErrTaken.At("name")
		}
		return err
	})
	return a, err
}

// accountFor returns the account of that name, where t may act in it: its own, or
// any for the operator of the node.
func (s *Service) accountFor(ctx context.Context, tx *db.Tx, t *ticket.Ticket, name string) (Account, error) {
	if name == "" && t.Kind == ticket.System {
		return s.ensureSystem(ctx, tx)
	}
	acc, err := findAccount(ctx, tx, name, t.Account)
	if err != nil {
		return Account{}, err
	}
	if acc.ID != t.Account && t.Kind != ticket.System {
		return Account{}, ErrNoAccount // not even that it exists
	}
	return acc, nil
}

// AccountFor returns the id of the account of that name, of the caller's own where
// the name is empty. It returns ErrNoAccount where the caller may not act in it.
func (s *Service) AccountFor(ctx context.Context, tx *db.Tx, name string) (string, error) {
	t := ticket.From(ctx)
	if t == nil {
		return "", ticket.ErrNone
	}
	acc, err := s.accountFor(ctx, tx, t, name)
	return acc.ID, err
}

// ensureSystem returns the system account, locked for this transaction, and
// creates it in an empty store.
func (s *Service) ensureSystem(ctx context.Context, tx *db.Tx) (Account, error) {
	acc, err := systemAccount(ctx, tx)
	if !errors.Is(err, ErrNoAccount) {
		return acc, err
	}
	if _, err := s.insertAccount(ctx, tx, "system", true); err != nil {
		return Account{}, err
	}
	return systemAccount(ctx, tx)
}

func (s *Service) createUser(ctx context.Context, tx *db.Tx, acc Account, n NewUser) (User, error) {
	email, err := FoldAddress("email", n.Email)
	if err != nil {
		return User{}, err
	}
	if n.DisplayName == "" {
		n.DisplayName = email
	}
	if err := checkName("displayName", n.DisplayName); err != nil {
		return User{}, err
	}
	u := User{ID: newID("usr"), DisplayName: n.DisplayName, Addresses: []string{email}, Created: db.Now(s.now())}
	taken, err := insertUser(ctx, tx, u, acc.ID, email)
	if err != nil {
		return User{}, fmt.Errorf("create user: %w", err)
	}
	if taken {
		return User{}, ErrTaken.At("email")
	}
	for _, role := range n.Roles {
		if err := s.giveRole(ctx, tx, acc, u.ID, role); err != nil {
			return User{}, err
		}
	}
	return u, s.record(ctx, tx, "user.create", u.ID, map[string]any{"account": acc.ID, "roles": n.Roles})
}

// AddAddress gives a user a further verified address: the caller vouches for it.
func (s *Service) AddAddress(ctx context.Context, user, address string) error {
	return s.changeUser(ctx, user, func(tx *db.Tx, u User) error {
		a, err := FoldAddress("address", address)
		if err != nil {
			return err
		}
		taken, err := insertAddress(ctx, tx, u.ID, a, db.Now(s.now()))
		if err != nil {
			return err
		}
		if taken {
			return ErrTaken.At("address")
		}
		return s.record(ctx, tx, "user.address_add", u.ID, map[string]any{"address": a})
	})
}

// RemoveAddress takes an address from a user, and with it the keys for it.
func (s *Service) RemoveAddress(ctx context.Context, user, address string) error {
	return s.changeUser(ctx, user, func(tx *db.Tx, u User) error {
		a, err := FoldAddress("address", address)
		if err != nil {
			return err
		}
		return s.removeAddress(ctx, tx, u, a)
	})
}

// removeAddress takes a folded address from u, whose row is locked: one that they
// verified, or one that they only claim.
func (s *Service) removeAddress(ctx context.Context, tx *db.Tx, u User, address string) error {
	verified := slices.Contains(u.Addresses, address)
	if verified && len(u.Addresses) == 1 {
		return ErrLastAddress.At("address")
	}
	if err := deleteAddress(ctx, tx, u.ID, address); err != nil {
		return err
	}
	if err := deleteLinksTo(ctx, tx, u.ID, address); err != nil {
		return err
	}
	if verified {
		if err := s.closers.AddressRemoved(ctx, tx, u.ID, address); err != nil {
			return err
		}
	}
	return s.record(ctx, tx, "user.address_remove", u.ID, map[string]any{"address": address})
}

// Disable closes every door to the user in one transaction: tokens, keys and what
// the other capabilities hold. Enabling gives none of them back. Only the operator may
// disable the last administrator of the installation (ErrLastAdministrator).
func (s *Service) Disable(ctx context.Context, user string) error {
	return s.changeUser(ctx, user, func(tx *db.Tx, u User) error {
		at := db.Now(s.now())
		if err := setDisabled(ctx, tx, u.ID, db.OrNull(at)); err != nil {
			return err
		}
		if err := s.notTheLast(ctx, tx, u); err != nil {
			return err
		}
		if err := revokeTokens(ctx, tx, u.ID, at); err != nil {
			return err
		}
		if err := s.closers.UserDisabled(ctx, tx, u.ID); err != nil {
			return err
		}
		return s.record(ctx, tx, "user.disable", u.ID, nil)
	})
}

// notTheLast refuses to leave the installation without an administrator, unless it is
// the operator: they can make a new one, where an only one must be stopped.
func (s *Service) notTheLast(ctx context.Context, tx *db.Tx, u User) error {
	if ticket.From(ctx).Kind == ticket.System {
		return nil
	}
	held, err := memberships(ctx, tx, u.ID)
	if err != nil {
		return err
	}
	for _, m := range held {
		if m.system && slices.Contains(m.permissions, everything) {
			return keepAdministrator(ctx, tx)
		}
	}
	return nil
}

// Enable lets a disabled user act again, with new tokens and keys.
func (s *Service) Enable(ctx context.Context, user string) error {
	return s.changeUser(ctx, user, func(tx *db.Tx, u User) error {
		if err := setDisabled(ctx, tx, u.ID, db.OrNull(time.Time{})); err != nil {
			return err
		}
		return s.record(ctx, tx, "user.enable", u.ID, nil)
	})
}

// changeUser runs fn on a user, named by id or verified address, whom the caller
// may change: one of the caller's own account, with no permission that the caller lacks.
func (s *Service) changeUser(ctx context.Context, user string, fn func(tx *db.Tx, u User) error) error {
	t := ticket.From(ctx)
	if err := t.Demand("users:write"); err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		u, err := s.lookUp(ctx, tx, user, tx.Dialect().ForUpdate())
		if err != nil {
			return err
		}
		if t.Kind != ticket.System {
			if err := s.mayChange(ctx, tx, t, u); err != nil {
				return err
			}
		}
		return fn(tx, u)
	})
}

// mayChange refuses a user of another account, who is not even there, and one who is
// stronger than t. What t may is in t's account: whatever they hold elsewhere is more.
func (s *Service) mayChange(ctx context.Context, tx *db.Tx, t *ticket.Ticket, u User) error {
	all, err := memberships(ctx, tx, u.ID)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(m membership) bool { return m.account == t.Account }) {
		return ErrNoUser
	}
	for _, m := range all {
		for _, p := range s.expand(m.permissions, m.system) {
			if m.account != t.Account || !t.May(p) {
				return ticket.ErrForbidden.Because("the user has %s, which you have not", p)
			}
		}
	}
	return nil
}

// FindUser returns a user by id or verified address. Users see themselves; others need
// users:read, in an account of the user.
func (s *Service) FindUser(ctx context.Context, user string) (found User, err error) {
	err = s.readUser(ctx, user, func(_ *db.Tx, u User) error {
		found = u
		return nil
	})
	return found, err
}

// readUser runs fn on a user, named by id or verified address, whom the caller may see:
// themselves, or with users:read a member of the caller's account.
func (s *Service) readUser(ctx context.Context, user string, fn func(tx *db.Tx, u User) error) error {
	t := ticket.From(ctx)
	if !themselves(t, user) {
		if err := t.Demand("users:read"); err != nil {
			return err
		}
	}
	return s.db.View(ctx, func(tx *db.Tx) error {
		u, err := s.lookUp(ctx, tx, user, "")
		if err != nil {
			return err
		}
		if !themselves(t, u.ID) && t.Kind != ticket.System {
			if err := memberOf(ctx, tx, u.ID, t.Account); err != nil {
				return err
			}
		}
		return fn(tx, u)
	})
}

// Hold locks a user's row for the rest of the transaction and returns the user, so
// that neither their addresses nor their being enabled changes meanwhile. A
// disabled user is ErrNoUser.
func (s *Service) Hold(ctx context.Context, tx *db.Tx, user string) (User, error) {
	u, err := s.lookUp(ctx, tx, user, tx.Dialect().ForUpdate())
	if err == nil && !u.Disabled.IsZero() {
		return User{}, ErrNoUser
	}
	return u, err
}

// VerifiedAddresses is Hold for callers that need the addresses alone.
func (s *Service) VerifiedAddresses(ctx context.Context, tx *db.Tx, user string) ([]string, error) {
	u, err := s.Hold(ctx, tx, user)
	return u.Addresses, err
}

// CountUsers returns how many users are enabled.
func (s *Service) CountUsers(ctx context.Context) (n int, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT count(*) FROM users WHERE disabled_at IS NULL`).Scan(&n)
	})
	return n, err
}
