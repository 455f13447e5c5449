package authroute_test

import (
	"testing"

	"signet/test/postfix"

	signettest "signet/test/signet"
)

// The proof in the sender itself. Such a sender walks around sender-login maps, so what
// does not verify is refused in every mode, and waits while the service is down.
func TestTaggedSenderIsPlainWhereItVerifiesAndElseRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, postfix.Options{TaggedSender: true})
	monitored, enforced := w.keys["monitor"], w.keys["enforce"]
	tagged := func(user, proof, domain string) string {
		return "MAIL FROM:<" + user + "+ap=" + proof + "@" + domain + ">"
	}

	for name, m := range map[string]mail{
		"a valid tag":                 {from: tagged("alice", enforced.Proof(t), "enforce.test"), want: passed(enforced)},
		"a valid tag in monitor":      {from: tagged("alice", monitored.Proof(t), "monitor.test"), want: passed(monitored), nextHop: monitored.Address},
		"another's tag in monitor":    {from: tagged("ceo", monitored.Proof(t), "monitor.test"), want: refused("signature", "Invalid signature")},
		"a malformed tag in monitor":  {from: tagged("alice", "nonsense", "monitor.test"), want: want{code: 554, text: "Proof required", result: "none", reason: "malformed", action: "REJECT Proof required"}},
		"an unknown key in monitor":   {from: tagged("alice", signettest.NewKey(t, monitored.Address).Proof(t), "monitor.test"), want: want{code: 554, text: "Key not found", result: "none", reason: "key-not-found", action: "REJECT Key not found"}},
		"a parameter beside no tag":   {from: from(alice, enforced.Proof(t)), want: passed(enforced)},
		"no proof at all, in monitor": {from: "MAIL FROM:<" + monitored.Address + ">", want: unmarked("none", "no-proof"), nextHop: monitored.Address},
	} {
		t.Run(name, func(t *testing.T) { w.send(t, m) })
	}

	t.Run("the service is down", func(t *testing.T) {
		w.signet.Kill()
		c := w.relay.Dial(t)
		if code, text := c.Mail(tagged("alice", enforced.Proof(t), "enforce.test"), []string{"r@example.com"}, message); code != 450 {
			t.Errorf("tagged: got %d %s, want 450", code, text)
		}
		w.give(t, mail{from: from(alice, enforced.Proof(t)), want: want{code: 250}})
		w.signet.Restart()
		w.give(t, mail{from: tagged("alice", enforced.Proof(t), "enforce.test"), want: passed(enforced)})
	})
}
