package signettest

import (
	"bytes"
	"os/exec"
	"strings"
	"time"
)

// RunKilled starts a command on the store and ends it at once (SIGKILL) after a time,
// as a crash would. It reports whether the command had ended before; then it must
// have succeeded.
func (n *Installation) RunKilled(after time.Duration, args ...string) (ended bool) {
	n.t.Helper()
	cmd := exec.Command(Binary(n.t), args...) //nolint:gosec,noctx // the test's own words; it is killed
	cmd.Env = append(environment(), append(n.env, "SIGNET_DATA="+n.data())...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	kill := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	killed := !kill.Stop() && !cmd.ProcessState.Exited()
	if !killed && err != nil {
		n.t.Fatalf("signet %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	n.Secrets.NotIn("standard error of signet "+args[0], stderr.String())
	return !killed
}
