package authapi

import (
	"context"
	"net/http"
	"net/url"
)

// The methods of [Service], over HTTP. They stand beside the routes of [Routes].

// Password implements [Service].
func (c *Client) Password(ctx context.Context, r PasswordRequest) (out TokenResponse, err error) {
	err = c.call(ctx, "/auth/password", r, &out)
	return out, err
}

// OAuth implements [Service].
func (c *Client) OAuth(ctx context.Context, r OAuthRequest) (out TokenResponse, err error) {
	err = c.call(ctx, "/auth/oauth", r, &out)
	return out, err
}

// MFA implements [Service].
func (c *Client) MFA(ctx context.Context, r MFARequest) (out TokenResponse, err error) {
	err = c.call(ctx, "/auth/mfa", r, &out)
	return out, err
}

// EnrolFactor implements [Service].
func (c *Client) EnrolFactor(ctx context.Context, r EnrolFactorRequest) (out Enrolment, err error) {
	err = c.call(ctx, "/auth/mfa/enrol", r, &out)
	return out, err
}

// BeginPasskey implements [Service].
func (c *Client) BeginPasskey(ctx context.Context, r BeginPasskeyRequest) (out Challenge, err error) {
	err = c.call(ctx, "/auth/passkey/begin", r, &out)
	return out, err
}

// Passkey implements [Service].
func (c *Client) Passkey(ctx context.Context, r PasskeyRequest) (out TokenResponse, err error) {
	err = c.call(ctx, "/auth/passkey", r, &out)
	return out, err
}

// StepUp implements [Service].
func (c *Client) StepUp(ctx context.Context, r StepUpRequest) (out TokenResponse, err error) {
	err = c.call(ctx, "/auth/step-up", r, &out)
	return out, err
}

// Session implements [Service].
func (c *Client) Session(ctx context.Context, r SessionRequest) (out Session, err error) {
	err = c.call(ctx, "/auth/session", r, &out)
	return out, err
}

// SignOut implements [Service].
func (c *Client) SignOut(ctx context.Context, r SignOutRequest) error {
	return c.call(ctx, "/auth/sign-out", r, nil)
}

// SignUp implements [Service].
func (c *Client) SignUp(ctx context.Context, r SignUpRequest) error {
	return c.call(ctx, "/auth/links/sign-up", r, nil)
}

// Forgot implements [Service].
func (c *Client) Forgot(ctx context.Context, r ForgotRequest) error {
	return c.call(ctx, "/auth/links/reset", r, nil)
}

// Recover implements [Service].
func (c *Client) Recover(ctx context.Context, r RecoverRequest) error {
	return c.call(ctx, "/auth/links/recover", r, nil)
}

// Link implements [Service].
func (c *Client) Link(ctx context.Context, r LinkRequest) (out Link, err error) {
	err = c.call(ctx, "/auth/links/look", r, &out)
	return out, err
}

// UseLink implements [Service].
func (c *Client) UseLink(ctx context.Context, r UseLinkRequest) (out TokenResponse, err error) {
	err = c.call(ctx, "/auth/links/use", r, &out)
	return out, err
}

// AddAddress implements [Service].
func (c *Client) AddAddress(ctx context.Context, r AddressRequest) error {
	return c.call(ctx, "/auth/addresses/add", r, nil)
}

// RemoveAddress implements [Service].
func (c *Client) RemoveAddress(ctx context.Context, r AddressRequest) error {
	return c.call(ctx, "/auth/addresses/remove", r, nil)
}

// SetPassword implements [Service].
func (c *Client) SetPassword(ctx context.Context, r SetPasswordRequest) error {
	return c.call(ctx, "/auth/factors/password", r, nil)
}

// RemovePassword implements [Service].
func (c *Client) RemovePassword(ctx context.Context) error {
	return c.call(ctx, "/auth/factors/password/remove", struct{}{}, nil)
}

// SetMFA implements [Service].
func (c *Client) SetMFA(ctx context.Context, r SetMFARequest) error {
	return c.call(ctx, "/auth/factors/mfa", r, nil)
}

