package authroute_test

import (
	"strings"
	"testing"

	"signet/internal/authroute"
)

const (
	passHeader = "PREPEND Authenticated-Routing: pass key-id=" + aliceHash
	failHeader = "PREPEND Authenticated-Routing: fail reason="
)

// modes are the columns of the table of actions.
var modes = [...]authroute.Mode{authroute.Monitor, authroute.Quarantine, authroute.Enforce, authroute.Require}

// actions is the table: for each cause, the answer in each mode.
var actions = map[authroute.Cause][len(modes)]string{
	"":                     {passHeader, passHeader, passHeader, passHeader},
	authroute.NullSender:   {"DUNNO", "DUNNO", "DUNNO", "DUNNO"},
	authroute.Exempt:       {"DUNNO", "DUNNO", "DUNNO", "DUNNO"},
	authroute.Bypassed:     {"DUNNO", "DUNNO", "DUNNO", "DUNNO"},
	authroute.KeyNotFound:  {"DUNNO", "DUNNO", "DUNNO", "REJECT Key not found"},
	authroute.NoProof:      {"DUNNO", "DUNNO", "DUNNO", "REJECT Proof required"},
	authroute.Malformed:    {"DUNNO", "DUNNO", "DUNNO", "REJECT Proof required"},
	authroute.Revoked:      {failHeader + "revoked", "HOLD", "REJECT Key revoked", "REJECT Key revoked"},
	authroute.Expired:      {failHeader + "expired", "HOLD", "REJECT Key expired", "REJECT Key expired"},
	authroute.BadSigned:    {failHeader + "signature", "HOLD", "REJECT Invalid signature", "REJECT Invalid signature"},
	authroute.WrongSender:  {failHeader + "sender", "HOLD", "REJECT Key not valid for sender", "REJECT Key not valid for sender"},
	authroute.Replayed:     {failHeader + "replayed", "HOLD", "REJECT Proof replayed", "REJECT Proof replayed"},
	authroute.Stale:        {failHeader + "stale", "HOLD", "REJECT Timestamp out of range", "REJECT Timestamp out of range"},
	authroute.DNSTrouble:   {"DUNNO", "DUNNO", "DUNNO", "DEFER"},
	authroute.StoreTrouble: {"DUNNO", "DUNNO", "DUNNO", "DEFER"},
	authroute.Deadline:     {"DUNNO", "DUNNO", "DUNNO", "DEFER"},
	authroute.Trouble:      {"DUNNO", "DUNNO", "DUNNO", "DEFER"},
}

func verdictOf(c authroute.Cause, m authroute.Mode) authroute.Verdict {
	return authroute.Verdict{
		Result: c.Result(), Cause: c, KeyID: aliceHash, Sender: "alice@example.org",
		Domain: authroute.Domain{Name: "example.org", Mode: m},
	}
}

func TestEveryVerdictHasItsActionInEveryMode(t *testing.T) {
	for cause, want := range actions {
		for i, m := range modes {
			if got := authroute.Decide(verdictOf(cause, m)).String(); got != want[i] {
				t.Errorf("%q in %s: got %q, want %q", cause, m, got, want[i])
			}
		}
	}
}

func TestDomainMayDeferWhatIsStale(t *testing.T) {
	for i, want := range []string{failHeader + "stale", "HOLD", "DEFER Timestamp out of range", "DEFER Timestamp out of range"} {
		v := verdictOf(authroute.Stale, modes[i])
		v.Domain.DeferStale = true
		if got := authroute.Decide(v).String(); got != want {
			t.Errorf("%s: got %q, want %q", modes[i], got, want)
		}
	}
	v := verdictOf(authroute.Revoked, authroute.Enforce)
	v.Domain.DeferStale = true
	if got := authroute.Decide(v).String(); got != "REJECT Key revoked" {
		t.Errorf("revoked: got %q, want to be rejected", got)
	}
}

func TestTaggedSenderThatDoesNotPassIsRejectedInEveryMode(t *testing.T) {
	for cause := range actions {
		for _, m := range modes {
			v := verdictOf(cause, m)
			v.Tagged, v.Domain.DeferStale = true, true
			got := authroute.Decide(v).String()
			if passes := cause == ""; passes && got != passHeader || !passes && !strings.HasPrefix(got, "REJECT ") {
				t.Errorf("%q in %s: got %q", cause, m, got)
			}
		}
	}
}

func TestUnknownModeMonitors(t *testing.T) {
	for cause, want := range actions {
		if got := authroute.Decide(verdictOf(cause, "")).String(); got != want[0] {
			t.Errorf("%q: got %q, want %q", cause, got, want[0])
		}
	}
}
