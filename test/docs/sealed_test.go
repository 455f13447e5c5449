package docs_test

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	signettest "signet/test/signet"
)

// sealed starts a dev server where there is no interface but loopback, and has it give
// tokens and judge mail.
const sealed = `
ip link set lo up
ip route get 192.0.2.1 && exit 9 # there is a way out
"$0" dev --data "$1" --base-port "$2" --ready-file "$1/ready.json" --quiet &
server=$!
for try in $(seq 300); do [ -e "$1/ready.json" ] && break; sleep 0.1; done
"$0" try token --ready-file "$1/ready.json" && "$0" try mail --ready-file "$1/ready.json"
status=$?
kill $server && wait $server
exit $status
`

func TestNothingIsAskedOfANetwork(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "unshare", "--map-root-user", "--net", "bash", "-c", sealed,
		signettest.Binary(t), t.TempDir(), strconv.Itoa(signettest.FreePorts(t)))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "401 invalid_dpop_proof") || !strings.Contains(string(out), "REJECT Key revoked") {
		t.Errorf("on a machine without a network: %v\n%s", err, out)
	}
}
