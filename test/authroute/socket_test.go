package authroute_test

import (
	"os"
	"path/filepath"
	"testing"

	"signet/test/postfix"

	signettest "signet/test/signet"
)

// Postfix names the socket from its queue directory, as deploy/postfix/README.md has it
// for a Postfix on the same machine.
func TestPostfixAsksByTheUNIXSocketInItsQueueDirectory(t *testing.T) {
	relay := postfix.Start(t, postfix.Options{PolicyAddr: "unix:signet/policy.sock"})
	dir := filepath.Join(relay.Queue(), "signet")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "policy.sock")
	w := &world{relay: relay, office: newOffice(t, signettest.Options{Env: []string{"SIGNET_AUTHROUTE_POLICY_SOCKET=" + socket}})}
	key := w.keys["enforce"]
	w.give(t, mail{from: from(key.Address, key.Proof(t)), want: passed(key)})
	// What a killed instance left must not keep the next one out.
	w.signet.Kill()
	if _, err := os.Stat(socket); err != nil {
		t.Fatalf("a kill should leave the socket behind: %v", err)
	}
	w.give(t, mail{from: from(key.Address, key.Proof(t)), want: want{code: 250}})
	w.signet = w.Start()
	w.signet.AwaitKeys(t, key)
	w.give(t, mail{from: from(key.Address, key.Proof(t)), want: passed(key)})
	w.signet.Stop()
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("after a stop the socket is there: %v", err)
	}
}
