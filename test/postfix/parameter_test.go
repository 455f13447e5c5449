package postfix_test

import (
	"bytes"
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"
	"time"

	"signet/authproof"
	"signet/internal/policyproto"
	"signet/test/postfix"
)

const malformed = "authroute:malformed"

func signed(t *testing.T, sender string) string {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	proof, err := authproof.Sign(key, authproof.Claims{
		Version: 2, Timestamp: time.Now(), MessageID: "<1@example.org>", Sender: sender, Audience: authproof.AnyRelay,
	})
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

// What a client sends, what the policy service is told, what the next hop gets. The
// mail is accepted every time.
func TestParameterReachesThePolicyServiceAndNeverRefusesMail(t *testing.T) {
	p := startPolicy(t, dunno)
	s := postfix.Start(t, postfix.Options{PolicyAddr: p.addr()})
	const plain = "alice@example.org"
	proof := signed(t, plain)
	long := strings.Repeat("x", 200)

	for name, c := range map[string]struct {
		mailFrom, sender, sasl string
	}{
		"a proof":                     {"MAIL FROM:<a@b.test> AUTH-PROOF=" + proof, "a@b.test", "authroute:" + proof},
		"no proof":                    {"MAIL FROM:<a@b.test>", "a@b.test", ""},
		"null sender":                 {"MAIL FROM:<> AUTH-PROOF=" + proof, "", "authroute:" + proof},
		"small letters":               {"mail from:<a@b.test> auth-proof=" + proof, "a@b.test", "authroute:" + proof},
		"space after the colon":       {"MAIL FROM: <a@b.test> AUTH-PROOF=" + proof, "a@b.test", "authroute:" + proof},
		"two spaces and a tab":        {"MAIL  FROM:<a@b.test>\tAUTH-PROOF=" + proof + " ", "a@b.test", "authroute:" + proof},
		"no brackets":                 {"MAIL FROM:a@b.test AUTH-PROOF=" + proof, "a@b.test", "authroute:" + proof},
		"standard base64":             {"MAIL FROM:<a@b.test> AUTH-PROOF=ab+/cd==", "a@b.test", "authroute:ab+/cd=="},
		"other parameters around":     {"MAIL FROM:<a@b.test> SIZE=100 AUTH-PROOF=x BODY=8BITMIME RET=HDRS", "a@b.test", "authroute:x"},
		"AUTH= before":                {"MAIL FROM:<a@b.test> AUTH=<> AUTH-PROOF=x", "a@b.test", "authroute:x"},
		"AUTH= after":                 {"MAIL FROM:<a@b.test> AUTH-PROOF=x SIZE=9 AUTH=a@b.test BODY=7BIT", "a@b.test", "authroute:x"},
		"only AUTH=":                  {"MAIL FROM:<a@b.test> AUTH=a@b.test", "a@b.test", "a@b.test"},
		"only AUTH=<>":                {"MAIL FROM:<a@b.test> AUTH=<>", "a@b.test", ""},
		"quoted local part":           {`MAIL FROM:<"john doe"@b.test> AUTH-PROOF=x`, "john doe@b.test", "authroute:x"},
		"quoted bracket":              {`MAIL FROM:<"a>b AUTH-PROOF=y \" "@b.test> AUTH-PROOF=x`, `a>b AUTH-PROOF=y " @b.test`, "authroute:x"},
		"UTF-8":                       {"MAIL FROM:<jürgen@b.test> AUTH-PROOF=x SMTPUTF8", "jürgen@b.test", "authroute:x"},
		"1,400 characters":            {"MAIL FROM:<a@b.test> AUTH-PROOF=" + strings.Repeat("x", 1400), "a@b.test", "authroute:" + strings.Repeat("x", 1400)},
		"1,401 characters":            {"MAIL FROM:<a@b.test> AUTH-PROOF=" + strings.Repeat("x", 1401), "a@b.test", malformed},
		"3,000 characters":            {"MAIL FROM:<a@b.test> AUTH-PROOF=" + strings.Repeat("x", 3000), "a@b.test", malformed},
		"line of 2,000 bytes":         {"MAIL FROM:<a@b.test> ENVID=" + strings.Repeat("e", 90) + " AUTH-PROOF=" + strings.Repeat("x", 1871), "a@b.test", malformed},
		"long local part":             {"MAIL FROM:<" + long + "@b.test> AUTH-PROOF=x", long + "@b.test", "authroute:x"},
		"empty":                       {"MAIL FROM:<a@b.test> AUTH-PROOF=", "a@b.test", malformed},
		"no equals sign":              {"MAIL FROM:<a@b.test> AUTH-PROOF", "a@b.test", malformed},
		"a character of no base64":    {"MAIL FROM:<a@b.test> AUTH-PROOF=ab*cd", "a@b.test", malformed},
		"a colon":                     {"MAIL FROM:<a@b.test> AUTH-PROOF=ab:cd", "a@b.test", malformed},
		"malformed, others stay":      {"MAIL FROM:<jürgen@b.test> SIZE=9 AUTH-PROOF=* BODY=8BITMIME SMTPUTF8", "jürgen@b.test", malformed},
		"malformed beside AUTH=":      {"MAIL FROM:<a@b.test> AUTH=<> AUTH-PROOF=* BODY=7BIT", "a@b.test", malformed},
		"two":                         {"MAIL FROM:<a@b.test> AUTH-PROOF=x AUTH-PROOF=x", "a@b.test", malformed},
		"two around another":          {"MAIL FROM:<jürgen@b.test> AUTH-PROOF=x SMTPUTF8 AUTH-PROOF=y SIZE=1", "jürgen@b.test", malformed},
		"two and AUTH=":               {"MAIL FROM:<jürgen@b.test> AUTH-PROOF=x AUTH=<> AUTH-PROOF=y SMTPUTF8", "jürgen@b.test", malformed},
		"two AUTH= beside":            {"MAIL FROM:<a@b.test> AUTH=<> AUTH=<> AUTH-PROOF=y", "a@b.test", malformed},
		"six":                         {"MAIL FROM:<a@b.test>" + strings.Repeat(" AUTH-PROOF=x", 6), "a@b.test", malformed},
		"150":                         {"MAIL FROM:<a@b.test>" + strings.Repeat(" AUTH-PROOF=x", 150), "a@b.test", malformed},
		"client writes the prefix":    {"MAIL FROM:<a@b.test> AUTH=authroute:x", "a@b.test", "authroute:x"},
		"the name inside a parameter": {"MAIL FROM:<a@b.test> ENVID=AUTH-PROOF=x", "a@b.test", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := accepted(t, s, c.mailFrom, message)
			q := p.last(t)
			if q.Sender != c.sender || q.SASLSender != c.sasl {
				t.Errorf("policy service got sender %q, sasl_sender %.80q, want %q, %.80q", q.Sender, q.SASLSender, c.sender, c.sasl)
			}
			if q.ProtocolState != "DATA" || q.QueueID == "" || q.Instance == "" || q.PolicyContext != "authroute" {
				t.Errorf("policy service got %+v, want it asked at DATA with a queue id", q)
			}
			if auth, ok := m.Auth(); ok {
				t.Errorf("next hop got AUTH=%s, want none", auth)
			}
			if strings.Contains(m.Sender, "AUTH-PROOF=x") || strings.Contains(strings.Join(m.Params, " "), "authroute") {
				t.Errorf("next hop got sender %q, parameters %q", m.Sender, m.Params)
			}
		})
	}
}

