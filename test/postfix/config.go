package postfix

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// masterCf has all services that relaying needs, none in a chroot.
const masterCf = `
ADDRESS   inet       n - n -     - smtpd
cleanup   unix       n - n -     0 cleanup
qmgr      unix       n - n 300   1 qmgr
rewrite   unix       - - n -     - trivial-rewrite
bounce    unix       - - n -     0 bounce
defer     unix       - - n -     0 bounce
trace     unix       - - n -     0 bounce
verify    unix       - - n -     1 verify
flush     unix       n - n 1000? 0 flush
proxymap  unix       - - n -     - proxymap
smtp      unix       - - n -     - smtp
relay     unix       - - n -     - smtp
showq     unix       n - n -     - showq
error     unix       - - n -     - error
retry     unix       - - n -     - error
discard   unix       - - n -     - discard
anvil     unix       - - n -     1 anvil
scache    unix       - - n -     1 scache
tlsmgr    unix       - - n 1000? 1 tlsmgr
postlog   unix-dgram n - n -     1 postlogd
`

// settings are those of main.cf, by name.
type settings map[string]string

func (s *Server) configure(t testing.TB, o Options) {
	t.Helper()
	s.makeDirs(t)
	copyShipped(t, s.Dir())
	main := s.baseSettings()
	if o.PolicyAddr != "" {
		main.addShipped(t, s.Dir(), "main.cf.authroute")
		if o.Stage == Recipient {
			main.addShipped(t, s.Dir(), "main.cf.authroute-recipient")
		}
		if o.TaggedSender {
			main.addShipped(t, s.Dir(), "main.cf.authroute-tagged")
		}
		main.adapt(s.Dir(), o)
	}
	maps.Copy(main, o.Extra)
	write(t, filepath.Join(s.Dir(), "main.cf"), main.String())
	write(t, filepath.Join(s.Dir(), "master.cf"), strings.Replace(masterCf, "ADDRESS", s.addr, 1))
	makeOld(t, filepath.Join(s.Dir(), "main.cf"))
}

// makeOld sets a file's time back. Each process of Postfix that reads a main.cf of this
// second waits until it is older, since an editor may be at work.
func makeOld(t testing.TB, path string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
}

// baseSettings make a relay that keeps to its directory, asks no DNS, and has no limit
// that a load test would meet.
func (s *Server) baseSettings() settings {
	_, sinkPort, _ := net.SplitHostPort(s.sink.Addr())
	return settings{
		"compatibility_level": "3.6", "queue_directory": s.Queue(),
		"data_directory": filepath.Join(s.dir, "data"), "command_directory": "/usr/sbin",
		"daemon_directory": daemons, "mail_owner": "postfix", "setgid_group": "postdrop",
		"maillog_file": filepath.Join(s.dir, "log"), "maillog_file_prefixes": s.dir,
		"import_environment": "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C " +
			"POSTLOG_SERVICE POSTLOG_HOSTNAME " +
			"LD_PRELOAD UID_WRAPPER UID_WRAPPER_ROOT NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP",
		"inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "myhostname": "relay.test",
		"mydestination": "", "local_transport": "error:no local mail", "local_recipient_maps": "", "alias_maps": "",
		"mynetworks": "127.0.0.0/8", "relayhost": "[127.0.0.1]:" + sinkPort,
		"disable_dns_lookups": "yes", "smtp_host_lookup": "native", "smtpd_peername_lookup": "no",
		"smtpd_tls_security_level": "none", "smtp_tls_security_level": "none",
		"smtpd_relay_restrictions":            "permit_mynetworks, reject",
		"smtpd_client_connection_count_limit": "0", "smtpd_client_connection_rate_limit": "0",
		"smtpd_client_message_rate_limit": "0", "smtpd_client_recipient_rate_limit": "0",
		"smtpd_error_sleep_time": "0", "smtpd_soft_error_limit": "100000", "smtpd_hard_error_limit": "100000",
		"in_flow_delay": "0", "default_process_limit": "100",
	}
}

// adapt moves the shipped settings from /etc/postfix and port 10040 to this instance.
func (m settings) adapt(dir string, o Options) {
	server := "inet:" + o.PolicyAddr
	if strings.HasPrefix(o.PolicyAddr, "unix:") {
		server = o.PolicyAddr
	}
	for name, value := range m {
		value = strings.ReplaceAll(value, "/etc/postfix", dir)
		value = strings.ReplaceAll(value, "inet:127.0.0.1:10040", server)
		if o.DefaultAction != "" {
			value = strings.ReplaceAll(value, "default_action=DUNNO", "default_action="+o.DefaultAction)
		}
		m[name] = value
	}
}

// addShipped reads a main.cf of deploy/postfix as an administrator merges it: a
// setting replaces an earlier one of that name.
func (m settings) addShipped(t testing.TB, dir, file string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, file)) //nolint:gosec // a shipped file
	if err != nil {
		t.Fatal(err)
	}
	name := ""
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.TrimSpace(line) == "" || line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			m[name] += " " + strings.TrimSpace(line)
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok {
				t.Fatalf("%s: no setting: %s", file, line)
			}
			name = strings.TrimSpace(key)
			m[name] = strings.TrimSpace(value)
		}
	}
}

func (m settings) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%s = %s\n", name, m[name])
	}
	return b.String()
}

// copyShipped copies deploy/postfix to dir.
func copyShipped(t testing.TB, dir string) {
	t.Helper()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(moduleRoot(t), "deploy/postfix"))); err != nil {
		t.Fatal(err)
	}
}

// moduleRoot looks upwards from the directory of the package under test; what the
// compiler knows of source files is cut off by -trimpath.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the working directory: deploy/postfix cannot be found")
		}
		dir = up
	}
}

// makeDirs makes what post-install(1) would, with the owners that it would set.
func (s *Server) makeDirs(t testing.TB) {
	t.Helper()
	root := os.Geteuid() == 0
	mkdir := func(dir, owner, group string, mode os.FileMode) {
		t.Helper()
		dir = filepath.Join(s.dir, dir)
		if err := os.MkdirAll(dir, mode); err != nil {
			t.Fatal(err)
		}
		if root {
			if err := os.Chown(dir, userID(t, owner), groupID(t, group)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	mkdir("queue", "root", "root", 0o755)
	mkdir("queue/pid", "root", "root", 0o755)
	mkdir("queue/public", "postfix", "postdrop", 0o710)
	mkdir("queue/maildrop", "postfix", "postdrop", 0o730)
	for _, name := range []string{
		"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace",
	} {
		mkdir("queue/"+name, "postfix", "root", 0o700)
	}
	mkdir("data", "postfix", "root", 0o700)
	if err := os.Mkdir(s.Dir(), 0o755); err != nil { //nolint:gosec // Postfix's user reads it
		t.Fatal(err)
	}
}

func userID(t testing.TB, name string) int {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatalf("%v (scripts/test-deps installs postfix)", err)
	}
	return number(t, u.Uid)
}

func groupID(t testing.TB, name string) int {
	t.Helper()
	g, err := user.LookupGroup(name)
	if err != nil {
		t.Fatalf("%v (scripts/test-deps installs postfix)", err)
	}
	return number(t, g.Gid)
}

func number(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // Postfix's user reads it
		t.Fatal(err)
	}
}
