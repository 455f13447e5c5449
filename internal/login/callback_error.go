package login

import (
	"errors"
	"fmt"
	"strings"

	"signet/internal/fault"
)

// Kind is why a callback did not end in a profile. Its text is the id of its page.
type Kind string

// The kinds of callback errors.
const (
	InvalidState          Kind = "invalid_state"           // none, used, of another browser, provider or session
	ExpiredState          Kind = "expired_state"           // begun more than StateLife ago
	DeniedConsent         Kind = "denied_consent"          // the person said no at the provider
	MissingCode           Kind = "missing_code"            // the provider sent neither a code nor an error
	TokenExchangeFailed   Kind = "token_exchange_failed"   // the code is not good, or the provider is away
	TokenValidationFailed Kind = "token_validation_failed" // the answer is not for us, or nobody vouches for it
	ProfileFetchFailed    Kind = "profile_fetch_failed"    // the provider does not say who it is
	EmailFetchFailed      Kind = "email_fetch_failed"      // the provider does not say which addresses they have
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{
		InvalidState, ExpiredState, DeniedConsent, MissingCode,
		TokenExchangeFailed, TokenValidationFailed, ProfileFetchFailed, EmailFetchFailed,
	}
}

// What a client sees. None of it comes from the provider.
var (
	errInvalidState = fault.New(fault.Invalid, "this sign-in was not begun in this browser, or is used up: begin again").Named(string(InvalidState))
	errExpiredState = fault.New(fault.Gone, "this sign-in took more than 10 minutes: begin again").Named(string(ExpiredState))
	errDenied       = fault.New(fault.Forbidden, "the sign-in was cancelled at the provider").Named(string(DeniedConsent))
	errMissingCode  = fault.New(fault.Malformed, "the provider sent no answer along: begin again").Named(string(MissingCode))
	errExchange     = fault.New(fault.Unavailable, "the provider did not complete the sign-in: try again").Named(string(TokenExchangeFailed))
	errValidation   = fault.New(fault.Forbidden, "the provider's answer could not be verified").Named(string(TokenValidationFailed))
	errProfile      = fault.New(fault.Unavailable, "the provider did not say who you are: try again").Named(string(ProfileFetchFailed))
	errEmail        = fault.New(fault.Unavailable, "the provider did not say what your address is: try again").Named(string(EmailFetchFailed))
)

// Event is the text of the log line.
func (k Kind) Event() string {
	switch k {
	case InvalidState:
		return "provider callback refused: invalid state"
	case ExpiredState:
		return "provider callback refused: expired state"
	case DeniedConsent:
		return "provider sign-in cancelled"
	case MissingCode:
		return "provider callback refused: no code"
	case TokenExchangeFailed:
		return "provider code was not exchanged"
	case TokenValidationFailed:
		return "provider token was refused"
	case ProfileFetchFailed:
		return "provider profile was not fetched"
	case EmailFetchFailed:
		return "provider addresses were not fetched"
	}
	return "provider callback failed"
}

func (k Kind) fault() *fault.Error {
	switch k {
	case InvalidState:
		return errInvalidState
	case ExpiredState:
		return errExpiredState
	case DeniedConsent:
		return errDenied
	case MissingCode:
		return errMissingCode
	case TokenValidationFailed:
		return errValidation
	case ProfileFetchFailed:
		return errProfile
	case EmailFetchFailed:
		return errEmail
	case TokenExchangeFailed:
	}
	return errExchange
}

// CallbackError is a callback that did not end in a profile. [fault.As] finds what a
// client may see; Error is for the log and may hold text of the provider, quoted
// and cut.
type CallbackError struct {
	Kind     Kind
	Provider string // name; empty where the state named none
	err      error
}

// Fail returns a callback error of a provider for a reason that goes to the log.
func Fail(k Kind, provider string, err error) *CallbackError { return &CallbackError{k, provider, err} }

// Failf is Fail with a text.
func Failf(k Kind, provider, format string, args ...any) *CallbackError {
	return Fail(k, provider, fmt.Errorf(format, args...))
}

// maxReason bounds what somebody outside can write into a log line.
const maxReason = 300

// Error implements error.
func (e *CallbackError) Error() string {
	reason := strings.ToValidUTF8(e.err.Error(), "?")
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "") + "..."
	}
	return fmt.Sprintf("%s: provider %q: %q", e.Kind, e.Provider, reason)
}

// Unwrap gives what a client may see before the reason: a fault inside the reason is
// not meant for it.
func (e *CallbackError) Unwrap() []error { return []error{e.Kind.fault(), e.err} }

// AsCallbackError returns the callback error in err's tree, if there is one.
func AsCallbackError(err error) (*CallbackError, bool) { return errors.AsType[*CallbackError](err) }
