package docs_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	signettest "signet/test/signet"
)

var update = flag.Bool("update", false, "write docs/openapi.yaml anew")

func TestOpenAPIDocumentIsWhatTheServerServes(t *testing.T) {
	a := signettest.Dev(t).Call("GET", "/api/v1/openapi.json", "", "")
	var served struct {
		Info struct {
			Version string `json:"version"`
		} `json:"info"`
	}
	a.JSON(t, &served)
	quoted, err := json.Marshal(served.Info.Version)
	if err != nil {
		t.Fatal(err)
	}
	// The version is that of each build.
	body := bytes.Replace(a.Body, append([]byte(`"version":`), quoted...), []byte(`"version":"of the build"`), 1)
	got, err := yaml.JSONToYAML(body)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "docs/openapi.yaml")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/openapi.yaml is not what the server serves: go test ./test/docs -run OpenAPI -update")
	}
}

func TestSystemdTakesTheUnit(t *testing.T) {
	unit := readPage(t, "deploy/systemd/signet.service")
	const installed = "/usr/local/bin/signet"
	if !strings.Contains(unit, "ExecStart="+installed+" serve ") {
		t.Fatal("the unit does not start signet serve")
	}
	// It also checks that the command is there.
	file := filepath.Join(t.TempDir(), "signet.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(unit, installed, signettest.Binary(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", file).CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

var (
	// spoken is a command with its flags, as pages name it in running text.
	spoken = regexp.MustCompile("`signet ((?:[a-z][a-z0-9-]* ?)+)([^`]*)`")
	flags  = regexp.MustCompile(`--[a-z-]+`)
)

// unmade are commands that a page names as not there yet.
var unmade = map[string]bool{"authroute proxy": true}

func TestCommandsThatPagesNameExist(t *testing.T) {
	for _, page := range files(t, "*.md") {
		if strings.HasPrefix(page, "docs/adr/") {
			continue // they tell of plans too
		}
		for _, m := range spoken.FindAllStringSubmatch(readPage(t, page), -1) {
			if unmade[strings.TrimSpace(m[1])] {
				continue
			}
			help := helpOf(t, strings.Fields(m[1]))
			if help == "" {
				t.Errorf("%s names %q, which is no command", page, m[0])
				continue
			}
			for _, f := range flags.FindAllString(m[2], -1) {
				if !strings.Contains(help, f) {
					t.Errorf("%s names %q, which has no flag %s", page, m[0], f)
				}
			}
		}
	}
}

// helpOf returns the help of the command that words begin with, "" where there is none.
func helpOf(t *testing.T, words []string) string {
	t.Helper()
	for n := len(words); n > 0; n-- {
		args := append(append([]string{}, words[:n]...), "--help")
		out, err := exec.CommandContext(t.Context(), signettest.Binary(t), args...).CombinedOutput()
		if err == nil {
			// What follows must be an argument, not a command that is missing.
			if n < len(words) && strings.Contains(string(out), "Commands:") {
				return ""
			}
			return string(out)
		}
	}
	return ""
}
