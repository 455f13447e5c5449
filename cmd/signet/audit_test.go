package main

import (
	"strings"
	"testing"

	"signet/internal/audit"
)

func TestOnlyAnAlteredLogIsCalledAltered(t *testing.T) {
	waits, changed := audit.Finding{Kind: audit.Unlinked}, audit.Finding{Kind: audit.Altered}
	for _, c := range []struct {
		name     string
		findings []audit.Finding
		want     string
	}{
		{"nothing found", nil, "The log is whole"},
		{"rows that wait", []audit.Finding{waits, waits}, "Nothing was altered"},
		{"a changed row among rows that wait", []audit.Finding{waits, changed}, "The log was altered"},
	} {
		if got := inShort(audit.Report{Findings: c.findings}); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
