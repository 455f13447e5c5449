// Package scripts tests the scripts beside it.
package scripts

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// machine is a root directory in which packages are files, with programs that stand in
// for apt-get and its like and keep what they were told.
type machine struct {
	root, bin, told string

	npm string // directory of the npm packages
}

func newMachine(t *testing.T, programs ...string) machine {
	t.Helper()
	m := machine{root: t.TempDir(), bin: t.TempDir(), npm: t.TempDir()}
	m.told = filepath.Join(m.bin, "told")
	m.write(t, filepath.Join(m.npm, "package-lock.json"), time.Now().Add(-time.Hour))
	m.write(t, m.npmDone(), time.Now())
	for _, name := range []string{"bash", "sh", "cat", "id", "dirname", "tee", "chmod", "rm", "env", "mkdir", "touch"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(m.bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range programs {
		m.program(t, name, "")
	}
	m.program(t, "sudo", `shift; [ "$1" = true ] || exec "$@"`)
	return m
}

func (m machine) npmDone() string { return filepath.Join(m.npm, "node_modules/.package-lock.json") }

func (machine) write(t *testing.T, path string, at time.Time) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// program makes a program that records how it was called and then runs the script.
func (m machine) program(t *testing.T, name, script string) {
	t.Helper()
	text := "#!/bin/sh\n"
	if name != "sudo" {
		text += "echo " + name + ` "$@" >> ` + m.told + "\n"
	}
	path := filepath.Join(m.bin, name)
	if err := os.WriteFile(path, []byte(text+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (m machine) install(t *testing.T, files ...string) {
	t.Helper()
	for _, file := range files {
		path := filepath.Join(m.root, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// run returns what test-deps printed and its exit status.
func (m machine) run(t *testing.T) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "./test-deps")
	cmd.Env = []string{"PATH=" + m.bin, "TEST_DEPS_ROOT=" + m.root, "TEST_DEPS_NPM=" + m.npm}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return said.String(), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return said.String(), 0
}

func (m machine) calls(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(m.told)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// all but Redis
var installed = []string{
	"usr/lib/postfix/sbin/master", "usr/lib/postfix/postfix-pcre.so",
	"usr/lib/x86_64-linux-gnu/libnss_wrapper.so", "usr/lib/x86_64-linux-gnu/libuid_wrapper.so",
	"usr/lib/postgresql/15/bin/postgres", "usr/bin/chromium", "usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "usr/lib/python3/dist-packages/cryptography/__init__.py",
	"usr/lib/python3/dist-packages/jwt/__init__.py", "usr/lib/python3/dist-packages/boto3/__init__.py", "usr/sbin/nginx",
	"usr/bin/aws", "usr/bin/s3cmd", "usr/bin/rclone",
	"usr/bin/promtool", "usr/bin/systemd-analyze", "usr/bin/openssl", "usr/bin/curl", "usr/sbin/ip", "usr/bin/jq",
	"usr/bin/node", "usr/bin/npm",
}

func TestThisMachineHasWhatTheTestsNeed(t *testing.T) {
	start := time.Now()
	said, err := exec.CommandContext(t.Context(), "./test-deps", "--check").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s(run scripts/test-deps)", err, said)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v, want less than 1 s", took)
	}
}

func TestOnlyWhatIsMissingIsInstalledAndNoServiceStarts(t *testing.T) {
	m := newMachine(t, "go", "systemctl")
	m.install(t, installed...)
	m.install(t, "run/systemd/system/x", "usr/sbin/x")
	rule := filepath.Join(m.root, "usr/sbin/policy-rc.d")
	redis := filepath.Join(m.root, "usr/bin")
	m.program(t, "apt-get", `case "$*" in *install*) [ -x `+rule+` ] && mkdir -p `+redis+` && touch `+redis+`/redis-server;; esac`)

	said, status := m.run(t)
	if status != 0 || !strings.Contains(said, "installing redis-server\n") {
		t.Errorf("got status %d, %s", status, said)
	}
	calls := m.calls(t)
	for _, want := range []string{
		"install -y --no-install-recommends redis-server\n", "systemctl disable -q redis-server\n", "go mod download\n",
	} {
		if !strings.Contains(calls, want) {
			t.Errorf("%q was not called:\n%s", want, calls)
		}
	}
	if _, err := os.Stat(rule); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the rule against services was left: %v", err)
	}
}

func TestNothingMissingInstallsNothing(t *testing.T) {
	m := newMachine(t, "go", "apt-get")
	m.install(t, append(installed, "usr/bin/redis-server")...)
	said, status := m.run(t)
	if calls := m.calls(t); status != 0 || said != "" || calls != "go mod download\n" {
		t.Errorf("got status %d, %q, calls %q", status, said, calls)
	}
}

func TestNpmPackagesAreInstalledWhereTheyAreMissingOrOlderThanTheirLock(t *testing.T) {
	for name, change := range map[string]func(m machine){
		"missing": func(m machine) {
			if err := os.Remove(m.npmDone()); err != nil {
				t.Fatal(err)
			}
		},
		"older": func(m machine) { m.write(t, filepath.Join(m.npm, "package-lock.json"), time.Now().Add(time.Hour)) },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, "go", "npm")
			m.install(t, append(installed, "usr/bin/redis-server")...)
			change(m)
			said, status := m.run(t)
			want := "npm --prefix " + m.npm + " ci --ignore-scripts --no-audit --no-fund --silent\n"
			if calls := m.calls(t); status != 0 || !strings.Contains(calls, want) {
				t.Errorf("got status %d, %s, calls %q, want %q", status, said, calls, want)
			}
			m.program(t, "npm", "exit 1")
			if said, status := m.run(t); status != 1 || !strings.Contains(said, "could not install the npm packages") {
				t.Errorf("npm fails: got status %d, %s", status, said)
			}
		})
	}
}

func TestWhatCannotBeInstalledIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		script, want string
	}{
		"apt-get does not work":    {"exit 100", "apt-get update did not work. Missing: redis-server"},
		"package does not install": {`[ "$1" = update ]`, "could not install redis-server"},
		"file is still missing":    {"exit 0", "still missing after the installation: redis-server"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, "go")
			m.install(t, append(installed, "usr/sbin/x")...)
			m.program(t, "apt-get", c.script)
			if said, status := m.run(t); status != 1 || !strings.Contains(said, c.want) {
				t.Errorf("got status %d, %s, want %s", status, said, c.want)
			}
		})
	}
}

func TestMachineWithoutAptIsToldWhatToInstall(t *testing.T) {
	m := newMachine(t, "go")
	m.install(t, installed...)
	said, status := m.run(t)
	if status != 1 || !strings.Contains(said, "Install what Debian calls: redis-server") {
		t.Errorf("got status %d, %s", status, said)
	}
}
