package account

import "slices"

// Methods of proof, as AMR names them (RFC 8176, section 2). A sign-in at an identity
// provider goes by the provider's name, such as "github": nothing is registered for
// it. A recovery code is a one-time password.
const (
	AMRPassword = "pwd"
	AMROneTime  = "otp"
	AMRPasskey  = "hwk"  // a key that the authenticator holds
	AMRSoftKey  = "swk"  // a key that software holds
	AMRLink     = "link" // of a mailed link; nothing is registered for it
	AMRPresence = "user" // somebody was there; no factor by itself
	AMRMultiple = "mfa"  // several factors, or a passkey that verified its user
)

// The levels of proof that ACR returns.
const (
	ACROne = "urn:signet:1" // one factor
	ACRTwo = "urn:signet:2" // two, or a passkey that verified its user
)

// ACR returns the level of proof that methods are, and "" for none. Two methods are
// two factors where one is had (a one-time password, a key) and one is not: password
// and identity provider together are one factor.
func ACR(amr []string) string {
	var had, first bool
	for _, m := range amr {
		switch m {
		case AMRMultiple:
			return ACRTwo
		case AMROneTime, AMRPasskey, AMRSoftKey:
			had = true
		case AMRPresence:
		default:
			first = true
		}
	}
	switch {
	case had && first:
		return ACRTwo
	case had || first:
		return ACROne
	}
	return ""
}

// methods returns each method once, in order, and "mfa" where they are that.
func methods(lists ...[]string) []string {
	all := []string{}
	for _, m := range slices.Concat(lists...) {
		if !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	if ACR(all) == ACRTwo && !slices.Contains(all, AMRMultiple) {
		all = append(all, AMRMultiple)
	}
	return all
}

// methodNames are no names for identity providers.
var methodNames = []string{AMRPassword, AMROneTime, AMRPasskey, AMRSoftKey, AMRPresence, AMRMultiple, AMRLink}
