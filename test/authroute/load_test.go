//go:build alone

package authroute_test

import (
	"strings"
	"testing"

	signettest "signet/test/signet"
)

// A thousand mails a second over real policy sockets with real signatures: every answer
// is right, and 99 of 100 come within 100 ms. Other tests beside it would be measured
// too, so "make test" runs it after them.
func TestLoadIsAnsweredRightlyAndInTime(t *testing.T) {
	d := signettest.Dev(t)
	out, ok := command(t, "authroute", "load", "--rate", "1000", "--for", "10s", "--ready-file", d.ReadyFile)
	t.Logf("%s", out)
	if !ok || !strings.Contains(out, "sent 10000   answered 10000   wrong 0   lost 0") {
		t.Errorf("want 10000 right answers and p99 below 100 ms")
	}
}
