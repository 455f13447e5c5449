package signettest

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	readyWithin = 30 * time.Second
	stopWithin  = 40 * time.Second // longer than server.drain
)

// Instance is a running signet process. It is for the goroutine of its test.
type Instance struct {
	Origin     string // of the public listener, such as http://localhost:21230
	Policy     string // host and port of the policy service
	Operations string // URL of health, readiness and metrics
	Objects    string // URL of the S3 API

	t         testing.TB
	args, env []string
	readyFile string
	log       *os.File
	cmd       *exec.Cmd
	ended     chan struct{} // closed when the process has ended
}

func newInstance(t testing.TB, base int, secrets *Secrets) *Instance {
	t.Helper()
	dir := t.TempDir()
	log, err := os.Create(filepath.Join(dir, "log")) //nolint:gosec // own path
	if err != nil {
		t.Fatal(err)
	}
	i := &Instance{
		Origin: "http://localhost:" + strconv.Itoa(base+publicPort), Policy: loopback(base + policyPort),
		Operations: "http://" + loopback(base+operationsPort), Objects: "http://" + loopback(base+objectsPort),
		t: t, log: log, readyFile: filepath.Join(dir, "ready.json"),
	}
	t.Cleanup(func() {
		i.Resume()
		i.Kill()
		secrets.NotIn("log of "+i.Origin, i.Log())
		if t.Failed() {
			t.Logf("log of %s:\n%s", i.Origin, tail(i.Log(), 100))
		}
		_ = log.Close()
	})
	return i
}

// Pid returns the process id.
func (i *Instance) Pid() int { return i.cmd.Process.Pid }

// Log returns what all processes of this instance have logged.
func (i *Instance) Log() string {
	text, err := os.ReadFile(i.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// start starts the process and waits until it is ready.
func (i *Instance) start() {
	i.t.Helper()
	i.launch()
	i.AwaitReady()
}

func (i *Instance) launch() {
	i.t.Helper()
	i.cmd = exec.Command(Binary(i.t), i.args...) //nolint:gosec,noctx // own words; Kill ends it
	i.cmd.Env = append(environment(), i.env...)
	i.cmd.Stdout, i.cmd.Stderr = i.log, i.log
	if err := i.cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	i.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // ExitCode tells
		close(ended)
	}(i.cmd, i.ended)
}

// AwaitReady waits until the ready file is there and readiness says so, and ends the
// test where that takes too long or the process ends.
func (i *Instance) AwaitReady() {
	i.t.Helper()
	Await(i.t, "instance is ready", readyWithin, func() error {
		select {
		case <-i.ended:
			i.t.Fatalf("signet %s ended with status %d while it started", i.args[0], i.cmd.ProcessState.ExitCode())
		default:
		}
		if _, err := os.Stat(i.readyFile); err != nil {
			return err
		}
		return i.ready()
	})
}

func (i *Instance) ready() error {
	res, err := http.Get(i.Operations + "/ready") //nolint:noctx // loopback
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ready: %s", res.Status)
	}
	return nil
}

// Stop tells the process to stop (SIGTERM), waits until it has drained, and checks
// that it ends with status 0.
func (i *Instance) Stop() {
	i.t.Helper()
	i.signal(syscall.SIGTERM)
	select {
	case <-i.ended:
	case <-time.After(stopWithin):
		i.t.Fatalf("instance did not stop within %v", stopWithin)
	}
	if status := i.cmd.ProcessState.ExitCode(); status != 0 {
		i.t.Errorf("instance stopped with status %d, want 0", status)
	}
}

// Kill ends the process at once (SIGKILL), as a crash would. It may have ended already.
func (i *Instance) Kill() {
	if i.cmd == nil {
		return
	}
	i.signal(syscall.SIGKILL)
	<-i.ended
}

// Pause stops the process from doing anything, with its connections open (SIGSTOP).
func (i *Instance) Pause() { i.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (i *Instance) Resume() { i.signal(syscall.SIGCONT) }

// Restart starts a process that has ended again, on the same ports and state.
func (i *Instance) Restart() {
	i.t.Helper()
	if err := os.Remove(i.readyFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		i.t.Fatal(err)
	}
	i.start()
}

// RSS returns the resident memory of the process, in bytes.
func (i *Instance) RSS() int64 { return memory(i.t, i.Pid(), "VmRSS:") }

// Peak returns the most resident memory that a process ever had, in bytes.
func Peak(t testing.TB, pid int) int64 {
	t.Helper()
	return memory(t, pid, "VmHWM:")
}

func memory(t testing.TB, pid int, name string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kB, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kB << 10
		}
	}
	t.Fatalf("/proc shows no %s", name)
	return 0
}

// CPU returns the processor time that the instance has spent. It is counted in hundredths
// of a second.
func (i *Instance) CPU() time.Duration { return CPU(i.t, i.Pid()) }

// CPU is [Instance.CPU] of any process.
func CPU(t testing.TB, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ") // of the name
	fields := strings.Fields(after)
	var ticks int64
	for _, f := range fields[11:13] { // utime and stime (proc_pid_stat(5))
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func (i *Instance) signal(s syscall.Signal) {
	if i.cmd == nil {
		return
	}
	if err := i.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		i.t.Errorf("signal %v to instance: %v", s, err)
	}
}

// Await calls done until it returns nil, and ends the test with its last error where
// that takes longer than within.
func Await(t testing.TB, what string, within time.Duration, done func() error) {
	t.Helper()
	late := time.After(within)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		err := done()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-late:
			t.Fatalf("%s: not within %v: %v", what, within, err)
		}
	}
}

// tail returns the last n lines.
func tail(s string, n int) string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