// BeginTOTP implements [Service].
func (c *Client) BeginTOTP(ctx context.Context) (out Enrolment, err error) {
	err = c.call(ctx, "/auth/factors/totp/begin", struct{}{}, &out)
	return out, err
}

// ConfirmTOTP implements [Service].
func (c *Client) ConfirmTOTP(ctx context.Context, r CodeRequest) error {
	return c.call(ctx, "/auth/factors/totp", r, nil)
}

// RemoveTOTP implements [Service].
func (c *Client) RemoveTOTP(ctx context.Context) error {
	return c.call(ctx, "/auth/factors/totp/remove", struct{}{}, nil)
}

// RenewRecoveryCodes implements [Service].
func (c *Client) RenewRecoveryCodes(ctx context.Context) (out RecoveryCodes, err error) {
	err = c.call(ctx, "/auth/factors/recovery-codes", struct{}{}, &out)
	return out, err
}

// BeginEnrolPasskey implements [Service].
func (c *Client) BeginEnrolPasskey(ctx context.Context) (out Challenge, err error) {
	err = c.call(ctx, "/auth/factors/passkeys/begin", struct{}{}, &out)
	return out, err
}

// EnrolPasskey implements [Service].
func (c *Client) EnrolPasskey(ctx context.Context, r EnrolPasskeyRequest) (out Passkey, err error) {
	err = c.call(ctx, "/auth/factors/passkeys", r, &out)
	return out, err
}

// RenamePasskey implements [Service].
func (c *Client) RenamePasskey(ctx context.Context, r RenameRequest) error {
	return c.call(ctx, "/auth/factors/passkeys/rename", r, nil)
}

// RemovePasskey implements [Service].
func (c *Client) RemovePasskey(ctx context.Context, r IDRequest) error {
	return c.call(ctx, "/auth/factors/passkeys/remove", r, nil)
}

// Unlink implements [Service].
func (c *Client) Unlink(ctx context.Context, r IDRequest) error {
	return c.call(ctx, "/auth/factors/identities/remove", r, nil)
}

// CancelRecovery implements [Service].
func (c *Client) CancelRecovery(ctx context.Context) error {
	return c.call(ctx, "/auth/factors/recovery/cancel", struct{}{}, nil)
}

// Sessions implements [Service].
func (c *Client) Sessions(ctx context.Context) (out []SessionInfo, err error) {
	err = c.call(ctx, "/auth/sessions", struct{}{}, &out)
	return out, err
}

// RevokeSession implements [Service].
func (c *Client) RevokeSession(ctx context.Context, r IDRequest) error {
	return c.call(ctx, "/auth/sessions/revoke", r, nil)
}

// RevokeOtherSessions implements [Service].
func (c *Client) RevokeOtherSessions(ctx context.Context) error {
	return c.call(ctx, "/auth/sessions/revoke-others", struct{}{}, nil)
}

// Tokens implements [Service].
func (c *Client) Tokens(ctx context.Context) (out []APIToken, err error) {
	err = c.call(ctx, "/auth/tokens", struct{}{}, &out)
	return out, err
}

// CreateToken implements [Service].
func (c *Client) CreateToken(ctx context.Context, r CreateTokenRequest) (out APIToken, err error) {
	err = c.call(ctx, "/auth/tokens/create", r, &out)
	return out, err
}

// RevokeToken implements [Service].
func (c *Client) RevokeToken(ctx context.Context, r IDRequest) error {
	return c.call(ctx, "/auth/tokens/revoke", r, nil)
}

// Activity implements [Service].
func (c *Client) Activity(ctx context.Context) (out []Activity, err error) {
	err = c.call(ctx, "/auth/activity", struct{}{}, &out)
	return out, err
}

// User implements [Service].
func (c *Client) User(ctx context.Context, id string) (out User, err error) {
	err = c.send(ctx, http.MethodGet, "/auth/users/"+url.PathEscape(id), nil, &out)
	return out, err
}

// UpdateUser implements [Service].
func (c *Client) UpdateUser(ctx context.Context, id string, r UpdateUserRequest) error {
	return c.send(ctx, http.MethodPatch, "/auth/users/"+url.PathEscape(id), r, nil)
}
