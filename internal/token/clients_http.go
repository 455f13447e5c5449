package token

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// maxAdminBody is how long a request body of these calls may be, in bytes.
const maxAdminBody = 256 << 10

// AdminRoutes mounts clients and what accounts demand of them on api.
func AdminRoutes(api huma.API, s *Clients) {
	h := clientHandler{s}
	op := func(method, path, id, summary string, status int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary,
			DefaultStatus: status, MaxBodyBytes: maxAdminBody, Tags: []string{"clients"},
		}
	}
	huma.Register(api, op(http.MethodGet, "/clients", "list-clients", "List OAuth clients, oldest first", 200), h.list)
	huma.Register(api, op(http.MethodPost, "/clients", "create-client", "Create an OAuth client", 201), h.create)
	huma.Register(api, op(http.MethodGet, "/clients/{client_id}", "show-client", "Show an OAuth client", 200), h.show)
	huma.Register(api, op(http.MethodPatch, "/clients/{client_id}", "update-client", "Change an OAuth client", 200), h.update)
	huma.Register(api, op(http.MethodPost, "/clients/{client_id}/rotate", "rotate-client-secret", "Give an OAuth client a new secret", 200), h.rotate)
	huma.Register(api, op(http.MethodDelete, "/clients/{client_id}", "delete-client", "Delete an OAuth client", 204), h.remove)
	huma.Register(api, op(http.MethodGet, "/accounts/{account}/token-policy", "show-token-policy", "Show what an account demands of its clients", 200), h.policy)
	huma.Register(api, op(http.MethodPut, "/accounts/{account}/token-policy", "set-token-policy", "Set what an account demands of its clients", 200), h.setPolicy)
}

type clientHandler struct{ clients *Clients }

type adminAnswer[T any] struct{ Body T }

type policyJSON struct {
	DPoP Demand `json:"dpop,omitempty" enum:"off,optional,required" doc:"A key (RFC 9449)"`
	MTLS Demand `json:"mtls,omitempty" enum:"off,optional,required" doc:"A certificate (RFC 8705)"`
}

type keySetJSON struct {
	Keys []map[string]any `json:"keys" doc:"Public keys (RFC 7517)"`
}

// text returns the set as it is kept.
func (k *keySetJSON) text() (string, error) {
	if k == nil {
		return "", nil
	}
	b, err := json.Marshal(k)
	return string(b), err
}

type clientJSON struct {
	ClientID  string     `json:"client_id"`
	AccountID string     `json:"account_id"`
	Name      string     `json:"name"`
	Auth      AuthMethod `json:"auth_method"`
	Grants    []string   `json:"grants"`
	Scopes    []string   `json:"scopes"`

	Redirects           []string `json:"redirect_uris"`
	PostLogoutRedirects []string `json:"post_logout_redirect_uris"`
	LogoutURI           string   `json:"backchannel_logout_uri,omitempty"`

	Audiences []string `json:"audiences"`
	Format    Format   `json:"token_format"`

	JWKS       *keySetJSON `json:"jwks,omitempty"`
	JWKSURI    string      `json:"jwks_uri,omitempty"`
	TLSSubject string      `json:"tls_subject,omitempty"`

	Consent Consent    `json:"consent"`
	Policy  policyJSON `json:"policy"`

	CreatedAt      string `json:"created_at"`
	DisabledAt     string `json:"disabled_at,omitempty" doc:"It was deleted then"`
	OldSecretUntil string `json:"old_secret_until,omitempty" doc:"How long the secret before the last one is good"`
}

func clientOut(c Client) clientJSON {
	out := clientJSON{
		ClientID: c.ID, AccountID: c.Account, Name: c.Name, Auth: c.Auth, Grants: full(c.Grants), Scopes: full(c.Scopes),
		Redirects: full(c.Redirects), PostLogoutRedirects: full(c.PostLogoutRedirects), LogoutURI: c.LogoutURI,
		Audiences: full(c.Audiences), Format: c.Format, JWKSURI: c.JWKSURI, TLSSubject: c.TLSSubject,
		Consent: c.Consent, Policy: policyJSON(c.Policy),
		CreatedAt: stamp(c.Created), DisabledAt: stamp(c.Disabled), OldSecretUntil: stamp(c.OldSecretUntil),
	}
	if c.JWKS != "" {
		out.JWKS = &keySetJSON{}
		_ = json.Unmarshal([]byte(c.JWKS), out.JWKS) // it was read before it was kept
	}
	return out
}

