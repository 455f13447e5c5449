package account

import (
	"context"
	"slices"
	"time"

	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/ticket"
)

// What roles can refuse.
var (
	ErrRoleFixed         = fault.New(fault.Conflict, "the role administrator holds every permission, and stays").Named("role-fixed")
	ErrRoleInUse         = fault.New(fault.Conflict, "somebody has the role: take it from them first").Named("role-in-use")
	ErrLastAdministrator = fault.New(fault.Conflict, "nobody else administers the installation: make another administrator first").Named("last-administrator")
)

// Role is a named set of permissions in an account.
type Role struct {
	Name        string
	Permissions []string // what it gives there, by name
	MFA         bool     // who has it is asked for a second factor at each sign-in
	Members     int
	Created     time.Time

	id     string
	stored []string
}

// ListRoles returns the roles of an account, by name. The caller needs users:read. Of
// an account without a name it is the caller's own, and for the operator the system one.
func (s *Service) ListRoles(ctx context.Context, account string) (all []Role, err error) {
	t := ticket.From(ctx)
	if err := t.Demand("users:read"); err != nil {
		return nil, err
	}
	err = s.db.View(ctx, func(tx *db.Tx) error {
		acc, err := s.readAccount(ctx, tx, t, account)
		if err != nil {
			return err
		}
		all, err = rolesOf(ctx, tx, acc.ID, "")
		for i := range all {
			all[i].Permissions = s.expand(all[i].stored, acc.System)
			slices.Sort(all[i].Permissions)
		}
		return err
	})
	return all, err
}

// CreateRole creates a role in an account. Permissions of the node need the
// system account, and everybody may only give what they have.
func (s *Service) CreateRole(ctx context.Context, account, name string, permissions []string) error {
	if err := checkName("name", name); err != nil {
		return err
	}
	return s.changeAccount(ctx, account, func(tx *db.Tx, acc Account) error {
		if err := s.mayHand(ctx, permissions, acc); err != nil {
			return err
		}
		err := insertRole(ctx, tx, acc.ID, name, permissions, db.Now(s.now()))
		if db.IsUnique(err) {
			return ErrTaken.At("name")
		}
		if err != nil {
			return err
		}
		return s.record(ctx, tx, "role.create", name, map[string]any{"account": acc.ID, "permissions": permissions})
	})
}

// UpdateRole sets what a role of an account gives, and whether it demands a second
// factor. What is nil stays as it is; the permissions of the administrator always do.
// The caller holds every permission that the role gives before and after.
func (s *Service) UpdateRole(ctx context.Context, account, name string, permissions []string, mfa *bool) error {
	return s.changeRole(ctx, account, name, func(tx *db.Tx, acc Account, r Role) error {
		if mfa == nil {
			mfa = &r.MFA
		}
		if permissions == nil {
			permissions = r.stored
		} else if name == Administrator {
			return ErrRoleFixed.At("permissions")
		} else if err := s.mayHand(ctx, permissions, acc); err != nil {
			return err
		}
		if err := setRole(ctx, tx, r.id, permissions, *mfa); err != nil {
			return err
		}
		return s.record(ctx, tx, "role.update", name, map[string]any{"account": acc.ID, "permissions": permissions, "mfa": *mfa})
	})
}

// DeleteRole deletes a role that nobody has. The caller holds every permission of it.
func (s *Service) DeleteRole(ctx context.Context, account, name string) error {
	if name == Administrator {
		return ErrRoleFixed.At("name")
	}
	return s.changeRole(ctx, account, name, func(tx *db.Tx, acc Account, r Role) error {
		if err := deleteRole(ctx, tx, r.id); err != nil {
			return err
		}
		return s.record(ctx, tx, "role.delete", name, map[string]any{"account": acc.ID})
	})
}

// GiveRole gives a member of an account a role there. An account without a name is the
// caller's own, and for the operator the user's first one. Nobody gives a role with a
// permission that they lack, and nobody changes who is stronger.
func (s *Service) GiveRole(ctx context.Context, user, account, role string) error {
	if err := ticket.From(ctx).DemandFresh(s.now()); err != nil {
		return err
	}
	return s.changeMember(ctx, user, account, func(tx *db.Tx, u User, acc Account) error {
		if err := s.giveRole(ctx, tx, acc, u.ID, role); err != nil {
			return err
		}
		return s.record(ctx, tx, "user.role_give", u.ID, map[string]any{"account": acc.ID, "role": role})
	})
}

