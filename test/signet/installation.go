// Package signettest runs the real signet command for tests: built from this working
// tree, in processes of its own, on free ports of loopback, with state in temporary
// directories.
//
// Everything ends with its test, by process id. Logs are shown where the test fails,
// and searched for every secret that was made.
package signettest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"signet/internal/seal"
)

// Options say what an installation is like. The zero Options are an installation on
// SQLite that hosts no mail domain.
type Options struct {
	StoreURL string   // empty: SQLite in a temporary directory
	Config   string   // text of the configuration file; listeners, store and keys come from here anyway
	Env      []string // further SIGNET_ variables
}

// Installation is what its instances share: store, master key and configuration.
type Installation struct {
	Secrets *Secrets

	t        testing.TB
	dir      string
	env      []string
	storeURL string
	sqlite   bool
}

// New makes an installation, of which nothing runs yet.
func New(t testing.TB, o Options) *Installation {
	t.Helper()
	n := &Installation{t: t, dir: t.TempDir(), storeURL: o.StoreURL, sqlite: o.StoreURL == "", Secrets: newSecrets(t)}
	n.makeKey()
	if n.sqlite {
		n.storeURL = "sqlite:" + filepath.Join(n.data(), "signet.db")
	}
	config := filepath.Join(n.dir, "signet.yaml")
	if err := os.WriteFile(config, []byte(o.Config), 0o600); err != nil {
		t.Fatal(err)
	}
	n.env = []string{
		"SIGNET_CONFIG=" + config, "SIGNET_STORE_URL=" + n.storeURL,
		"SIGNET_SEAL_KEY_FILE=" + filepath.Join(n.dir, "master.key"),
		"SIGNET_AUTHROUTE_DNS_RESOLVER=127.0.0.1:1", // nobody answers: no test asks the network
	}
	n.env = append(n.env, o.Env...)
	return n
}

// makeKey makes the master key, which on PostgreSQL no instance makes.
func (n *Installation) makeKey() {
	n.t.Helper()
	path := filepath.Join(n.dir, "master.key")
	if _, err := seal.LoadOrCreate(path, true); err != nil {
		n.t.Fatal(err)
	}
	text, err := os.ReadFile(path) //nolint:gosec // own path
	if err != nil {
		n.t.Fatal(err)
	}
	fields := strings.Fields(string(text))
	n.Secrets.Add(fields[len(fields)-2]) // the last line is: id, key, role
}

// Dir returns the directory of the installation's own files.
func (n *Installation) Dir() string { return n.dir }

// data returns the data directory of the command line and of the first instance.
func (n *Installation) data() string { return filepath.Join(n.dir, "data") }

// Run runs a command on the store, ends the test where it fails, and returns what it
// printed.
func (n *Installation) Run(args ...string) string {
	n.t.Helper()
	out, status := n.Try(args...)
	if status != 0 {
		n.t.Fatalf("signet %s: exit status %d", strings.Join(args, " "), status)
	}
	return out
}

// Try is Run that returns the exit status. What went to standard error is logged
// where the test fails.
func (n *Installation) Try(args ...string) (out string, status int) {
	n.t.Helper()
	cmd := exec.CommandContext(n.t.Context(), Binary(n.t), args...) //nolint:gosec // the test's own words
	cmd.Env = append(environment(), append(n.env, "SIGNET_DATA="+n.data())...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		n.t.Fatalf("signet %s: %v", args[0], err)
	}
	n.Secrets.NotIn("standard error of signet "+args[0], stderr.String())
	if err != nil {
		n.t.Logf("signet %s:\n%s", strings.Join(args, " "), stderr.String())
	}
	return stdout.String(), cmd.ProcessState.ExitCode()
}

// JSON runs a command with --json and reads what it printed into out.
func (n *Installation) JSON(out any, args ...string) {
	n.t.Helper()
	text := n.Run(append(args, "--json")...)
	if err := json.Unmarshal([]byte(text), out); err != nil {
		n.t.Fatalf("signet %s printed no JSON: %v\n%s", strings.Join(args, " "), err, text)
	}
}

// Start starts an instance and returns it once it is ready. On SQLite there is one at
// a time.
func (n *Installation) Start() *Instance {
	n.t.Helper()
	i := n.instance(FreePorts(n.t))
	i.start()
	return i
}

// StartSplit starts two instances that are one to people: accounts and mail in the
// first, all pages in the second, which asks the first by HTTP with a service key.
// Only a store that several instances share can have that.
func (n *Installation) StartSplit() (accounts, pages *Instance) {
	n.t.Helper()
	var out struct {
		Key string `json:"service_key"`
	}
	n.JSON(&out, "admin", "create-service-key", "--name", "login", "--permission", "auth:login", "--permission", "auth:oauth", "--provider", "*")
	n.Secrets.Add(out.Key)
	accountsBase, pagesBase := FreePorts(n.t), FreePorts(n.t)
	accounts, pages = n.instance(accountsBase), n.instance(pagesBase)
	accounts.args = append(accounts.args, "--roles", "account,token,policy")
	accounts.env = append(accounts.env, "SIGNET_SERVER_ORIGIN="+pages.Origin)
	pages.args = append(pages.args, "--roles", "login,token,console,objects")
	pages.env = append(pages.env,
		"SIGNET_LOGIN_ACCOUNT_URL=http://"+loopback(accountsBase+internalPort), "SIGNET_LOGIN_ACCOUNT_KEY="+out.Key)
	accounts.start()
	pages.start()
	return accounts, pages
}

// instance returns one that does not run yet.
func (n *Installation) instance(base int) *Instance {
	n.t.Helper()
	data := n.data()
	if !n.sqlite {
		data = filepath.Join(n.dir, fmt.Sprintf("data-%d", base))
	}
	i := newInstance(n.t, base, n.Secrets)
	i.args = []string{"serve", "--data", data, "--ready-file", i.readyFile}
	i.env = append([]string{
		"SIGNET_SERVER_ORIGIN=" + i.Origin,
		"SIGNET_SERVER_LISTEN=" + loopback(base+publicPort),
		"SIGNET_SERVER_INTERNAL_LISTEN=" + loopback(base+internalPort),
		"SIGNET_SERVER_OPERATIONS_LISTEN=" + loopback(base+operationsPort),
		"SIGNET_AUTHROUTE_POLICY_LISTEN=" + i.Policy,
		"SIGNET_OBJECTS_LISTEN=" + loopback(base+objectsPort),
	}, n.env...)
	return i
}

// environment is that of the test without the variables that signet reads.
func environment() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "SIGNET_") {
			env = append(env, e)
		}
	}
	return env
}
