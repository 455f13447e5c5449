package console

import (
	"slices"
	"strings"

	"signet/internal/token"
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
	for _, m := range token.AuthMethods() {
		ids = append(ids, "console.clientAuth."+string(m))
	}
	for _, g := range token.Grants() {
		ids = append(ids, "console.grant."+grantWord(g))
	}
	for _, a := range consents {
		ids = append(ids, "console.consent."+string(a))
	}
	for _, d := range demands {
		ids = append(ids, "console.demand."+string(d), "console.tenantDemand."+string(d))
	}
	for _, f := range []string{"redirects", "scopes", "audiences", "leaves", "logout", "jwksURI", "subject"} {
		ids = append(ids, "console.clients."+f, "console.clients."+f+"Hint")
	}
	proofs, nonces, certificates := token.CounterWords()
	for _, r := range proofs {
		ids = append(ids, "console.senders.result."+r)
	}
	for _, r := range nonces {
		ids = append(ids, "console.senders.nonce."+r)
	}
	for _, r := range certificates {
		ids = append(ids, "console.senders.x5t."+r, "console.senders.mismatch."+r)
	}
	for _, a := range replays {
		ids = append(ids, "console.senders."+a)
	}
	for _, name := range translated {
		ids = append(ids, "console.permission."+strings.ReplaceAll(name, ":", "."))
	}
	for _, r := range objectRoles {
		ids = append(ids, "console.role."+string(r))
	}
	for _, word := range denialWords {
		ids = append(ids, "console.denial."+word)
	}
	return append(ids, "console."+userInvited+".done", "console."+objectUploaded+".done", "console.clientNew.done", "console.outcome.done", "console.outcome.refused", "console.outcome.failed", "console.mailKeys.primary", "console.mailKeys.subkey")
}

// secretive are the actions that end in a secret to be shown once.
var secretive = []string{"userLink", "keyNew", "clientNew", "clientRotate", "accessKeyNew", "accessKeyRotate", "objectLink"}
