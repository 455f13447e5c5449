package authroute_test

import (
	"crypto/ed25519"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"signet/authproof"
	signettest "signet/test/signet"
)

// The load test without its time, which needs the machine for itself: load_test.go.
func TestLoadIsAnsweredRightly(t *testing.T) {
	t.Parallel()
	d := signettest.Dev(t)
	out, _ := command(t, "authroute", "load", "--rate", "500", "--for", "4s", "--ready-file", d.ReadyFile)
	if !strings.Contains(out, "sent 2000   answered 2000   wrong 0   lost 0") {
		t.Errorf("got %s, want 2000 right answers", out)
	}
}

func TestTryMailShowsAMailPassAndItsKeyRevoked(t *testing.T) {
	d := signettest.Dev(t)
	out, ok := command(t, "try", "mail", "--ready-file", d.ReadyFile)
	if !ok {
		t.Error("signet try mail failed")
	}
	for _, want := range []string{"PREPEND Authenticated-Routing: pass", "REJECT Invalid signature", "DUNNO", "REJECT Key revoked"} {
		if !strings.Contains(out, want) {
			t.Errorf("got %s, want %q in it", out, want)
		}
	}
}

// What scripts rely on: design of the ready file.
func TestDevServerIsAsItsReadyFileSays(t *testing.T) {
	d := signettest.Dev(t)
	info, err := os.Stat(d.ReadyFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("ready file: mode %v, %v, want 0600", info.Mode(), err)
	}
	r := d.Ready
	if r.Public != d.Origin || r.Policy != d.Policy || r.Operations != d.Operations || r.User.Email != "dev@signet.test" || r.Authroute.Sender != r.User.Email {
		t.Errorf("ready file: got %+v, want the ports after that of %s", r, d.Origin)
	}
	if id := authproof.KeyID(d.Key.Public().(ed25519.PublicKey)); id != r.Authroute.KeyID {
		t.Errorf("private_key_file holds %s, want %s", id, r.Authroute.KeyID)
	}
	if a := d.Call("GET", "/api/v1/authroute/verifications", r.APIToken, ""); a.Status != 200 {
		t.Errorf("api_token: got %d %s", a.Status, a.Body)
	}
	d.Stop()
	if _, err := os.Stat(d.ReadyFile); !os.IsNotExist(err) {
		t.Errorf("after the stop the ready file is still there: %v", err)
	}
}

// command runs signet without a store of its own, and returns what it printed and
// whether it ended with status 0.
func command(t *testing.T, args ...string) (out string, ok bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), signettest.Binary(t), args...)
	cmd.WaitDelay = time.Second
	text, err := cmd.CombinedOutput()
	return string(text), err == nil
}

func TestADevServerThatCannotListenLeavesTheOtherOnesReadyFile(t *testing.T) {
	d := signettest.Dev(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(d.Origin, "http://"), ":")
	out, ok := command(t, "dev", "--data", t.TempDir(), "--base-port", port, "--ready-file", d.ReadyFile)
	if ok || !strings.Contains(out, "choose ten other ports with --base-port") {
		t.Errorf("got %s, want what to do about ports in use", out)
	}
	if _, err := os.Stat(d.ReadyFile); err != nil {
		t.Errorf("the ready file of the server that runs: %v", err)
	}
}
