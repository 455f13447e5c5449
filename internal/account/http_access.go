package account

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// mountAccess mounts how users get in: tokens, identities, sessions, and help for who
// lost them.
func (h adminHandler) mountAccess(api huma.API) {
	op := func(method, path, id, summary string, status int) huma.Operation {
		return adminOperation("users", method, "/users/{user}"+path, id, summary, status)
	}
	huma.Register(api, op(http.MethodGet, "/tokens", "list-user-tokens", "List the live API tokens of a user", 200), h.listTokens)
	huma.Register(api, adminOperation("users", http.MethodDelete, "/tokens/{token_id}", "revoke-token", "End an API token", 204), h.revokeToken)
	huma.Register(api, op(http.MethodGet, "/identities", "list-user-identities", "List who a user is at identity providers", 200), h.listIdentities)
	huma.Register(api, op(http.MethodDelete, "/identities/{identity_id}", "unlink-user-identity", "Take an identity from a user", 204), h.unlink)
	huma.Register(api, op(http.MethodGet, "/sessions", "list-user-sessions", "List where a user is signed in", 200), h.listSessions)
	huma.Register(api, op(http.MethodDelete, "/sessions", "end-user-sessions", "Sign a user out everywhere", 200), h.endSessions)
	huma.Register(api, op(http.MethodDelete, "/sessions/{session_id}", "end-user-session", "End a session", 204), h.endSession)
	if h.Inviter == nil {
		return
	}
	huma.Register(api, op(http.MethodPost, "/setup-link", "make-setup-link", "Make a link by which a user sets up how they sign in", 201), h.setupLink)
	huma.Register(api, op(http.MethodPost, "/reset-factors", "reset-factors", "Take all second factors from a user", 204), h.resetFactors)
}

type tokenJSON struct {
	TokenID   string   `json:"token_id"`
	Name      string   `json:"name"`
	Scopes    []string `json:"scopes,omitempty" doc:"Missing where the token is not narrowed"`
	CreatedAt string   `json:"created_at"`
	ExpiresAt string   `json:"expires_at,omitempty"`
}

func tokenOut(t Token) tokenJSON {
	return tokenJSON{t.ID, t.Name, t.Scopes, stamp(t.Created), stamp(t.Expires)}
}

func (h adminHandler) listTokens(ctx context.Context, in *UserPath) (*answer[[]tokenJSON], error) {
	all, err := h.Users.ListTokens(ctx, in.User)
	if err != nil {
		return nil, err
	}
	return &answer[[]tokenJSON]{listOf(all, tokenOut)}, nil
}

func (h adminHandler) revokeToken(ctx context.Context, in *struct {
	Token string `path:"token_id"`
},
) (*nothing, error) {
	return nil, h.Users.RevokeToken(ctx, in.Token)
}

type identityJSON struct {
	IdentityID  string `json:"identity_id"`
	Provider    string `json:"provider"`
	Issuer      string `json:"issuer"`
	ProviderSub string `json:"provider_sub" doc:"Who the user is there"`
	Email       string `json:"email,omitempty" doc:"As the provider told it; it proves nothing"`
	DisplayName string `json:"display_name,omitempty"`
	CreatedAt   string `json:"created_at"`
	LastUsedAt  string `json:"last_used_at"`
}

func identityOut(i Identity) identityJSON {
	return identityJSON{i.ID, i.Provider, i.Issuer, i.ProviderSub, i.Email, i.DisplayName, stamp(i.Created), stamp(i.LastUsed)}
}

func (h adminHandler) listIdentities(ctx context.Context, in *UserPath) (*answer[[]identityJSON], error) {
	all, err := h.Identities.List(ctx, in.User)
	if err != nil {
		return nil, err
	}
	return &answer[[]identityJSON]{listOf(all, identityOut)}, nil
}

func (h adminHandler) unlink(ctx context.Context, in *struct {
	UserPath
	Identity string `path:"identity_id"`
},
) (*nothing, error) {
	return nil, h.Identities.Unlink(ctx, in.User, in.Identity)
}

type sessionJSON struct {
	SessionID  string   `json:"session_id"`
	AMR        []string `json:"amr" doc:"How the user proved themselves (RFC 8176)"`
	AuthTime   string   `json:"auth_time"`
	CreatedAt  string   `json:"created_at"`
	LastSeenAt string   `json:"last_seen_at" doc:"To the minute"`
	ExpiresAt  string   `json:"expires_at" doc:"Unless it is used before"`
	Address    string   `json:"address" doc:"Of the last use"`
	Device     string   `json:"device" doc:"What the browser says it is"`
	Current    bool     `json:"current,omitempty" doc:"The caller's own"`
}

func sessionOut(s Session) sessionJSON {
	return sessionJSON{
		s.ID, listOf(s.AMR, same), stamp(s.AuthTime), stamp(s.Created), stamp(s.LastSeen), stamp(s.Expires), s.Address, s.Device, s.Current,
	}
}

func (h adminHandler) listSessions(ctx context.Context, in *UserPath) (*answer[[]sessionJSON], error) {
	all, err := h.Sessions.List(ctx, in.User)
	if err != nil {
		return nil, err
	}
	return &answer[[]sessionJSON]{listOf(all, sessionOut)}, nil
}

type endedJSON struct {
	Ended int `json:"ended" doc:"How many sessions"`
}

func (h adminHandler) endSessions(ctx context.Context, in *UserPath) (*answer[endedJSON], error) {
	n, err := h.Sessions.RevokeOthers(ctx, in.User, "")
	if err != nil {
		return nil, err
	}
	return &answer[endedJSON]{endedJSON{n}}, nil
}

func (h adminHandler) endSession(ctx context.Context, in *struct {
	UserPath
	Session string `path:"session_id"`
},
) (*nothing, error) {
	return nil, h.Sessions.Revoke(ctx, in.User, in.Session)
}

type linkJSON struct {
	Link string `json:"link" doc:"Whoever has it signs in as the user: hand it over in private"`
}

func (h adminHandler) setupLink(ctx context.Context, in *UserPath) (*answer[linkJSON], error) {
	link, err := h.Inviter.SetupLink(ctx, in.User)
	if err != nil {
		return nil, err
	}
	return &answer[linkJSON]{linkJSON{link}}, nil
}

func (h adminHandler) resetFactors(ctx context.Context, in *UserPath) (*nothing, error) {
	return nil, h.Inviter.ResetFactors(ctx, in.User)
}
