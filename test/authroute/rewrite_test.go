package authroute_test

import (
	"fmt"
	"testing"

	"signet/test/postfix"
)

// Postfix makes an address of an incomplete sender only after it has asked. None may
// come out as one of a domain in require mode without a proof, or lose its tag unseen.
func TestSenderThatPostfixCompletesIsJudgedToo(t *testing.T) {
	completed := []string{
		"<alice@require.test>", "<alice>", "<alice@require.test.>", "<alice%require.test>", "<require.test!alice>",
		"<alice@REQUIRE.test>", `<"alice@require.test">`,
	}
	tagged := []string{
		"<alice+ap=AAAA>", "<alice+ap=AAAA%require.test>", "<require.test!alice+ap=AAAA>", "<alice+ap=AAAA@require.test>",
		"<alice+ap=AAAA@require.test.>",
	}
	for name, c := range map[string]struct {
		options postfix.Options
		senders []string
	}{
		"data":      {postfix.Options{}, completed},
		"recipient": {postfix.Options{Stage: postfix.Recipient}, completed},
		"tagged":    {postfix.Options{TaggedSender: true}, append(tagged, completed...)},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Extra = map[string]string{"myorigin": "require.test"}
			w := newWorld(t, c.options)
			for i, from := range c.senders {
				to := []string{fmt.Sprintf("a%d@example.com", i)}
				code, text := w.relay.DialFrom(t, "127.0.0.1").Mail("MAIL FROM:"+from, to, message)
				if code == 250 {
					t.Errorf("%s without a proof: got %d %s, want a refusal", from, code, text)
				}
			}
		})
	}
}
