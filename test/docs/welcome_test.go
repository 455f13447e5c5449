package docs_test

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	signettest "signet/test/signet"
)

func TestLinesThatADevServerPrintsDoWhatTheySay(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), signettest.Binary(t), "dev", "--data", t.TempDir(), "--base-port", strconv.Itoa(signettest.FreePorts(t)))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Cancel(); _ = cmd.Wait() }() // its status is of no interest
	lines := toPaste(bufio.NewScanner(out))
	if len(lines) != 5 {
		t.Fatalf("got %d lines to paste, want 5: %q", len(lines), lines)
	}
	for _, line := range lines {
		text, err := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c", strings.ReplaceAll(line, "curl ", "curl -sS --fail ")).CombinedOutput()
		if err != nil || len(text) == 0 {
			t.Errorf("%s: %v\n%s", line, err, text)
		}
		for answer := range strings.Lines(string(text)) {
			if strings.Contains(line, " try ") && len(strings.TrimRight(answer, "\n")) > 80 {
				t.Errorf("%s: wider than 80 columns: %s", line, answer)
			}
		}
	}
}

// toPaste returns the lines of the welcome that are to be tried.
func toPaste(s *bufio.Scanner) (lines []string) {
	for trying := false; s.Scan(); {
		switch text := s.Text(); {
		case strings.HasPrefix(text, "Try, "):
			trying = true
		case trying && strings.HasPrefix(text, "  "):
			lines = append(lines, strings.TrimSpace(text))
		case trying && len(lines) > 0:
			return lines
		}
	}
	return lines
}
