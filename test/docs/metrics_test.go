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
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	signettest "signet/test/signet"
)

// series is one line of /metrics.
type series struct {
	name   string
	labels map[string]string
}

var (
	sample = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? \S+$`)
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
			one := series{m[1], map[string]string{}}
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
	selector = regexp.MustCompile(`\b((?:authroute|signet|process|go)_[a-z_]+)(?:\{([^}]*)\})?`)
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
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.CommandContext(t.Context(), "promtool", args...)
		cmd.Dir = filepath.Join(root, "deploy/prometheus")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

func TestEveryAlertIsTestedAndExplained(t *testing.T) {
	var r rules
	if err := yaml.Unmarshal([]byte(readPage(t, "deploy/prometheus/alerts.yml")), &r); err != nil {
		t.Fatal(err)
	}
	tests, guide := readPage(t, "deploy/prometheus/alerts_test.yml"), readPage(t, "docs/AUTHROUTE_ADMIN.md")
	for _, g := range r.Groups {
		for _, one := range g.Rules {
			if n := strings.Count(tests, "alertname: "+one.Alert+"\n") + strings.Count(tests, "alertname: "+one.Alert+"}"); n < 2 {
				t.Errorf("%s: %d cases in alerts_test.yml, want one that fires and one that does not", one.Alert, n)
			}
			if !strings.Contains(guide, "`"+one.Alert+"`") {
				t.Errorf("%s: docs/AUTHROUTE_ADMIN.md does not say what to do", one.Alert)
			}
			if s := one.Labels["severity"]; s != "critical" && s != "warning" {
				t.Errorf("%s: severity %q", one.Alert, s)
			}
		}
	}
}

func TestAlertsAndDashboardAskForWhatTheServerShows(t *testing.T) {
	live := liveSeries(t)
	var r rules
	if err := yaml.Unmarshal([]byte(readPage(t, "deploy/prometheus/alerts.yml")), &r); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range r.Groups {
		for _, one := range g.Rules {
			n++
			checkExpression(t, one.Expr, live)
		}
	}
	var d dashboard
	if err := json.Unmarshal([]byte(readPage(t, "deploy/grafana/mail.json")), &d); err != nil {
		t.Fatal(err)
	}
	var recorded strings.Builder
	recorded.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			n++
			checkExpression(t, target.Expr, live)
			fmt.Fprintf(&recorded, "      - {record: panel, expr: %q}\n", strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
		}
	}
	if n < 30 {
		t.Errorf("only %d expressions were found", n)
	}
	// As rules, promtool tells whether Prometheus would take them.
	file := filepath.Join(t.TempDir(), "panels.yml")
	if err := os.WriteFile(file, []byte(recorded.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "promtool", "check", "rules", "--lint=none", file).CombinedOutput(); err != nil {
		t.Errorf("the dashboard's expressions: %v\n%s", err, out)
	}
}

func TestGuideNamesOnlyMetricsThatExist(t *testing.T) {
	live := map[string]bool{}
	for _, s := range liveSeries(t) {
		live[s.name] = true
	}
	word := regexp.MustCompile("`((?:authroute|signet)_[a-z_]+)(?:\\{[^`]*\\})?`")
	for _, m := range word.FindAllStringSubmatch(readPage(t, "docs/AUTHROUTE_ADMIN.md"), -1) {
		if !live[m[1]] && !live[m[1]+"_count"] && !isTable(m[1]) {
			t.Errorf("docs/AUTHROUTE_ADMIN.md names %s, which /metrics does not have", m[1])
		}
	}
}

// isTable reports whether the word is one of the database's tables.
func isTable(word string) bool {
	return strings.HasPrefix(word, "authroute_") && map[string]bool{"authroute_verifications": true, "authroute_keys": true}[word]
}
