package account

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"signet/internal/fault"
)

// maxBody is how long a request body of these calls may be, in bytes.
const maxBody = 64 << 10

var errNoInvitations = fault.New(fault.Invalid, "this installation invites nobody").At("invite")

// Inviter lets people in who cannot sign in yet, or not any more.
type Inviter interface {
	Invite(ctx context.Context, n NewUser) (User, error)
	// SetupLink returns the address by which a user sets up how they sign in.
	SetupLink(ctx context.Context, user string) (address string, err error)
	// ResetFactors takes all second factors from a user.
	ResetFactors(ctx context.Context, user string) error
}

// Administration is what the routes of administrators serve.
type Administration struct {
	Users      *Service
	Identities *Identities
	Sessions   *Sessions
	Inviter    Inviter // nil: nobody is invited, and the routes for that are not there
}

// AdminRoutes mounts users, roles, accounts and service keys on api.
func AdminRoutes(api huma.API, a Administration) {
	h := adminHandler{a}
	h.mountUsers(api)
	h.mountAccess(api)
	h.mountRoles(api)
	h.mountAccounts(api)
	h.mountKeys(api)
}

type adminHandler struct{ Administration }

// adminOperation describes one call below /api/v1.
func adminOperation(tag, method, path, id, summary string, status int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary,
		DefaultStatus: status, MaxBodyBytes: maxBody, Tags: []string{tag},
	}
}

type answer[T any] struct{ Body T }

// nothing is the answer 204.
type nothing = struct{}

// stamp is a time as clients get it; empty where it is zero.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// listOf is never null.
func listOf[T, U any](all []T, out func(T) U) []U {
	list := make([]U, 0, len(all))
	for _, v := range all {
		list = append(list, out(v))
	}
	return list
}

func (h adminHandler) mountUsers(api huma.API) {
	op := func(method, path, id, summary string, status int) huma.Operation {
		return adminOperation("users", method, "/users"+path, id, summary, status)
	}
	huma.Register(api, op(http.MethodGet, "", "list-users", "List users by name", 200), h.listUsers)
	huma.Register(api, op(http.MethodPost, "", "create-user", "Create a user, or invite one", 201), h.createUser)
	huma.Register(api, op(http.MethodGet, "/{user}", "show-user", "Show a user", 200), h.showUser)
	huma.Register(api, op(http.MethodPatch, "/{user}", "rename-user", "Give a user another name", 200), h.renameUser)
	huma.Register(api, op(http.MethodPost, "/{user}/disable", "disable-user", "Close every door to a user at once", 204), h.disableUser)
	huma.Register(api, op(http.MethodPost, "/{user}/enable", "enable-user", "Let a disabled user act again", 204), h.enableUser)
	huma.Register(api, op(http.MethodPost, "/{user}/addresses", "add-user-address", "Give a user a further verified address", 204), h.addAddress)
	huma.Register(api, op(http.MethodDelete, "/{user}/addresses/{address}", "remove-user-address", "Take an address from a user", 204), h.removeAddress)
	huma.Register(api, op(http.MethodPut, "/{user}/roles/{role}", "give-role", "Give a member a role", 204), h.giveRole)
	huma.Register(api, op(http.MethodDelete, "/{user}/roles/{role}", "take-role", "Take a role from a member", 204), h.takeRole)
}

type membershipJSON struct {
	AccountID string   `json:"account_id"`
	Account   string   `json:"account" doc:"Its name"`
	Roles     []string `json:"roles"`
}

type factorsJSON struct {
	Password bool `json:"password"`
	TOTP     bool `json:"totp"`
	Passkeys int  `json:"passkeys" doc:"How many"`
	MFA      bool `json:"mfa" doc:"The user has a second factor asked at each sign-in"`
}

type userJSON struct {
	UserID      string           `json:"user_id"`
	DisplayName string           `json:"display_name"`
	Addresses   []string         `json:"addresses" doc:"Verified, oldest first"`
	Memberships []membershipJSON `json:"memberships" doc:"Of the caller's account"`
	CreatedAt   string           `json:"created_at"`
	DisabledAt  string           `json:"disabled_at,omitempty"`
	LastSeenAt  string           `json:"last_seen_at,omitempty" doc:"To the minute"`
	Factors     factorsJSON      `json:"factors"`
}

func userOut(u UserInfo) userJSON {
	return userJSON{
		UserID: u.ID, DisplayName: u.DisplayName, Addresses: listOf(u.Addresses, same),
		Memberships: listOf(u.Memberships, func(m Membership) membershipJSON {
			return membershipJSON{m.Account, m.Name, listOf(m.Roles, same)}
		}),
		CreatedAt: stamp(u.Created), DisabledAt: stamp(u.Disabled), LastSeenAt: stamp(u.LastSeen),
		Factors: factorsJSON{u.Password, u.TOTP, u.Passkeys, u.MFA},
	}
}

