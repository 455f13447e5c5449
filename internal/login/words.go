package login

import "signet/internal/locale"

// activityTexts are the actions that users meet in their own log.
var activityTexts = map[string]string{
	"session.create":         "activity.signIn",
	"session.end":            "activity.signOut",
	"session.reuse":          "activity.reuse",
	"session.revoke":         "activity.revoke",
	"session.revoke_others":  "activity.revokeOthers",
	"user.setup_link":        "activity.setupLink",
	"user.create":            "activity.created",
	"user.change":            "activity.changed",
	"user.password_set":      "activity.passwordSet",
	"user.password_remove":   "activity.passwordRemoved",
	"user.password_reset":    "activity.passwordReset",
	"user.totp_begin":        "activity.appBegun",
	"user.totp_add":          "activity.appAdded",
	"user.totp_remove":       "activity.appRemoved",
	"user.recovery_use":      "activity.codeUsed",
	"user.recovery_renew":    "activity.codesRenewed",
	"user.passkey_add":       "activity.passkeyAdded",
	"user.passkey_remove":    "activity.passkeyRemoved",
	"user.passkey_cloned":    "activity.passkeyCloned",
	"user.mfa_on":            "activity.mfaOn",
	"user.mfa_off":           "activity.mfaOff",
	"user.address_add":       "activity.addressAdded",
	"user.address_remove":    "activity.addressRemoved",
	"user.factors_reset":     "activity.factorsReset",
	"identity.link":          "activity.linked",
	"identity.unlink":        "activity.unlinked",
	"oauth_consent.give":     "activity.clientAllowed",
	"oauth_consent.withdraw": "activity.clientRemoved",
	"oauth_device.settle":    "activity.deviceSettled",
	"token.create":           "activity.tokenCreated",
	"token.revoke":           "activity.tokenRevoked",
	"objects.create_key":     "activity.accessKeyCreated",
	"objects.rotate_key":     "activity.accessKeyRotated",
	"objects.revoke_key":     "activity.accessKeyRevoked",
	"authroute.key_create":   "activity.mailKeyCreated",
	"authroute.key_revoke":   "activity.mailKeyRevoked",
}

// activityText returns the words for an action; where there are none, its name.
func activityText(t *locale.Texts, action string) string {
	if id, ok := activityTexts[action]; ok {
		return t.T(id)
	}
	return action
}
