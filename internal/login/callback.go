package login

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"

	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/seal"
)

// maxCode bounds a code, in bytes.
const maxCode = 4096

// CallbackRequest is what comes back by the browser. All of it is untrusted.
type CallbackRequest struct {
	Provider         string // of the path
	State, Code, Iss string // parameters
	Error            string // parameter; error_description is of no interest
	Browser          string // value of the cookie __Host-signet-login
	Session          string // id of the live session, or ""
}

// Result is a start that came back. Everything but Profile is as it was begun.
type Result struct {
	Provider, Issuer  string
	Purpose           string
	Next, Locale      string
	Client, Challenge string
	User, Session     string
	Profile           Profile
}

// Callback ends what Start began. It uses the state up before it looks at anything:
// a state that was sent to the wrong place is lost.
//
// Errors are *CallbackError, or internal ones. Where the state was good and the
// provider failed or refused, the result has all but a profile: for a page that
// offers to try again.
func (p *Providers) Callback(ctx context.Context, r CallbackRequest) (Result, error) {
	s, err := p.take(ctx, r)
	if err != nil {
		return Result{}, err
	}
	one, err := p.judge(r, s)
	if err != nil {
		return Result{}, err
	}
	res, err := p.result(ctx, s)
	if err != nil {
		return Result{}, err
	}
	if err := answered(r); err != nil {
		return res, err
	}
	ctx, cancel := context.WithTimeout(ctx, finishTime)
	defer cancel()
	profile, err := one.Finish(ctx, r.Code, p.ceremony(r.State, s.provider, s.locale))
	if err != nil {
		return res, err
	}
	if res.Profile, err = profile.cleaned(); err != nil {
		return res, Fail(TokenValidationFailed, s.provider, err)
	}
	return res, nil
}

// take consumes the state of a callback.
func (p *Providers) take(ctx context.Context, r CallbackRequest) (s state, err error) {
	if !isSecret(r.State) {
		return s, Failf(InvalidState, "", "the state is none of ours")
	}
	err = p.db.Update(ctx, func(tx *db.Tx) error {
		s, err = takeState(ctx, tx, seal.SecretHash(r.State))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return s, Failf(InvalidState, "", "there is no such state, or it is used up")
	}
	return s, err
}

// judge checks that a callback belongs to the start that s tells of: the browser
// first, so that nobody else learns anything.
func (p *Providers) judge(r CallbackRequest, s state) (Provider, error) {
	one, known := p.named(s.provider)
	refuse := func(reason string) (Provider, error) { return nil, Fail(InvalidState, s.provider, errors.New(reason)) }
	switch {
	case !same(r.Browser, s.browser):
		return refuse("begun in another browser")
	case r.Provider != s.provider:
		return refuse("begun at another provider")
	case !known || one.Issuer() != s.issuer:
		return refuse("the provider's name stands for another issuer now")
	case !issuedBy(one, r.Iss):
		return refuse("the answer is of another issuer") // RFC 9207, section 2.4
	case s.purpose == PurposeLink && subtle.ConstantTimeCompare([]byte(r.Session), []byte(s.session)) != 1:
		return refuse("begun in another session")
	case !p.now().Before(s.expires):
		return nil, Failf(ExpiredState, s.provider, "begun more than %s ago", StateLife)
	}
	return one, nil
}

// issuedBy compares the parameter iss, where it was sent. Where it was not, the
// provider's own callback path keeps answers apart (RFC 9700, section 4.4.2).
func issuedBy(one Provider, iss string) bool {
	if other, ok := one.(responseIssuer); ok && iss == other.ResponseIssuer() {
		return true
	}
	return iss == "" || iss == one.Issuer()
}

// result checks once more where the person goes: the app may have changed meanwhile.
func (p *Providers) result(ctx context.Context, s state) (Result, error) {
	next, err := p.checkNext(ctx, s.next, s.client)
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Forbidden, fault.Gone:
		return Result{}, Fail(InvalidState, s.provider, err)
	default: // none, or a store that is away
	}
	return Result{
		Provider: s.provider, Issuer: s.issuer, Purpose: s.purpose, Next: next, Locale: p.o.Locale(s.locale),
		Client: s.client, Challenge: s.challenge, User: s.user, Session: s.session,
	}, err
}

// answered returns what the provider refused with (RFC 6749, section 4.1.2.1).
func answered(r CallbackRequest) error {
	switch {
	case r.Error == "access_denied", r.Error == "consent_required", r.Error == "interaction_required":
		return Fail(DeniedConsent, r.Provider, errors.New(r.Error))
	case r.Error != "":
		return Failf(TokenExchangeFailed, r.Provider, "the provider answered %s", r.Error)
	case r.Code == "":
		return Failf(MissingCode, r.Provider, "neither a code nor an error")
	case len(r.Code) > maxCode:
		return Failf(TokenExchangeFailed, r.Provider, "a code of %d bytes", len(r.Code))
	}
	return nil
}
