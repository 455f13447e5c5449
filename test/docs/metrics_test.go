package docs_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	signettest "signet/test/signet"
)

// watched are what operators load, with the page that says what to do.
var watched = []struct{ rules, tests, dashboard, guide string }{
	{"alerts", "alerts_test", "mail", "docs/AUTHROUTE_ADMIN.md"},
	{"authority", "authority_test", "authority", "docs/security/dpop-mtls-rollout.md"},
	{"objects", "objects_test", "objects", "docs/12_OBJECTS.md"},
}

func ruleFile(name string) string { return "deploy/prometheus/" + name + ".yml" }

// series is one line of /metrics.
type series struct {
	name   string
	labels map[string]string
	value  string
}

var (
	sample = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? (\S+)$`)
	pair   = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
)

// liveSeries returns what a running server shows.
func liveSeries(t *testing.T) (all []series) {
	t.Helper()
	d := signettest.Dev(t)
	res, err := http.Get(d.Operations + "/metrics") //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if m := sample.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			one := series{m[1], map[string]string{}, m[3]}
			for _, p := range pair.FindAllStringSubmatch(m[2], -1) {
				one.labels[p[1]] = p[2]
			}
			all = append(all, one)
		}
	}
	return all
}

// selector is one metric in an expression, with what it demands of labels.
var (
	selector = regexp.MustCompile(`\b((?:authority|authroute|signet|process|go)_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)(=~|!~|!=|=)"([^"]*)"`)
	grouping = regexp.MustCompile(`\bby \(([a-z_, ]+)\)`)
)

// external are labels that Prometheus itself adds.
var external = map[string]bool{"instance": true, "job": true}

// checkExpression fails where expr names a metric, a label or a label's value that
// the server does not have.
func checkExpression(t *testing.T, expr string, live []series) {
	t.Helper()
	metrics := selector.FindAllStringSubmatch(expr, -1)
	labels := map[string]bool{}
	for _, m := range metrics {
		found := false
		for _, s := range live {
			if s.name != m[1] {
				continue
			}
			for l := range s.labels {
				labels[l] = true
			}
			found = found || fits(m[2], s.labels)
		}
		if !found {
			t.Errorf("%s: /metrics has no %s", expr, m[0])
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
		for l := range strings.SplitSeq(m[1], ", ") {
			if !labels[l] && !external[l] {
				t.Errorf("%s: its metrics have no label %s", expr, l)
			}
		}
	}
}

// fits reports whether labels are such as matchers demand.
func fits(matchers string, labels map[string]string) bool {
	for _, m := range matcher.FindAllStringSubmatch(matchers, -1) {
		if external[m[1]] {
			continue
		}
		value, ok := labels[m[1]]
		whole := regexp.MustCompile("^(?:" + m[3] + ")$")
		is := m[2] == "=" && value == m[3] || m[2] == "!=" && value != m[3] ||
			m[2] == "=~" && whole.MatchString(value) || m[2] == "!~" && !whole.MatchString(value)
		if !ok || !is {
			return false
		}
	}
	return true
}

// rules is what we read of a rule file.
type rules struct {
	Groups []struct {
		Rules []struct {
			Alert  string
			Expr   string
			Labels map[string]string
		}
	}
}

// dashboard is what we read of a Grafana dashboard.
type dashboard struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
}

func TestAlertsFireWhenTheyShould(t *testing.T) {
	for _, w := range watched {
		for _, args := range [][]string{{"check", "rules", w.rules + ".yml"}, {"test", "rules", w.tests + ".yml"}} {
			cmd := exec.CommandContext(t.Context(), "promtool", args...)
			cmd.Dir = filepath.Join(root, "deploy/prometheus")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		}
	}
}

func TestEveryAlertIsTestedAndExplained(t *testing.T) {
	for _, w := range watched {
		tests, guide := readPage(t, ruleFile(w.tests)), readPage(t, w.guide)
		for _, g := range readRules(t, w.rules).Groups {
			for _, one := range g.Rules {
				if n := strings.Count(tests, "alertname: "+one.Alert+"\n") + strings.Count(tests, "alertname: "+one.Alert+"}"); n < 2 {
					t.Errorf("%s: %d cases in %s.yml, want one that fires and one that does not", one.Alert, n, w.tests)
				}
				if !strings.Contains(guide, "`"+one.Alert+"`") {
					t.Errorf("%s: %s does not say what to do", one.Alert, w.guide)
				}
				if s := one.Labels["severity"]; s != "critical" && s != "warning" {
					t.Errorf("%s: severity %q", one.Alert, s)
				}
			}
		}
	}
}

func readRules(t *testing.T, name string) (r rules) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(readPage(t, ruleFile(name))), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAuthorityCountersAreBornAtZero: one that is born at 1 has never increased, and
// alerts nobody.
func TestAuthorityCountersAreBornAtZero(t *testing.T) {
	live := liveSeries(t)
	for metric, labels := range map[string][]string{
		"authority_dpop_requests_total":   {"result", "ok", "missing", "invalid", "nonce", "replay", "mismatch", "unavailable", "bypass"},
		"authority_dpop_nonce_miss_total": {"reason", "first", "expired", "unknown", "replayed"},
		"authority_mtls_mismatch_total":   {"reason", "context-missing", "missing-certificate", "thumbprint-mismatch"},
	} {
		for _, value := range labels[1:] {
			if !slices.ContainsFunc(live, func(s series) bool { return s.name == metric && s.labels[labels[0]] == value && s.value == "0" }) {
				t.Errorf("%s{%s=%q} is not there at 0", metric, labels[0], value)
			}
		}
	}
}

func TestAlertsAndDashboardsAskForWhatTheServerShows(t *testing.T) {
	live := liveSeries(t)
	n := 0
	var recorded strings.Builder
	recorded.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for _, w := range watched {
		for _, g := range readRules(t, w.rules).Groups {
			for _, one := range g.Rules {
				n++
				checkExpression(t, one.Expr, live)
			}
		}
		var d dashboard
		if err := json.Unmarshal([]byte(readPage(t, "deploy/grafana/"+w.dashboard+".json")), &d); err != nil {
			t.Fatal(err)
		}
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				n++
				checkExpression(t, target.Expr, live)
				fmt.Fprintf(&recorded, "      - {record: panel, expr: %q}\n", strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
			}
		}
	}
	if n < 45 {
		t.Errorf("only %d expressions were found", n)
	}
	// As rules, promtool tells whether Prometheus would take them.
	file := filepath.Join(t.TempDir(), "panels.yml")
	if err := os.WriteFile(file, []byte(recorded.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "promtool", "check", "rules", "--lint=none", file).CombinedOutput(); err != nil {
		t.Errorf("the dashboards' expressions: %v\n%s", err, out)
	}
}

func TestGuidesNameOnlyMetricsThatExist(t *testing.T) {
	live := map[string]bool{}
	for _, s := range liveSeries(t) {
		live[s.name] = true
	}
	word := regexp.MustCompile("`((?:authority|authroute|signet)_[a-z_]+)(?:\\{[^`]*\\})?`")
	for _, w := range watched {
		for _, m := range word.FindAllStringSubmatch(readPage(t, w.guide), -1) {
			if !live[m[1]] && !live[m[1]+"_count"] && !isTable(m[1]) {
				t.Errorf("%s names %s, which /metrics does not have", w.guide, m[1])
			}
		}
	}
}

// isTable reports whether the word is one of the database's tables.
func isTable(word string) bool {
	return strings.HasPrefix(word, "authroute_") && map[string]bool{"authroute_verifications": true, "authroute_keys": true}[word]
}
