package account

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

func (h adminHandler) mountRoles(api huma.API) {
	op := func(method, path, id, summary string, status int) huma.Operation {
		return adminOperation("roles", method, "/roles"+path, id, summary, status)
	}
	huma.Register(api, op(http.MethodGet, "", "list-roles", "List the roles of an account", 200), h.listRoles)
	huma.Register(api, op(http.MethodPost, "", "create-role", "Create a role", 201), h.createRole)
	huma.Register(api, op(http.MethodPatch, "/{role}", "update-role", "Change what a role gives and demands", 204), h.updateRole)
	huma.Register(api, op(http.MethodDelete, "/{role}", "delete-role", "Delete a role that nobody has", 204), h.deleteRole)
}

type roleJSON struct {
	Name        string   `json:"name"`
	Permissions []string `json:"permissions"`
	MFA         bool     `json:"mfa" doc:"Who has the role is asked for a second factor at each sign-in"`
	Members     int      `json:"members" doc:"How many have it"`
	CreatedAt   string   `json:"created_at"`
}

func roleOut(r Role) roleJSON {
	return roleJSON{r.Name, listOf(r.Permissions, same), r.MFA, r.Members, stamp(r.Created)}
}

// InAccount is embedded like [UserPath].
type InAccount struct {
	Account string `query:"account" doc:"Name of the account; the caller's own where it is missing"`
}

