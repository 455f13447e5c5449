package postfix_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"signet/test/postfix"
)

func TestShippedSettingsGiveNoWarning(t *testing.T) {
	for name, o := range map[string]postfix.Options{
		"data stage":      {},
		"recipient stage": {Stage: postfix.Recipient},
		"tagged senders":  {TaggedSender: true},
	} {
		t.Run(name, func(t *testing.T) {
			o.PolicyAddr = "127.0.0.1:1"
			s := postfix.Start(t, o)
			if said := postconf(t, s.Dir(), "-n"); strings.Contains(said, "warning") {
				t.Errorf("postconf:\n%s", said)
			}
		})
	}
}

func TestShippedServicesAreReadAsTheyAreMeant(t *testing.T) {
	s := postfix.Start(t, postfix.Options{PolicyAddr: "127.0.0.1:1"})
	addFile(t, filepath.Join(s.Dir(), "master.cf"), filepath.Join(s.Dir(), "master.cf.authroute"))
	said := postconf(t, s.Dir(), "-P")
	for _, want := range []string{
		"127.0.0.1:2525/inet/smtpd_data_restrictions = reject_unauth_pipelining, $authroute_policy",
		"127.0.0.1:2525/inet/smtpd_command_filter = pcre:/etc/postfix/authroute_command_filter.pcre",
		"127.0.0.1:10026/inet/smtpd_data_restrictions =\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("postconf -P lacks %q:\n%s", want, said)
		}
	}
	if strings.Contains(said, "warning") {
		t.Errorf("postconf -P:\n%s", said)
	}
}

func TestEveryShippedFileIsExplained(t *testing.T) {
	const shipped = "../../deploy/postfix"
	readme, err := os.ReadFile(filepath.Join(shipped, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(shipped)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() != "README.md" && !strings.Contains(string(readme), "`"+f.Name()+"`") {
			t.Errorf("README.md does not name %s", f.Name())
		}
	}
}

// postconf returns what it prints, warnings included.
func postconf(t *testing.T, dir, option string) string {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), "/usr/sbin/postconf", "-c", dir, option).CombinedOutput()
	if err != nil {
		t.Fatalf("postconf %s: %v\n%s", option, err, said)
	}
	return string(said)
}

func addFile(t *testing.T, to, from string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, append(before, text...), 0o600); err != nil {
		t.Fatal(err)
	}
}