func same(s string) string { return s }

type usersJSON struct {
	Users []userJSON `json:"users"`
	Next  string     `json:"next,omitempty" doc:"Cursor of the next page; missing at the end"`
}

func (h adminHandler) listUsers(ctx context.Context, in *struct {
	Account  string `query:"account" doc:"Name of the account; the caller's own where it is missing"`
	Query    string `query:"q" doc:"How the name or a verified address begins"`
	Disabled string `query:"disabled" enum:"true,false" doc:"Only those who are, or are not"`
	Cursor   string `query:"cursor" doc:"next of the page before"`
	Limit    int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
},
) (*answer[usersJSON], error) {
	l := ListUsers{Account: in.Account, Query: in.Query, Cursor: in.Cursor, Limit: in.Limit}
	if in.Disabled != "" {
		disabled := in.Disabled == "true"
		l.Disabled = &disabled
	}
	p, err := h.Users.ListUsers(ctx, l)
	if err != nil {
		return nil, err
	}
	return &answer[usersJSON]{usersJSON{listOf(p.Users, userOut), p.Next}}, nil
}

func (h adminHandler) createUser(ctx context.Context, in *struct {
	Body struct {
		Email       string   `json:"email" doc:"Counts as verified: the caller vouches for it"`
		DisplayName string   `json:"display_name,omitempty" doc:"The address where it is missing"`
		Account     string   `json:"account,omitempty" doc:"Name of the account; the caller's own where it is missing"`
		Roles       []string `json:"roles,omitempty"`
		Invite      bool     `json:"invite,omitempty" doc:"Mail them a link to set up how they sign in"`
	}
},
) (*answer[newUserJSON], error) {
	b := in.Body
	create := h.Users.CreateUser
	if b.Invite {
		if h.Inviter == nil {
			return nil, errNoInvitations
		}
		create = h.Inviter.Invite
	}
	u, err := create(ctx, NewUser{Email: b.Email, DisplayName: b.DisplayName, Account: b.Account, Roles: b.Roles})
	if err != nil {
		return nil, err
	}
	return &answer[newUserJSON]{newUserJSON{u.ID}}, nil
}

type newUserJSON struct {
	UserID string `json:"user_id"`
}

// UserPath is embedded in what calls take; huma fills embedded fields of exported types only.
type UserPath struct {
	User string `path:"user" doc:"Id or verified address"`
}

func (h adminHandler) showUser(ctx context.Context, in *UserPath) (*answer[userJSON], error) {
	u, err := h.Users.GetUser(ctx, in.User)
	if err != nil {
		return nil, err
	}
	return &answer[userJSON]{userOut(u)}, nil
}

func (h adminHandler) renameUser(ctx context.Context, in *struct {
	UserPath
	Body struct {
		DisplayName string `json:"display_name"`
	}
},
) (*answer[userJSON], error) {
	if err := h.Users.UpdateUser(ctx, in.User, in.Body.DisplayName); err != nil {
		return nil, err
	}
	return h.showUser(ctx, &in.UserPath)
}

func (h adminHandler) disableUser(ctx context.Context, in *UserPath) (*nothing, error) {
	return nil, h.Users.Disable(ctx, in.User)
}

func (h adminHandler) enableUser(ctx context.Context, in *UserPath) (*nothing, error) {
	return nil, h.Users.Enable(ctx, in.User)
}

func (h adminHandler) addAddress(ctx context.Context, in *struct {
	UserPath
	Body struct {
		Address string `json:"address" doc:"Counts as verified: the caller vouches for it"`
	}
},
) (*nothing, error) {
	return nil, h.Users.AddAddress(ctx, in.User, in.Body.Address)
}

func (h adminHandler) removeAddress(ctx context.Context, in *struct {
	UserPath
	Address string `path:"address"`
},
) (*nothing, error) {
	return nil, h.Users.RemoveAddress(ctx, in.User, in.Address)
}

type rolePath struct {
	UserPath
	Role    string `path:"role"`
	Account string `query:"account" doc:"Name of the account; the caller's own where it is missing"`
}

func (h adminHandler) giveRole(ctx context.Context, in *rolePath) (*nothing, error) {
	return nil, h.Users.GiveRole(ctx, in.User, in.Account, in.Role)
}

func (h adminHandler) takeRole(ctx context.Context, in *rolePath) (*nothing, error) {
	return nil, h.Users.TakeRole(ctx, in.User, in.Account, in.Role)
}
