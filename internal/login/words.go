package login

import (
	"strings"

	"signet/internal/locale"
)

// deviceOf says in words which browser an agent string is of. It is a help for the
// eye, and nothing rests on it.
func deviceOf(agent string) string {
	name := firstOf(agent, [][2]string{
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"},
	})
	system := firstOf(agent, [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Macintosh", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	})
	switch {
	case name != "" && system != "":
		return name + " · " + system
	case name+system != "":
		return name + system
	}
	first, _, _ := strings.Cut(agent, " ")
	return first
}

func firstOf(s string, marks [][2]string) string {
	for _, m := range marks {
		if strings.Contains(s, m[0]) {
			return m[1]
		}
	}
	return ""
}

// activityTexts are the actions that users meet in their own log.
var activityTexts = map[string]string{
	"session.create":       "activity.signIn",
	"session.end":          "activity.signOut",
	"session.reuse":        "activity.reuse",
	"session.revoke":       "activity.revoke",
	"user.setup_link":      "activity.setupLink",
	"user.create":          "activity.created",
	"user.change":          "activity.changed",
	"user.password_set":    "activity.passwordSet",
	"user.password_remove": "activity.passwordRemoved",
	"user.password_reset":  "activity.passwordReset",
	"user.totp_add":        "activity.appAdded",
	"user.totp_remove":     "activity.appRemoved",
	"user.recovery_use":    "activity.codeUsed",
	"user.recovery_renew":  "activity.codesRenewed",
	"user.passkey_add":     "activity.passkeyAdded",
	"user.passkey_remove":  "activity.passkeyRemoved",
	"user.passkey_cloned":  "activity.passkeyCloned",
	"user.mfa_on":          "activity.mfaOn",
	"user.mfa_off":         "activity.mfaOff",
	"user.address_add":     "activity.addressAdded",
	"user.address_remove":  "activity.addressRemoved",
	"user.factors_reset":   "activity.factorsReset",
	"identity.link":        "activity.linked",
	"identity.unlink":      "activity.unlinked",
	"token.create":         "activity.tokenCreated",
	"token.revoke":         "activity.tokenRevoked",
}

// activityText returns the words for an action; where there are none, its name.
func activityText(t *locale.Texts, action string) string {
	if id, ok := activityTexts[action]; ok {
		return t.T(id)
	}
	return action
}
