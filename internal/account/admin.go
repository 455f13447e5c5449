package account

import (
	"context"
	"strings"
	"time"

	"signet/internal/db"
	"signet/internal/ticket"
)

// How many users are on one page.
const (
	userPage  = 100
	userPages = 500
)

// UserInfo is a user as administrators see them.
type UserInfo struct {
	User
	Memberships []Membership // of the caller's account, or of all for the operator; by name
	LastSeen    time.Time    // last use of the newest session; zero where there is none
	Password    bool
	TOTP        bool
	Passkeys    int
	MFA         bool // the user has a second factor asked at each sign-in

	sortName string
}

// Membership is what a user is in an account.
type Membership struct {
	Account string // id
	Name    string // of the account
	Roles   []string
}

// ListUsers says which users to list.
type ListUsers struct {
	Account  string // name; where it is empty the caller's own, and for the operator all
	Query    string // how the name or a verified address begins, in any case
	Disabled *bool  // nil: both
	Sort     string // name, -name, created or -created; name where it is empty
	Cursor   string // Next of the page before
	Limit    int    // 1 to 500; 100 where it is 0
}

// UserPage is a part of a list.
type UserPage struct {
	Users []UserInfo
	Next  string // cursor of the next page; empty at the end
}

// ListUsers lists the members of an account. The caller needs users:read.
func (s *Service) ListUsers(ctx context.Context, l ListUsers) (p UserPage, err error) {
	t := ticket.From(ctx)
	if err := t.Demand("users:read"); err != nil {
		return p, err
	}
	f, err := l.filter()
	if err != nil {
		return p, err
	}
	err = s.db.View(ctx, func(tx *db.Tx) error {
		if t.Kind != ticket.System || l.Account != "" {
			acc, err := s.accountFor(ctx, tx, t, l.Account)
			if err != nil {
				return err
			}
			f.account = acc.ID
		}
		p.Users, err = listUsers(ctx, tx, f)
		return err
	})
	if err != nil {
		return UserPage{}, err
	}
	if len(p.Users) == f.limit { // one more than was asked for
		p.Users = p.Users[:f.limit-1]
		last := p.Users[len(p.Users)-1]
		p.Next = db.Cursor(last.sortName, last.ID)
		if f.order.Word == "created" {
			p.Next = db.TimeCursor(last.Created, last.ID)
		}
	}
	return p, nil
}

func (l ListUsers) filter() (f userFilter, err error) {
	if err := db.Clean("q", l.Query); err != nil {
		return f, err
	}
	f.order, err = db.ReadOrder(l.Sort, "name", map[string]string{"name": "u.sort_name", "created": "u.created_at"})
	if err != nil {
		return f, err
	}
	if f.after, f.afterID, err = afterUser(f.order, l.Cursor); err != nil {
		return f, err
	}
	f.prefix = sortName(strings.TrimSpace(l.Query))
	if l.Disabled != nil {
		f.state = stateEnabled
		if *l.Disabled {
			f.state = stateDisabled
		}
	}
	if f.limit = min(max(l.Limit, 0), userPages); f.limit == 0 {
		f.limit = userPage
	}
	f.limit++
	return f, nil
}

// afterUser returns the values of a cursor: a name or a time, and an id.
func afterUser(o db.Order, cursor string) (after any, id string, err error) {
	if o.Word == "created" {
		return o.ReadTime(cursor)
	}
	values, err := db.ReadCursor(cursor, 2)
	if err != nil {
		return nil, "", err
	}
	return values[0], values[1], nil
}

// sortName returns a name as users are ordered and found by.
func sortName(name string) string { return strings.ToLower(name) }

// GetUser returns a user, named by id or verified address. Users see themselves; others
// need users:read, in an account of the user.
func (s *Service) GetUser(ctx context.Context, user string) (info UserInfo, err error) {
	t := ticket.From(ctx)
	err = s.readUser(ctx, user, func(tx *db.Tx, u User) error {
		f := userFilter{user: u.ID, limit: 1}
		if t.Kind != ticket.System {
			f.account = t.Account
		}
		found, err := listUsers(ctx, tx, f)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return ErrNoUser
		}
		info = found[0]
		return nil
	})
	return info, err
}

// UpdateUser gives a user another name to show.
func (s *Service) UpdateUser(ctx context.Context, user, name string) error {
	if err := checkName("display_name", name); err != nil {
		return err
	}
	return s.changeUser(ctx, user, func(tx *db.Tx, u User) error {
		if err := setName(ctx, tx, u.ID, name); err != nil {
			return err
		}
		return s.record(ctx, tx, "user.rename", u.ID, map[string]any{"name": name})
	})
}
