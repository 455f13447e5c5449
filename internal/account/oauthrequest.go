package account

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"signet/internal/authapi"
	"signet/internal/fault"
)

// What a request can have wrong.
var (
	errProvider = fault.New(fault.Invalid, "must be 1 to 64 of a-z, 0-9, '.', '_' and '-', and no method of RFC 8176 that is in use here")
	errText     = fault.New(fault.Invalid, "must be valid UTF-8 without control characters")
	errLength   = fault.New(fault.Invalid, "must have 1 to 255 bytes")
	errUserID   = fault.New(fault.Invalid, "must be a user id such as usr_...")
	errLocale   = fault.New(fault.Invalid, "must be a language tag such as de-CH, at most 35 characters")
	errNoEmail  = fault.New(fault.Invalid, "must be false where there is no email")
)

// checked returns a request with its address folded, or what is wrong with it.
func checked(r authapi.OAuthRequest) (authapi.OAuthRequest, error) {
	if n := len(r.Provider); n < 1 || n > 64 || strings.Trim(r.Provider, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return r, errProvider.At("provider")
	}
	if slices.Contains(methodNames, r.Provider) { // it would pass for another factor
		return r, errProvider.At("provider")
	}
	if n := len(r.ProviderSub); n < 1 || n > 255 {
		return r, errLength.At("providerSub")
	}
	if !printable(r.ProviderSub) {
		return r, errText.At("providerSub")
	}
	if id := r.LinkToUserID; id != "" && (len(id) > 64 || !strings.HasPrefix(id, "usr_") || !alphanumeric(id[4:])) {
		return r, errUserID.At("linkToUserId")
	}
	if r.DisplayName != "" {
		if !printable(r.DisplayName) {
			return r, errText.At("displayName")
		}
		if err := checkName("displayName", r.DisplayName); err != nil {
			return r, err
		}
	}
	if r.Locale != "" && !languageTag(r.Locale) {
		return r, errLocale.At("locale")
	}
	return folded(r)
}

func folded(r authapi.OAuthRequest) (_ authapi.OAuthRequest, err error) {
	switch {
	case r.Email != "":
		if !printable(r.Email) {
			return r, errText.At("email")
		}
		// Letters outside ASCII fold into it (U+212A becomes k): such an address must
		// not pass for the one that it looks like.
		r.EmailVerified = r.EmailVerified && !strings.ContainsFunc(r.Email, func(c rune) bool { return c > unicode.MaxASCII })
		r.Email, err = FoldAddress("email", r.Email)
		return r, err
	case r.EmailVerified:
		return r, errNoEmail.At("emailVerified")
	}
	return r, nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func alphanumeric(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// languageTag accepts the shape of a tag (RFC 5646, section 2.1), registered or not.
func languageTag(s string) bool {
	for part := range strings.SplitSeq(s, "-") {
		if len(part) > 8 || !alphanumeric(part) {
			return false
		}
	}
	return len(s) >= 2 && len(s) <= 35
}