func (h adminHandler) listRoles(ctx context.Context, in *InAccount) (*answer[[]roleJSON], error) {
	all, err := h.Users.ListRoles(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	return &answer[[]roleJSON]{listOf(all, roleOut)}, nil
}

func (h adminHandler) createRole(ctx context.Context, in *struct {
	Body struct {
		Name        string   `json:"name"`
		Account     string   `json:"account,omitempty" doc:"Name of the account; the caller's own where it is missing"`
		Permissions []string `json:"permissions,omitempty"`
	}
},
) (*answer[roleNameJSON], error) {
	if err := h.Users.CreateRole(ctx, in.Body.Account, in.Body.Name, in.Body.Permissions); err != nil {
		return nil, err
	}
	return &answer[roleNameJSON]{roleNameJSON{in.Body.Name}}, nil
}

type roleNameJSON struct {
	Name string `json:"name"`
}

func (h adminHandler) updateRole(ctx context.Context, in *struct {
	InAccount
	Role string `path:"role"`
	Body struct {
		Permissions []string `json:"permissions,omitempty" doc:"All that it gives from now on; missing leaves them. Those of administrator are fixed"`
		MFA         bool     `json:"mfa" doc:"Who has the role is asked for a second factor at each sign-in"`
	}
},
) (*nothing, error) {
	return nil, h.Users.UpdateRole(ctx, in.Account, in.Role, in.Body.Permissions, &in.Body.MFA)
}

func (h adminHandler) deleteRole(ctx context.Context, in *struct {
	InAccount
	Role string `path:"role"`
},
) (*nothing, error) {
	return nil, h.Users.DeleteRole(ctx, in.Account, in.Role)
}

func (h adminHandler) mountAccounts(api huma.API) {
	op := func(method, path, id, summary string, status int) huma.Operation {
		return adminOperation("accounts", method, "/accounts"+path, id, summary, status)
	}
	huma.Register(api, op(http.MethodGet, "", "list-accounts", "List all accounts", 200), h.listAccounts)
	huma.Register(api, op(http.MethodPost, "", "create-account", "Create an account (tenant)", 201), h.createAccount)
	huma.Register(api, op(http.MethodPost, "/{account}/disable", "disable-account", "Close every door to the members of an account", 204), h.disableAccount)
	huma.Register(api, op(http.MethodPost, "/{account}/enable", "enable-account", "Let the members of an account act again", 204), h.enableAccount)
	huma.Register(api, op(http.MethodPut, "/{account}/mfa", "set-account-mfa", "Demand a second factor of all members, or not", 204), h.setAccountMFA)
}

type accountJSON struct {
	AccountID  string `json:"account_id"`
	Name       string `json:"name"`
	System     bool   `json:"system" doc:"Owns the installation"`
	MFA        bool   `json:"mfa" doc:"Members are asked for a second factor at each sign-in"`
	Members    int    `json:"members" doc:"How many, with disabled ones"`
	CreatedAt  string `json:"created_at"`
	DisabledAt string `json:"disabled_at,omitempty"`
}

func accountOut(a TenantInfo) accountJSON {
	return accountJSON{a.ID, a.Name, a.System, a.MFA, a.Members, stamp(a.Created), stamp(a.Disabled)}
}

func (h adminHandler) listAccounts(ctx context.Context, _ *struct{}) (*answer[[]accountJSON], error) {
	all, err := h.Users.ListAccounts(ctx)
	if err != nil {
		return nil, err
	}
	return &answer[[]accountJSON]{listOf(all, accountOut)}, nil
}

func (h adminHandler) createAccount(ctx context.Context, in *struct {
	Body struct {
		Name string `json:"name" doc:"Unique on this installation"`
	}
},
) (*answer[newAccountJSON], error) {
	a, err := h.Users.CreateAccount(ctx, in.Body.Name)
	if err != nil {
		return nil, err
	}
	return &answer[newAccountJSON]{newAccountJSON{a.ID}}, nil
}

type newAccountJSON struct {
	AccountID string `json:"account_id"`
}

// TenantPath is embedded like [UserPath].
type TenantPath struct {
	Account string `path:"account" doc:"Id or name"`
}

func (h adminHandler) disableAccount(ctx context.Context, in *TenantPath) (*nothing, error) {
	return nil, h.Users.DisableAccount(ctx, in.Account)
}

func (h adminHandler) enableAccount(ctx context.Context, in *TenantPath) (*nothing, error) {
	return nil, h.Users.EnableAccount(ctx, in.Account)
}

func (h adminHandler) setAccountMFA(ctx context.Context, in *struct {
	TenantPath
	Body struct {
		On bool `json:"on"`
	}
},
) (*nothing, error) {
	return nil, h.Users.SetAccountMFA(ctx, in.Account, in.Body.On)
}

func (h adminHandler) mountKeys(api huma.API) {
	op := func(method, path, id, summary string, status int) huma.Operation {
		return adminOperation("service-keys", method, "/service-keys"+path, id, summary, status)
	}
	huma.Register(api, op(http.MethodGet, "", "list-service-keys", "List the live service keys of an account", 200), h.listKeys)
	huma.Register(api, op(http.MethodPost, "", "create-service-key", "Create a service key; its secret is shown once", 201), h.createKey)
	huma.Register(api, op(http.MethodDelete, "/{key_id}", "revoke-service-key", "End a service key", 204), h.revokeKey)
}

type serviceKeyJSON struct {
	KeyID       string   `json:"key_id"`
	AccountID   string   `json:"account_id"`
	Name        string   `json:"name"`
	Permissions []string `json:"permissions"`
	Providers   []string `json:"providers" doc:"Identity providers that it may speak for; * is all"`
	CreatedAt   string   `json:"created_at"`
	ExpiresAt   string   `json:"expires_at,omitempty"`
}

func serviceKeyOut(k Key) serviceKeyJSON {
	return serviceKeyJSON{k.ID, k.Account, k.Name, listOf(k.Permissions, same), listOf(k.Providers, same), stamp(k.Created), stamp(k.Expires)}
}

func (h adminHandler) listKeys(ctx context.Context, in *InAccount) (*answer[[]serviceKeyJSON], error) {
	all, err := h.Users.ListKeys(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	return &answer[[]serviceKeyJSON]{listOf(all, serviceKeyOut)}, nil
}

type newKeyJSON struct {
	KeyID string `json:"key_id"`
	Key   string `json:"service_key" doc:"Shown this once"`
}

func (h adminHandler) createKey(ctx context.Context, in *struct {
	Body struct {
		Name        string   `json:"name"`
		Account     string   `json:"account,omitempty" doc:"Name of the account; the caller's own where it is missing"`
		Permissions []string `json:"permissions"`
		Providers   []string `json:"providers,omitempty"`
	}
},
) (*answer[newKeyJSON], error) {
	b := in.Body
	id, secret, err := h.Users.CreateKey(ctx, NewKey{Name: b.Name, Account: b.Account, Permissions: b.Permissions, Providers: b.Providers})
	if err != nil {
		return nil, err
	}
	return &answer[newKeyJSON]{newKeyJSON{id, secret}}, nil
}

func (h adminHandler) revokeKey(ctx context.Context, in *struct {
	Key string `path:"key_id"`
},
) (*nothing, error) {
	return nil, h.Users.RevokeKey(ctx, in.Key)
}
