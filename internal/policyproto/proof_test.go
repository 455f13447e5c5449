package policyproto_test

import (
	"testing"

	"signet/internal/policyproto"
)

func TestProofIsFoundWhereItWasPut(t *testing.T) {
	const none, parameter, tagged = policyproto.NoProof, policyproto.Parameter, policyproto.Tagged
	for name, c := range map[string]struct {
		sender, sasl string
		allowTag     bool
		want         policyproto.Carried
	}{
		"nothing":                  {"a@b", "", true, policyproto.Carried{none, "", "a@b"}},
		"null sender":              {"", "", true, policyproto.Carried{none, "", ""}},
		"AUTH= of another client":  {"a@b", "a@b", true, policyproto.Carried{none, "", "a@b"}},
		"prefix in capitals":       {"a@b", "AUTHROUTE:x", true, policyproto.Carried{none, "", "a@b"}},
		"parameter":                {"a@b", "authroute:x", false, policyproto.Carried{parameter, "x", "a@b"}},
		"refused parameter":        {"a@b", "authroute:malformed", false, policyproto.Carried{parameter, "malformed", "a@b"}},
		"empty parameter":          {"a@b", "authroute:", false, policyproto.Carried{parameter, "", "a@b"}},
		"tag while switched off":   {"a+ap=x@b", "", false, policyproto.Carried{none, "", "a+ap=x@b"}},
		"tag":                      {"a+ap=x@b", "", true, policyproto.Carried{tagged, "x", "a@b"}},
		"tag in capitals":          {"a+AP=x@b", "", true, policyproto.Carried{tagged, "x", "a@b"}},
		"tag behind an extension":  {"a+list+ap=x@b", "", true, policyproto.Carried{tagged, "x", "a+list@b"}},
		"tag and parameter":        {"a+ap=x@b", "authroute:y", true, policyproto.Carried{tagged, "x", "a@b"}},
		"two tags":                 {"a+ap=x+ap=y@b", "", true, policyproto.Carried{tagged, "x+ap=y", "a@b"}},
		"empty tag":                {"a+ap=@b", "", true, policyproto.Carried{tagged, "", "a@b"}},
		"tag with odd characters":  {"a+ap=x y!@b", "", true, policyproto.Carried{tagged, "x y!", "a@b"}},
		"@ in a quoted local part": {"a@c+ap=x@b", "", true, policyproto.Carried{tagged, "x", "a@c@b"}},
		"tag and nothing before":   {"+ap=x@b", "", true, policyproto.Carried{none, "", "+ap=x@b"}},
		"tag in the domain":        {"a@b+ap=x", "", true, policyproto.Carried{none, "", "a@b+ap=x"}},
		"no domain yet":            {"a+ap=x", "", true, policyproto.Carried{policyproto.Tagged, "x", "a"}},
	} {
		got := policyproto.ProofFrom(&policyproto.Request{Sender: c.sender, SASLSender: c.sasl}, c.allowTag)
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}
