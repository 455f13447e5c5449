package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"signet/internal/config"
)

func TestCheckOfObjectsNamesWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	away := config.ObjectsUpstream{Endpoint: "http://127.0.0.1:1", Region: "us-east-1", AccessKeyID: "AKIA", SecretAccessKey: "s"}
	for name, c := range map[string]struct {
		change func(*config.Objects)
		level  string
		text   string
	}{
		"a directory to be made":   {func(o *config.Objects) { o.Disk.Path = filepath.Join(dir, "a", "b") }, "ok", "objects"},
		"a file for a directory":   {func(o *config.Objects) { o.Disk.Path = filepath.Join(file, "b") }, "fail", "objects.disk.path"},
		"no authentication":        {func(o *config.Objects) { o.Auth, o.Disk.Path = "off", dir }, "warn", "authentication is off"},
		"an upstream that is away": {func(o *config.Objects) { o.Store, o.Upstream = "upstream", away }, "fail", "objects.upstream"},
		"a role's grant":           {func(o *config.Objects) { o.Roles = map[string]config.Role{"ci": {Grants: []string{"files:red"}}} }, "fail", `objects.roles.ci.grants: "files:red"`},
		"certificate":              {func(o *config.Objects) { o.TLSCertFile, o.Disk.Path = file, dir }, "fail", "objects.tlsCertFile"},
	} {
		cfg := config.Default()
		c.change(&cfg.Objects)
		all := checkObjects(t.Context(), cfg)
		if len(all) == 0 || all[0].Level != c.level || !strings.Contains(all[0].String(), c.text) {
			t.Errorf("%s: got %v, want %s with %q", name, all, c.level, c.text)
		}
	}
	cfg := config.Default()
	cfg.Objects.Listen = ""
	if all := checkObjects(t.Context(), cfg); len(all) != 0 {
		t.Errorf("no S3 API: got %v", all)
	}
}
