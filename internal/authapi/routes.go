package authapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"signet/internal/ticket"
	"signet/internal/web"
)

// Permissions that service keys need here. Both are of the node.
const (
	PermissionLogin = "auth:login"
	PermissionOAuth = "auth:oauth"
)

// Persons returns the user whom an access token of [Session] proves, or an error of
// kind Unauthorized.
type Persons func(ctx context.Context, accessToken string) (*ticket.Ticket, error)

// Routes mounts a service for [Client] and others. The caller is a service key with
// auth:login; at /auth/oauth with auth:oauth for the provider. The user, where there
// is one, is the access token in Authorization: Bearer.
func Routes(mux *http.ServeMux, s Service, persons Persons) {
	h := routes{mux, persons}
	post(h, "/auth/password", s.Password)
	post(h, "/auth/oauth", s.OAuth)
	post(h, "/auth/mfa", s.MFA)
	post(h, "/auth/mfa/enrol", s.EnrolFactor)
	post(h, "/auth/passkey/begin", s.BeginPasskey)
	post(h, "/auth/passkey", s.Passkey)
	post(h, "/auth/step-up", s.StepUp)
	post(h, "/auth/session", s.Session)
	post(h, "/auth/sign-out", done(s.SignOut))
	post(h, "/auth/links/sign-up", done(s.SignUp))
	post(h, "/auth/links/reset", done(s.Forgot))
	post(h, "/auth/links/recover", done(s.Recover))
	post(h, "/auth/links/look", s.Link)
	post(h, "/auth/links/use", s.UseLink)
	post(h, "/auth/addresses/add", done(s.AddAddress))
	post(h, "/auth/addresses/remove", done(s.RemoveAddress))
	post(h, "/auth/factors/password", done(s.SetPassword))
	post(h, "/auth/factors/password/remove", done(told(s.RemovePassword)))
	post(h, "/auth/factors/mfa", done(s.SetMFA))
	post(h, "/auth/factors/totp/begin", asked(s.BeginTOTP))
	post(h, "/auth/factors/totp", done(s.ConfirmTOTP))
	post(h, "/auth/factors/totp/remove", done(told(s.RemoveTOTP)))
	post(h, "/auth/factors/recovery-codes", asked(s.RenewRecoveryCodes))
	post(h, "/auth/factors/passkeys/begin", asked(s.BeginEnrolPasskey))
	post(h, "/auth/factors/passkeys", s.EnrolPasskey)
	post(h, "/auth/factors/passkeys/rename", done(s.RenamePasskey))
	post(h, "/auth/factors/passkeys/remove", done(s.RemovePasskey))
	post(h, "/auth/factors/identities/remove", done(s.Unlink))
	post(h, "/auth/factors/recovery/cancel", done(told(s.CancelRecovery)))
	post(h, "/auth/sessions", asked(s.Sessions))
	post(h, "/auth/sessions/revoke", done(s.RevokeSession))
	post(h, "/auth/sessions/revoke-others", done(told(s.RevokeOtherSessions)))
	post(h, "/auth/tokens", asked(s.Tokens))
	post(h, "/auth/tokens/create", s.CreateToken)
	post(h, "/auth/tokens/revoke", done(s.RevokeToken))
	post(h, "/auth/activity", asked(s.Activity))
	mux.Handle("GET /auth/users/{id}", web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		ctx, err := h.caller(r, PermissionLogin)
		if err != nil {
			return err
		}
		return answer(w)(s.User(ctx, r.PathValue("id")))
	}))
	mux.Handle("PATCH /auth/users/{id}", web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		return serve(h, w, r, done(func(ctx context.Context, in UpdateUserRequest) error {
			return s.UpdateUser(ctx, r.PathValue("id"), in)
		}))
	}))
}

type routes struct {
	mux     *http.ServeMux
	persons Persons
}

type nothing struct{}

func asked[Out any](f func(context.Context) (Out, error)) func(context.Context, nothing) (Out, error) {
	return func(ctx context.Context, _ nothing) (Out, error) { return f(ctx) }
}

func told(f func(context.Context) error) func(context.Context, nothing) error {
	return func(ctx context.Context, _ nothing) error { return f(ctx) }
}

func done[In any](f func(context.Context, In) error) func(context.Context, In) (nothing, error) {
	return func(ctx context.Context, in In) (nothing, error) { return nothing{}, f(ctx, in) }
}

// post mounts one method.
func post[In, Out any](h routes, path string, f func(context.Context, In) (Out, error)) {
	h.mux.Handle("POST "+path, web.Handler(func(w http.ResponseWriter, r *http.Request) error {
		return serve(h, w, r, f)
	}))
}

func serve[In, Out any](h routes, w http.ResponseWriter, r *http.Request, f func(context.Context, In) (Out, error)) error {
	var in In
	permission := PermissionLogin
	if _, ok := any(in).(OAuthRequest); ok {
		permission = PermissionOAuth
	}
	ctx, err := h.caller(r, permission)
	if err != nil {
		return err
	}
	if err := web.DecodeJSON(r, &in); err != nil {
		return err
	}
	if o, ok := any(in).(OAuthRequest); ok && !web.Caller(r).SpeaksFor(o.Provider) {
		return ticket.ErrForbidden.Because("the service key does not speak for the provider")
	}
	return answer(w)(f(ctx, in))
}

// caller returns a context of the user, where the service key may ask. Without a user
// nobody is in it: the key itself is no one who signs in.
func (h routes) caller(r *http.Request, permission string) (context.Context, error) {
	key := web.Caller(r)
	if err := key.Demand(permission); err != nil {
		return nil, err
	}
	if key.Kind != ticket.Key {
		return nil, ticket.ErrForbidden.Because("this takes a service key, in X-Api-Key")
	}
	scheme, token, has := strings.Cut(r.Header.Get("Authorization"), " ")
	if !has || !strings.EqualFold(scheme, "Bearer") {
		return ticket.With(r.Context(), nil), nil
	}
	person, err := h.persons(r.Context(), strings.TrimSpace(token))
	if err != nil {
		return nil, err
	}
	return ticket.With(r.Context(), person), nil
}

// answer writes what a method returned.
func answer(w http.ResponseWriter) func(out any, err error) error {
	return func(out any, err error) error {
		if mfa, ok := errors.AsType[*MFARequired](err); ok {
			return web.WriteJSON(w, http.StatusForbidden, mfa)
		}
		if err != nil {
			return err
		}
		return web.WriteJSON(w, http.StatusOK, out)
	}
}