// A parameter that was dropped might be the one without which the mail is refused.
func TestOtherParametersStayBesideAMalformedProof(t *testing.T) {
	p := startPolicy(t, dunno)
	s := postfix.Start(t, postfix.Options{PolicyAddr: p.addr()})
	for _, parameters := range []string{
		"RET=HDRS AUTH-PROOF=* ENVID=abc", "AUTH-PROOF=x RET=HDRS AUTH-PROOF=y ENVID=abc",
		"AUTH-PROOF RET=HDRS AUTH=<> AUTH-PROOF=x AUTH-PROOF=x ENVID=abc", "AUTH-PROOF=x RET=HDRS ENVID=abc",
	} {
		m := accepted(t, s, "MAIL FROM:<a@b.test> "+parameters, message)
		if !slices.Contains(m.Params, "RET=HDRS") || !slices.Contains(m.Params, "ENVID=abc") {
			t.Errorf("%s: next hop got %q, want RET and ENVID", parameters, m.Params)
		}
	}
}

func TestSenderArrivesCleanAtTheNextHop(t *testing.T) {
	p := startPolicy(t, dunno)
	s := postfix.Start(t, postfix.Options{PolicyAddr: p.addr()})
	m := accepted(t, s, "MAIL FROM:<Alice@Example.org> AUTH-PROOF="+signed(t, "Alice@Example.org"), message)
	if m.Sender != "Alice@Example.org" {
		t.Errorf("next hop got sender %q, want Alice@Example.org", m.Sender)
	}
}

