package notify

// What a mail may say. Those with a link need [Message.Link].
const (
	SignUp      = "sign-up"       // link; to go on with signing up
	SignUpKnown = "sign-up-known" // link to the sign-in; the address has an account already
	Reset       = "reset"         // link; to a new password, for an hour
	ResetNone   = "reset-none"    // link to the sign-in; there is no password to reset
	Verify      = "verify"        // link; to confirm an address
	Setup       = "setup"         // link; an administrator invites to {{.Account}}, for 7 days
	Recover     = "recover"       // link; works from {{.Time}} on
	Recovered   = "recovered"     // second steps are gone
	MailCode    = "mail-code"     // {{.Code}}; a first sign-in at a provider finds the account by it

	PasskeyAdded      = "passkey-added" // {{.Name}}
	PasskeyRemoved    = "passkey-removed"
	TOTPAdded         = "totp-added"
	TOTPRemoved       = "totp-removed"
	PasswordSet       = "password-set"
	PasswordRemoved   = "password-removed"
	PasswordReset     = "password-reset"
	RecoveryCodesMade = "recovery-codes-made"
	MFAOn             = "mfa-on"
	MFAOff            = "mfa-off"
	AddressAdded      = "address-added"   // {{.Name}}, the address
	IdentityLinked    = "identity-linked" // {{.Name}}, the provider
	NewBrowser        = "new-browser"     // {{.Device}}, {{.Address}}
)

// All returns everything that a mail may say.
func All() []string {
	return append([]string{SignUp, SignUpKnown, Reset, ResetNone, Verify, Setup, Recover, MailCode}, changes()...)
}

// changes are the mails on what somebody did at the account already: they end with
// what to do if it was somebody else.
func changes() []string {
	return []string{
		Recovered, PasskeyAdded, PasskeyRemoved, TOTPAdded, TOTPRemoved, PasswordSet, PasswordRemoved, PasswordReset,
		RecoveryCodesMade, MFAOn, MFAOff, AddressAdded, IdentityLinked, NewBrowser,
	}
}