// TakeRole takes a role from a member of an account, as GiveRole gives one. It returns
// ErrLastAdministrator where nobody would administer the installation any more, and
// ErrNoRole where the user has it not.
func (s *Service) TakeRole(ctx context.Context, user, account, role string) error {
	return s.changeMember(ctx, user, account, func(tx *db.Tx, u User, acc Account) error {
		r, err := findRole(ctx, tx, acc.ID, role)
		if err != nil {
			return err
		}
		if err := deleteMembershipRole(ctx, tx, acc.ID, u.ID, r.id); err != nil {
			return err
		}
		if acc.System && role == Administrator {
			if err := keepAdministrator(ctx, tx); err != nil {
				return err
			}
		}
		return s.record(ctx, tx, "user.role_take", u.ID, map[string]any{"account": acc.ID, "role": role})
	})
}

// keepAdministrator refuses what left the system account without an administrator.
// It locks the account, so that two cannot go at once.
func keepAdministrator(ctx context.Context, tx *db.Tx) error {
	system, err := systemAccount(ctx, tx)
	if err != nil {
		return err
	}
	left, err := hasAdministrator(ctx, tx, system.ID)
	if err == nil && !left {
		err = ErrLastAdministrator
	}
	return err
}

// giveRole gives a role to a member. Nobody gives a role with a permission that
// they lack themselves.
func (s *Service) giveRole(ctx context.Context, tx *db.Tx, acc Account, user, name string) error {
	r, err := findRole(ctx, tx, acc.ID, name)
	if err != nil {
		return err
	}
	if err := s.mayTouch(ticket.From(ctx), s.expand(r.stored, acc.System)); err != nil {
		return err
	}
	return insertMembershipRole(ctx, tx, acc.ID, user, r.id)
}

// mayTouch refuses to deal with a permission that the caller lacks. Without a caller it
// is the installation itself.
func (s *Service) mayTouch(t *ticket.Ticket, permissions []string) error {
	if t == nil || t.Kind == ticket.System {
		return nil
	}
	for _, p := range permissions {
		if err := t.Demand(p); err != nil {
			return err
		}
	}
	return nil
}

// mayHand refuses permissions that no role of the account may hold, or that the caller lacks.
func (s *Service) mayHand(ctx context.Context, permissions []string, acc Account) error {
	t := ticket.From(ctx)
	for _, p := range permissions {
		switch {
		case !s.holdable(p, true):
			return ErrPermission.At(p)
		case !s.holdable(p, acc.System):
			return ErrNodeOnly.At(p)
		case !t.May(p):
			return t.Demand(p)
		}
	}
	return nil
}

// changeAccount runs fn on an account in which the caller may change users and roles.
func (s *Service) changeAccount(ctx context.Context, account string, fn func(tx *db.Tx, acc Account) error) error {
	t := ticket.From(ctx)
	if err := t.Demand("users:write"); err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		acc, err := s.accountFor(ctx, tx, t, account)
		if err != nil {
			return err
		}
		return fn(tx, acc)
	})
}

// changeRole runs fn on a role, locked, all of whose permissions the caller holds.
func (s *Service) changeRole(ctx context.Context, account, name string, fn func(tx *db.Tx, acc Account, r Role) error) error {
	return s.changeAccount(ctx, account, func(tx *db.Tx, acc Account) error {
		r, err := findRole(ctx, tx, acc.ID, name)
		if err != nil {
			return err
		}
		if err := s.mayTouch(ticket.From(ctx), s.expand(r.stored, acc.System)); err != nil {
			return err
		}
		return fn(tx, acc, r)
	})
}

// changeMember runs fn on a user, locked, whom the caller may change, and an account
// that the user belongs to.
func (s *Service) changeMember(ctx context.Context, user, account string, fn func(tx *db.Tx, u User, acc Account) error) error {
	t := ticket.From(ctx)
	return s.changeUser(ctx, user, func(tx *db.Tx, u User) error {
		if t.Kind == ticket.System {
			acc, err := accountOfMember(ctx, tx, u.ID, account)
			if err != nil {
				return err
			}
			return fn(tx, u, acc)
		}
		acc, err := s.accountFor(ctx, tx, t, account)
		if err != nil {
			return err
		}
		if err := memberOf(ctx, tx, u.ID, acc.ID); err != nil {
			return err
		}
		return fn(tx, u, acc)
	})
}
