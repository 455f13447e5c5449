package console

import (
	"slices"
	"strings"
)

// Texts lists the ids that pages make of parts, such as an action's name: a test
// compares them with the texts that are there.
func Texts() (ids []string) {
	for _, a := range new(Console).allActions() {
		last := ".done"
		if slices.Contains(secretive, a.name) {
			last = ".once"
		}
		for _, part := range []string{".title", ".text", ".button", last} {
			ids = append(ids, "console."+a.name+part)
		}
	}
	for _, m := range modes {
		ids = append(ids, "console.mode."+string(m))
	}
	for _, r := range reasons {
		ids = append(ids, "console.reason."+string(r))
	}
	for _, name := range translated {
		ids = append(ids, "console.permission."+strings.ReplaceAll(name, ":", "."))
	}
	return append(ids, "console."+userInvited+".done", "console.outcome.done", "console.outcome.refused", "console.outcome.failed", "console.mailKeys.primary", "console.mailKeys.subkey")
}

// secretive are the actions that end in a secret to be shown once.
var secretive = []string{"userLink", "keyNew"}
