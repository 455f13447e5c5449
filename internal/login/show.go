package login

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"signet/internal/fault"
	"signet/internal/locale"
	"signet/internal/page"
	"signet/internal/web"
)

// show shows a card with what was refused, in the status that goes with it.
func (l *Login) show(w http.ResponseWriter, r *http.Request, name string, v page.View, refused error) error {
	status := http.StatusOK
	if refused != nil {
		p := web.ProblemOf(r.Context(), refused)
		status = p.Status
		v.Error = l.say(r, refused)
		retryAfter(w, p.Retry)
	}
	return l.card.Show(w, r, status, name, v)
}

func retryAfter(w http.ResponseWriter, d time.Duration) {
	if d > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(int(math.Ceil(d.Seconds()))))
	}
}

// WriteProblem is a page for who reads it, and JSON for programs: for what no route of
// this listener answers.
func (l *Login) WriteProblem(w http.ResponseWriter, r *http.Request, p *web.Problem) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		l.writeProblem(w, r, p)
		return
	}
	web.WriteProblem(w, r, p)
}

// writeProblem is a page for what no page of its own shows.
func (l *Login) writeProblem(w http.ResponseWriter, r *http.Request, p *web.Problem) {
	if r.Header.Get("Accept") == "application/json" { // our script
		web.WriteProblem(w, r, p)
		return
	}
	w.Header().Del("WWW-Authenticate") // browsers would ask for a password in a box of their own
	texts := l.site.TextsOf(r)
	v := page.View{Data: problemPage{Text: sayProblem(texts, p), RequestID: p.RequestID}}
	if err := l.card.Show(w, r, p.Status, "problem", v); err != nil {
		http.Error(w, p.Detail, p.Status)
	}
}

type problemPage struct{ Text, RequestID string }

// say explains a refusal in the reader's language.
func (l *Login) say(r *http.Request, err error) string {
	return sayProblem(l.site.TextsOf(r), web.ProblemOf(r.Context(), err))
}

// wordOf returns the last part of a problem's type.
func wordOf(p *web.Problem) string { return p.Type[len("urn:signet:problem:"):] }

func sayProblem(t *locale.Texts, p *web.Problem) string {
	id, ok := problemTexts[wordOf(p)]
	switch {
	case ok:
		return t.T(id, "Minutes", minutes(p.Retry))
	case p.Kind == fault.TooMany:
		return t.N("problem.tooMany", minutes(p.Retry))
	case p.Kind == fault.Unavailable, p.Kind == fault.Timeout:
		return t.T("problem.away")
	case p.Kind == fault.NotFound:
		return t.T("problem.notFound")
	case p.Kind == fault.Internal:
		return t.T("problem.internal")
	}
	text := p.Detail
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	return t.T("problem.other", "Text", text)
}

// Say explains a refusal in the reader's language, for pages of other parts.
func (l *Login) Say(r *http.Request, err error) string { return l.say(r, err) }

func minutes(d time.Duration) int { return max(1, int(math.Ceil(d.Minutes()))) }

// problemTexts are the refusals that people meet, by their words.
var problemTexts = map[string]string{
	"credentials":             "problem.credentials",
	"code":                    "problem.code",
	"passkey":                 "problem.passkey",
	"mfa-ticket":              "problem.mfaTicket",
	"link":                    "problem.link",
	"too-early":               "problem.tooEarly",
	"link_required":           "problem.linkRequired",
	"linked-to-other":         "problem.linkedToOther",
	"sign-up-closed":          "problem.signUpClosed",
	"sign-in-refused":         "problem.signInRefused",
	"step-up-required":        "problem.stepUp",
	"factor-needed":           "problem.factorNeeded",
	"last-way-in":             "problem.lastWayIn",
	"last-address":            "problem.lastAddress",
	"password-short":          "problem.passwordShort",
	"password-long":           "problem.passwordLong",
	"password-guessable":      "problem.passwordGuessable",
	"old-password":            "problem.oldPassword",
	"address":                 "problem.address",
	"name":                    "problem.name",
	"taken":                   "problem.taken",
	"cross-origin":            "problem.crossOrigin",
	"password-alone":          "problem.passwordAlone",
	"no-factor":               "problem.mfaNeeds",
	"no-recovery-codes":       "problem.mfaCodes",
	"last-factor":             "problem.lastFactor",
	"mfa-demanded":            "problem.mfaDemanded",
	"passkey-invalid":         "problem.passkeyInvalid",
	"passkey-overdue":         "problem.passkeyOverdue",
	"passkey-exists":          "passkey.exists",
	"too-many-passkeys":       "problem.many",
	"many":                    "problem.many",
	"totp-exists":             "problem.totpExists",
	"no-enrolment":            "problem.noEnrolment",
	"recovery-refused":        "problem.recoveryRefused",
	"no-app":                  "problem.noApp",
	"bad-next":                "problem.badNext",
	"bad-redirect":            "problem.badRedirect",
	"app-absent":              "problem.appAbsent",
	"invalid-request-uri":     "problem.requestOver",
	"no-device":               "problem.noDevice",
	"invalid-hint":            "problem.hint",
	"invalid_state":           "problem.invalidState",
	"expired_state":           "problem.expiredState",
	"denied_consent":          "problem.deniedConsent",
	"missing_code":            "problem.missingCode",
	"token_exchange_failed":   "problem.tokenExchangeFailed",
	"token_validation_failed": "problem.tokenValidationFailed",
	"profile_fetch_failed":    "problem.profileFetchFailed",
	"email_fetch_failed":      "problem.emailFetchFailed",
	"key-ended":               "problem.keyEnded",
}