// The whole path: what authproof signs, Postfix hands on so that it verifies for the
// sender that Postfix reports.
func TestProofVerifiesForTheSenderThatPostfixReports(t *testing.T) {
	pub := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize)).Public().(ed25519.PublicKey)
	p := startPolicy(t, dunno)
	s := postfix.Start(t, postfix.Options{PolicyAddr: p.addr()})
	for path, sender := range map[string]string{
		"alice@example.org":          "alice@example.org",
		"Alice.Smith@Example.ORG":    "Alice.Smith@Example.ORG",
		`"john doe"@example.org`:     "john doe@example.org",
		`"a\"b\\c"@example.org`:      `a"b\c@example.org`,
		`"needless"@example.org`:     "needless@example.org",
		"alice+list@example.org":     "alice+list@example.org",
		"alice@[192.0.2.1]":          "alice@[192.0.2.1]",
		"@hop.example:a@example.org": "a@example.org",
	} {
		accepted(t, s, "MAIL FROM:<"+path+"> AUTH-PROOF="+signed(t, sender), message)
		q := p.last(t)
		carried := policyproto.ProofFrom(&q, false)
		proof, err := authproof.Parse(carried.Proof)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if err := proof.Verify(pub, carried.Sender, []string{authproof.AnyRelay}, time.Now(), authproof.Window); err != nil {
			t.Errorf("%s: reported as %q: %v", path, q.Sender, err)
		}
	}
}

// A pattern that backtracks reaches the limit of PCRE on such lines: a quarter of a
// second of a core for each, and no answer of that pattern.
func TestHostileParametersTakeNoTime(t *testing.T) {
	p := startPolicy(t, dunno)
	s := postfix.Start(t, postfix.Options{PolicyAddr: p.addr()})
	for name, parameters := range map[string]string{
		"many parameters before": strings.Repeat(" x", 900) + " AUTH-PROOF=*",
		"and after":              strings.Repeat(" x", 450) + " AUTH-PROOF=a" + strings.Repeat(" y", 450) + " AUTH-PROOF=*",
		"many spaces":            strings.Repeat(" ", 900) + "AUTH-PROOF=a" + strings.Repeat(" ", 900) + "AUTH-PROOF=*",
		"many AUTH=":             strings.Repeat(" AUTH=", 300) + " AUTH-PROOF=*",
		"almost the name":        strings.Repeat(" AUTH-PROO", 180),
		"quotes":                 ` "` + strings.Repeat(`\"`, 900) + ` AUTH-PROOF=*`,
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			s.Dial(t).Cmd("MAIL FROM:<a@b.test>" + parameters)
			s.Dial(t).Cmd(`MAIL FROM:<"a` + parameters)
			if took := time.Since(start); took > time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
	if log := s.Log(); strings.Contains(log, "match limit") || strings.Contains(log, "lookup error") {
		t.Errorf("a pattern reached its limit:\n%s", log)
	}
}
