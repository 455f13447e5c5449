package docs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	signettest "signet/test/signet"
)

// The pages' shell blocks run in one shell, in order, in an empty directory:
//
//	```sh             has to succeed
//	```sh refused     has to fail
//	```sh timed       has to succeed, or to fail over the time that it took and nothing else
//	```sh background  keeps running until the page ends; the next block waits for its ready file
//	```text           is what the block before it printed; ... stands for anything
//
// Ports are those that the pages name, moved to free ones.

// pageTime is how long one page may take.
const pageTime = 5 * time.Minute

// ports are the default ports and where signet dev has the same, counted from its base.
var ports = map[string]int{"8080": 0, "8081": 1, "8082": 2, "8084": 4, "8086": 6, "10040": 2, "9464": 4, "8090": 9, "9080": 7} // the last: an app, on a port that nothing has yet

var port = regexp.MustCompile(`(:)(8080|8081|8082|8084|8086|8090|9080|9464|10040)\b`)

var readyFile = regexp.MustCompile(`--ready-file (\S+?)'?(?:\s|$)`)

// guide is a page that is being executed.
type guide struct {
	page string
	base int
	want []expectation
}

// expectation is what a block has to print.
type expectation struct {
	block, line int
	text        string
}

func TestGuidesRunAsTheyStand(t *testing.T) {
	for _, page := range []string{
		"docs/AUTHENTICATED_ROUTING.md", "docs/AUTHROUTE_ADMIN.md", "docs/API_AUTHENTICATION.md", "docs/LOGIN_ADMIN.md", "docs/11_AUTHORITY.md", "docs/12_OBJECTS.md",
		"docs/security/dpop-mtls-rollout.md", "docs/reference/events.md",
	} {
		t.Run(filepath.Base(page), func(t *testing.T) {
			g := guide{page: page, base: signettest.FreePorts(t)}
			g.run(t, t.TempDir())
		})
	}
}

func TestReadmeRunsAsItStands(t *testing.T) {
	dir := t.TempDir()
	copyTree(t, dir)
	g := guide{page: "README.md", base: signettest.FreePorts(t)}
	g.run(t, dir)
}

func TestGuideForAppsRunsAsItStands(t *testing.T) {
	dir := t.TempDir()
	copyTree(t, dir)
	g := guide{page: "docs/APPS.md", base: signettest.FreePorts(t)}
	g.run(t, dir)
}

func TestFirstVerdictComesWithinTenSeconds(t *testing.T) {
	binary := signettest.Binary(t)
	begun := time.Now()
	d := signettest.Dev(t)
	out, err := exec.CommandContext(t.Context(), binary, "try", "mail", "--ready-file", d.ReadyFile).CombinedOutput()
	if err != nil {
		t.Fatalf("try mail: %v\n%s", err, out)
	}
	took := time.Since(begun)
	t.Logf("from the start of signet dev to a signed, a forged and a revoked mail: %v", took.Round(time.Millisecond))
	if took > 10*time.Second {
		t.Errorf("took %v, want less than 10 s", took)
	}
}

// run executes the page in dir.
func (g *guide) run(t *testing.T, dir string) {
	t.Helper()
	script := g.script(t)
	ctx, cancel := context.WithTimeout(t.Context(), pageTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = environment(t, dir)
	// What a block leaves running must not outlive the test.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if cmd.Process != nil {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Error(err)
		}
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", g.page, err, out.String())
	}
	for _, e := range g.want {
		got, err := os.ReadFile(filepath.Join(dir, outputOf(e.block)))
		if err != nil {
			t.Fatal(err)
		}
		if !matches(e.text, string(got)) {
			t.Errorf("%s:%d: the block before it printed\n%s\nthe page says\n%s", g.page, e.line, got, e.text)
		}
	}
}

func outputOf(block int) string { return ".output-" + strconv.Itoa(block) }

// environment has the command in its path, and a home of its own.
func environment(t *testing.T, dir string) []string {
	t.Helper()
	bin := filepath.Dir(signettest.Binary(t))
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "SIGNET_") {
			env = append(env, e)
		}
	}
	return append(env, "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir, "GOCACHE="+goEnv(t, "GOCACHE"), "GOMODCACHE="+goEnv(t, "GOMODCACHE"))
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// script returns the page as one shell script.
func (g *guide) script(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("set -euo pipefail\nended() { local status=$?; [ -z \"${background:-}\" ] || { kill $background; wait $background || true; }; exit $status; }\ntrap ended EXIT\nbackground=\n")
	blocks := 0
	for _, f := range fencesOf(readPage(t, g.page)) {
		text := port.ReplaceAllStringFunc(f.text, g.move)
		where := fmt.Sprintf("%s:%d", g.page, f.line)
		switch f.info {
		case "sh":
			blocks++
			fmt.Fprintf(&b, "echo '== %s' >&2\n{\n%s} >%s\ncat %[3]s\n", where, text, outputOf(blocks))
		case "sh refused":
			blocks++
			fmt.Fprintf(&b, "echo '== %s' >&2\nif (\n%s) >%s 2>&1; then echo 'was not refused' >&2; exit 1; fi\n", where, text, outputOf(blocks))
		case "sh timed":
			blocks++
			fmt.Fprintf(&b, "echo '== %s' >&2\nif ! (\n%s) >%s 2>&1; then cat %[3]s >&2; grep -q 'the bar is' %[3]s; fi\n", where, text, outputOf(blocks))
		case "sh background":
			b.WriteString(g.background(t, where, text))
		case "text":
			g.want = append(g.want, expectation{blocks, f.line, text})
		}
	}
	if blocks < 2 {
		t.Fatalf("%s has %d shell blocks", g.page, blocks)
	}
	return b.String()
}

// background starts a block and waits for the ready file that it names.
func (g *guide) background(t *testing.T, where, text string) string {
	t.Helper()
	m := readyFile.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("%s: a background block needs --ready-file", where)
	}
	if strings.Contains(text, "signet dev") || strings.Contains(text, "make run") {
		text = strings.Replace(text, "--ready-file", "--base-port "+strconv.Itoa(g.base)+" --ready-file", 1)
	}
	// exec: the signal at the end must reach the command itself.
	return fmt.Sprintf(`echo '== %s' >&2
{ exec %s
} >.background 2>&1 & background="$! $background"
until [ -e %s ]; do kill -0 $! || { cat .background >&2; exit 1; }; sleep 0.05; done
`, where, strings.TrimSpace(text), m[1])
}

// move returns the port of this run in the place of one that the page names.
func (g *guide) move(named string) string {
	return ":" + strconv.Itoa(g.base+ports[strings.TrimPrefix(named, ":")])
}

// matches compares line by line; "..." in want stands for any text, and a line of
// nothing else for any lines.
func matches(want, got string) bool {
	pattern := regexp.QuoteMeta(strings.TrimRight(want, "\n"))
	pattern = regexp.MustCompile(`(?m)^\\\.\\\.\\\.$`).ReplaceAllString(pattern, `(?s:.*)`)
	pattern = strings.ReplaceAll(pattern, `\.\.\.`, `.*`)
	return regexp.MustCompile(`^` + pattern + `\n*$`).MatchString(got)
}

// copyTree copies the repository's files to dir.
func copyTree(t *testing.T, dir string) {
	t.Helper()
	for _, f := range files(t, "*") {
		b, err := os.ReadFile(filepath.Join(root, f))
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(root, f))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
}
