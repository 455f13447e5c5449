package browser

import (
	"os"
	"path/filepath"
	"sync"
)

// axe returns the text of axe-core, which scripts/test-deps installs.
var axe = sync.OnceValues(func() (string, error) {
	text, err := os.ReadFile(filepath.Join("..", "npm", "node_modules", "axe-core", "axe.min.js"))
	return string(text), err
})

// violation is a rule of axe-core that the page breaks.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct{ HTML, FailureSummary string }
}

// accessible fails where axe-core finds a serious or critical violation of WCAG 2.1,
// levels A and AA.
func (b *Tab) accessible(name string) {
	b.t.Helper()
	script, err := axe()
	if err != nil {
		b.t.Fatalf("axe-core is not installed: run scripts/test-deps: %v", err)
	}
	found := Value[[]violation](b, script+`;
		axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], resultTypes: ["violations"] })
			.then(r => r.violations.map(v => ({ ID: v.id, Impact: v.impact, Help: v.help,
				Nodes: v.nodes.map(n => ({ HTML: n.html, FailureSummary: n.failureSummary })) })))`)
	for _, v := range found {
		if v.Impact == "serious" || v.Impact == "critical" {
			b.t.Errorf("%s: %s (%s): %s: %+v", name, v.ID, v.Impact, v.Help, v.Nodes)
		}
	}
}
