package ticket

import (
	"slices"
	"time"

	"signet/internal/fault"
)

// FreshFor is how old a sign-in may be for what is dangerous.
const FreshFor = 5 * time.Minute

// What is refused to who is signed in since too long: a browser is asked to confirm, a
// program to have its user sign in again (RFC 9470).
var (
	ErrStepUp = fault.New(fault.Forbidden, "sign in again: this needs a sign-in of the last 5 minutes").Named("step-up-required")
	ErrStale  = fault.New(fault.Unauthorized, "this needs an access token of a sign-in of the last 5 minutes with a second factor or a passkey").
			Named("insufficient-user-authentication")
)

// strong are the levels of proof that a second factor or a passkey reaches.
var strong = []string{"urn:signet:2", "phr"}

// DemandFresh returns nil where a person stands behind the call now: for what would let a
// thief stay. Sessions must be fresh, and access tokens of a fresh and strong sign-in.
// API tokens, service keys and the command line are what their owner made them for, and
// are asked for nothing more.
func (t *Ticket) DemandFresh(now time.Time) error {
	switch {
	case t == nil:
		return ErrNone
	case t.Kind == Client, t.Kind == User && t.Scopes != nil && !slices.Contains(t.AMR, "api_token"):
		if !t.fresh(now) || !slices.Contains(strong, t.ACR) {
			return ErrStale
		}
	case t.Kind == User && t.Session != "" && !t.fresh(now):
		return ErrStepUp
	}
	return nil
}

func (t *Ticket) fresh(now time.Time) bool {
	return !t.AuthTime.IsZero() && now.Sub(t.AuthTime) <= FreshFor
}
