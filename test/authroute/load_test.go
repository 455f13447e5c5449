//go:build alone

package authroute_test

import (
	"strings"
	"testing"

	signettest "signet/test/signet"
)

// A thousand mails a second over real policy sockets with real signatures: every answer
// is right. How late they are is printed and fails nothing (docs/adr/0010-not-a-gate.md):
// a busy machine would decide. Other tests beside it would be measured too, so
// "make test" runs it after them.
func TestLoadAloneIsAnsweredRightly(t *testing.T) {
	d := signettest.Dev(t)
	out, inTime := command(t, "authroute", "load", "--rate", "1000", "--for", "10s", "--ready-file", d.ReadyFile)
	t.Logf("below 100 ms: %t\n%s", inTime, out)
	if !strings.Contains(out, "sent 10000   answered 10000   wrong 0   lost 0") {
		t.Error("want 10000 right answers")
	}
}
