package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"signet/internal/config"
)

// The shipped file, as the README has operators change it, and as they get it wrong.
func TestMailDoctorReadsPostfix(t *testing.T) {
	shipped, tagged := shippedPostfix(t, "main.cf.authroute"), shippedPostfix(t, "main.cf.authroute-tagged")
	const (
		listen = "127.0.0.1:10040"
		socket = "/var/spool/postfix/signet/policy.sock"
		asks   = "inet:127.0.0.1:10040"
	)
	tcp, unix := config.Policy{Listen: listen}, config.Policy{Socket: socket}
	for name, c := range map[string]struct {
		policy   config.Policy
		tagged   bool
		old, new string // in the file
		failed   string // the finding
		fix      string // in its advice
	}{
		"as shipped":                          {policy: tcp},
		"socket, from the queue directory":    {policy: unix, old: asks, new: "unix:signet/policy.sock"},
		"socket, from the root of the chroot": {policy: unix, old: asks, new: "unix:/signet/policy.sock"},
		"socket, by its whole path":           {policy: unix, old: asks, new: "unix:" + socket},
		"both, and Postfix asks the socket":   {policy: config.Policy{Listen: listen, Socket: socket}, old: asks, new: "unix:signet/policy.sock"},
		"Postfix asks nobody of ours":         {policy: unix, failed: "Postfix policy address", fix: "unix:signet/policy.sock"},
		"another port":                        {policy: tcp, old: asks, new: asks + "1", failed: "Postfix policy address", fix: asks},
		"no filter":                           {policy: tcp, old: "smtpd_command_filter", new: "# smtpd_command_filter", failed: "Postfix smtpd_command_filter", fix: "pcre:"},
		"no restriction":                      {policy: tcp, old: ", $authroute_policy", failed: "Postfix restrictions", fix: "$authroute_policy"},
		"a stopped service defers mail":       {policy: tcp, old: "default_action=DUNNO,", failed: "Postfix default_action", fix: "DUNNO"},
		"ten tries":                           {policy: tcp, old: "try_limit=2", new: "try_limit=10"},
		"tagged senders":                      {policy: tcp, tagged: true, old: "smtpd_data_restrictions", new: tagged + "\n# "},
		"tagged senders in ours alone":        {policy: tcp, tagged: true, old: "swap_bangpath = no", new: "swap_bangpath = no\nsender_canonical_maps = pcre:/etc/postfix/authroute_canonical.pcre\nrecipient_delimiter = +", failed: "Postfix tagged sender", fix: "both or neither"},
		"tagged senders in Postfix alone":     {policy: tcp, old: "$authroute_policy", new: "check_sender_access pcre:/etc/postfix/authroute_sender.pcre, $authroute_policy", failed: "Postfix tagged sender", fix: "both or neither"},
		"one try":                             {policy: tcp, old: "try_limit=2", new: "try_limit=1", failed: "Postfix try_limit", fix: "try_limit=2"},
		"senders change after the judgement":  {policy: tcp, old: "swap_bangpath = no", new: "swap_bangpath = yes", failed: "Postfix swap_bangpath", fix: "no"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			text := strings.Replace(shipped, c.old, c.new, 1)
			if c.old != "" && text == shipped {
				t.Fatalf("the shipped file has no %q", c.old)
			}
			file, old := filepath.Join(dir, "main.cf"), time.Now().Add(-time.Hour) // for one of this second postconf waits
			if err := os.WriteFile(file, []byte("queue_directory = /var/spool/postfix\n"+text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(file, old, old); err != nil {
				t.Fatal(err)
			}
			cfg := config.Config{}
			cfg.Authroute.Policy, cfg.Authroute.TaggedSender = c.policy, c.tagged
			var failed []Finding
			for _, f := range checkPostfix(t.Context(), cfg, dir) {
				if f.Level == "fail" {
					failed = append(failed, f)
				}
			}
			switch {
			case c.failed == "" && len(failed) > 0:
				t.Errorf("got %+v, want nothing wrong", failed)
			case c.failed != "" && (len(failed) != 1 || failed[0].What != c.failed || !strings.Contains(failed[0].Fix, c.fix)):
				t.Errorf("got %+v, want %q and %q in its advice, alone", failed, c.failed, c.fix)
			}
		})
	}
}

func shippedPostfix(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy/postfix", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestMailDoctorSaysThatThereIsNoPostfixHere(t *testing.T) {
	all := checkPostfix(t.Context(), config.Config{}, t.TempDir())
	if len(all) != 1 || all[0].Level != "fail" || !strings.Contains(all[0].Fix, "--postfix-config") {
		t.Errorf("a directory without main.cf: got %+v", all)
	}
	t.Setenv("PATH", t.TempDir())
	all = checkPostfix(t.Context(), config.Config{}, t.TempDir())
	if len(all) != 1 || all[0].Level != "warn" || !strings.Contains(all[0].Text, "not on this machine") {
		t.Errorf("no postconf: got %+v", all)
	}
}

func TestMailDoctorAsksEachAddressOfThePolicyService(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "policy.sock")
	for name, c := range map[string]struct {
		policy config.Policy
		failed string // in what was seen
	}{
		"none":         {failed: "no address"},
		"socket":       {policy: config.Policy{Socket: missing}, failed: missing},
		"nobody there": {policy: config.Policy{Listen: "127.0.0.1:1"}, failed: "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			all := checkPolicyAnswers(t.Context(), c.policy)
			if len(all) != 1 || all[0].Level != "fail" || !strings.Contains(all[0].Text, c.failed) {
				t.Errorf("got %+v, want a failure that names %q", all, c.failed)
			}
		})
	}
}