// full is never null.
func full(list []string) []string { return append([]string{}, list...) }

// stamp is a time as callers get it; empty where it is zero.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (h clientHandler) list(ctx context.Context, _ *struct{}) (*adminAnswer[[]clientJSON], error) {
	all, err := h.clients.List(ctx)
	if err != nil {
		return nil, err
	}
	out := []clientJSON{}
	for _, c := range all {
		out = append(out, clientOut(c))
	}
	return &adminAnswer[[]clientJSON]{out}, nil
}

type newClientJSON struct {
	ClientID string     `json:"client_id,omitempty" doc:"1 to 64 of a-z, 0-9, -, _ and .; made where it is missing"`
	Name     string     `json:"name"`
	Account  string     `json:"account,omitempty" doc:"Name of the account; the caller's own where it is missing"`
	Auth     AuthMethod `json:"auth_method,omitempty" enum:"client_secret_basic,client_secret_post,private_key_jwt,tls_client_auth,self_signed_tls_client_auth,none" doc:"How it proves itself; client_secret_basic where it is missing"`
	Grants   []string   `json:"grants,omitempty" doc:"authorization_code, refresh_token, client_credentials, urn:ietf:params:oauth:grant-type:device_code"`
	Scopes   []string   `json:"scopes,omitempty" doc:"What it may ask for. One with the name of a permission opens what the permission opens"`

	Redirects           []string `json:"redirect_uris,omitempty" doc:"Compared exactly, but for the port of a loopback URI that has none"`
	PostLogoutRedirects []string `json:"post_logout_redirect_uris,omitempty"`
	LogoutURI           string   `json:"backchannel_logout_uri,omitempty"`

	Audiences []string `json:"audiences,omitempty" doc:"Resources that it may have tokens for; the first one is the default"`
	Format    Format   `json:"token_format,omitempty" enum:"jwt,opaque"`

	JWKS       *keySetJSON `json:"jwks,omitempty" doc:"Of private_key_jwt and self_signed_tls_client_auth; or jwks_uri"`
	JWKSURI    string      `json:"jwks_uri,omitempty"`
	TLSSubject string      `json:"tls_subject,omitempty" doc:"Of tls_client_auth: dn:, dns:, uri:, ip: or email: and the value"`

	Consent Consent    `json:"consent,omitempty" enum:"ask,never"`
	Policy  policyJSON `json:"policy,omitzero"`
}

type createdClientJSON struct {
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret,omitempty" doc:"Shown this once; missing where the client proves itself otherwise"`
}

func (h clientHandler) create(ctx context.Context, in *struct{ Body newClientJSON }) (*adminAnswer[createdClientJSON], error) {
	b := in.Body
	jwks, err := b.JWKS.text()
	if err != nil {
		return nil, err
	}
	c, secret, err := h.clients.Create(ctx, NewClient{
		ID: b.ClientID, Name: b.Name, Account: b.Account, Auth: b.Auth, Grants: b.Grants, Scopes: b.Scopes,
		Redirects: b.Redirects, PostLogoutRedirects: b.PostLogoutRedirects, LogoutURI: b.LogoutURI,
		Audiences: b.Audiences, Format: b.Format, JWKS: jwks, JWKSURI: b.JWKSURI, TLSSubject: b.TLSSubject,
		Consent: b.Consent, Policy: Policy(b.Policy),
	})
	if err != nil {
		return nil, err
	}
	return &adminAnswer[createdClientJSON]{createdClientJSON{c.ID, secret}}, nil
}

// ClientPath is embedded in what calls take; huma fills embedded fields of exported types only.
type ClientPath struct {
	Client string `path:"client_id"`
}

func (h clientHandler) show(ctx context.Context, in *ClientPath) (*adminAnswer[clientJSON], error) {
	c, err := h.clients.Get(ctx, in.Client)
	if err != nil {
		return nil, err
	}
	return &adminAnswer[clientJSON]{clientOut(c)}, nil
}

// changedClientJSON is what a client is changed by: what is missing stays.
type changedClientJSON struct {
	Name   *string     `json:"name,omitempty"`
	Auth   *AuthMethod `json:"auth_method,omitempty" doc:"Of the same kind as before: secret, keys, certificate or none"`
	Grants []string    `json:"grants,omitempty"`
	Scopes []string    `json:"scopes,omitempty"`

	Redirects           []string `json:"redirect_uris,omitempty"`
	PostLogoutRedirects []string `json:"post_logout_redirect_uris,omitempty"`
	LogoutURI           *string  `json:"backchannel_logout_uri,omitempty"`

	Audiences []string `json:"audiences,omitempty"`
	Format    *Format  `json:"token_format,omitempty" enum:"jwt,opaque"`

	JWKS       *keySetJSON `json:"jwks,omitempty" doc:"Takes the place of jwks_uri"`
	JWKSURI    *string     `json:"jwks_uri,omitempty" doc:"Takes the place of jwks"`
	TLSSubject *string     `json:"tls_subject,omitempty"`

	Consent *Consent   `json:"consent,omitempty" enum:"ask,never"`
	Policy  policyJSON `json:"policy,omitzero"`
}

func (b changedClientJSON) change(c *Client, jwks string) {
	set(&c.Name, b.Name)
	set(&c.Auth, b.Auth)
	set(&c.LogoutURI, b.LogoutURI)
	set(&c.Format, b.Format)
	set(&c.TLSSubject, b.TLSSubject)
	set(&c.Consent, b.Consent)
	for into, list := range map[*[]string][]string{
		&c.Grants: b.Grants, &c.Scopes: b.Scopes, &c.Redirects: b.Redirects, &c.PostLogoutRedirects: b.PostLogoutRedirects, &c.Audiences: b.Audiences,
	} {
		if list != nil {
			*into = list
		}
	}
	if jwks != "" || b.JWKSURI != nil {
		c.JWKS, c.JWKSURI = jwks, ""
		set(&c.JWKSURI, b.JWKSURI)
	}
	if b.Policy.DPoP != "" {
		c.Policy.DPoP = b.Policy.DPoP
	}
	if b.Policy.MTLS != "" {
		c.Policy.MTLS = b.Policy.MTLS
	}
}

// set sets a value that was sent.
func set[T any](into, value *T) {
	if value != nil {
		*into = *value
	}
}

func (h clientHandler) update(ctx context.Context, in *struct {
	ClientPath
	Body changedClientJSON
},
) (*adminAnswer[clientJSON], error) {
	jwks, err := in.Body.JWKS.text()
	if err != nil {
		return nil, err
	}
	c, _, err := h.clients.Update(ctx, in.Client, func(c *Client) { in.Body.change(c, jwks) })
	if err != nil {
		return nil, err
	}
	return &adminAnswer[clientJSON]{clientOut(c)}, nil
}

type rotatedJSON struct {
	ClientSecret string `json:"client_secret" doc:"Shown this once"`
}

func (h clientHandler) rotate(ctx context.Context, in *struct {
	ClientPath
	EndOld bool `query:"end_old" doc:"The secret before ends at once, not in 24 hours"`
},
) (*adminAnswer[rotatedJSON], error) {
	secret, err := h.clients.Rotate(ctx, in.Client, in.EndOld)
	if err != nil {
		return nil, err
	}
	return &adminAnswer[rotatedJSON]{rotatedJSON{secret}}, nil
}

func (h clientHandler) remove(ctx context.Context, in *ClientPath) (*struct{}, error) {
	return nil, h.clients.Disable(ctx, in.Client)
}

// TenantPath is embedded as [ClientPath] is.
type TenantPath struct {
	Account string `path:"account" doc:"Id or name"`
}

func (h clientHandler) policy(ctx context.Context, in *TenantPath) (*adminAnswer[policyJSON], error) {
	p, err := h.clients.TenantPolicy(ctx, in.Account)
	if err != nil {
		return nil, err
	}
	return &adminAnswer[policyJSON]{policyJSON(p)}, nil
}

func (h clientHandler) setPolicy(ctx context.Context, in *struct {
	TenantPath
	Body policyJSON
},
) (*adminAnswer[policyJSON], error) {
	if err := h.clients.SetTenantPolicy(ctx, in.Account, Policy(in.Body)); err != nil {
		return nil, err
	}
	return h.policy(ctx, &in.TenantPath)
}
