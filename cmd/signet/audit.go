package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"signet/internal/app"
	"signet/internal/audit"
)

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Check every row, chain and signed head."`
	Export auditExportCmd `cmd:"" help:"Write the log as JSON lines."`
}

type auditVerifyCmd struct {
	store
	printed
}

// Run verifies, and exits 1 where something is wrong.
func (cmd auditVerifyCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		r, err := a.Audit.Verify(ctx)
		if err != nil {
			return err
		}
		if cmd.JSON {
			err = cmd.print(c, r, "")
		} else {
			err = cmd.report(c, r)
		}
		if err == nil && !r.OK() {
			err = errRefused
		}
		return err
	})
}

func (cmd auditVerifyCmd) report(c *console, r audit.Report) error {
	for _, f := range r.Findings {
		fmt.Fprintf(c.out, "%-9s chain %d, sequence %d, row %s\n          %s\n", f.Kind, f.Chain, f.Sequence, orDash(f.ID), f.Text)
	}
	if r.More > 0 {
		fmt.Fprintf(c.out, "and %d more\n", r.More)
	}
	last := "none yet"
	if !r.LastHead.IsZero() {
		last = r.LastHead.Format(time.RFC3339)
	}
	_, err := fmt.Fprintf(c.out, "rows checked     %d (%d after the last head, %d not linked yet)\nheads checked    %d (last: %s)\n%s\n",
		r.Rows, r.Open, r.Unlinked, r.Heads, last, inShort(r))
	return err
}

// inShort sums a report up. Rows that wait too long are no forgery: most often no
// instance runs, or the database has just come back.
func inShort(r audit.Report) string {
	altered := slices.ContainsFunc(r.Findings, func(f audit.Finding) bool { return f.Kind != audit.Unlinked })
	switch {
	case r.OK():
		return "The log is whole."
	case altered:
		return "The log was altered: keep the database as it is, and compare with a backup."
	}
	return "Nothing was altered, but rows wait to be linked: see that an instance runs, then verify again."
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type auditExportCmd struct {
	store
	From   string `help:"Go on after this place, as an earlier export has printed it." placeholder:"1:120,2:7"`
	Follow bool   `help:"Go on with new rows until interrupted."`
	JSON   bool   `help:"JSON lines; the only form there is." name:"json" default:"true"`
}

// Run exports; the place to go on from goes to standard error.
func (cmd auditExportCmd) Run(ctx context.Context, c *console) error {
	from, err := audit.ParsePlace(cmd.From)
	if err != nil {
		return usagef("--from: %w", err)
	}
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		to, err := a.Audit.Export(ctx, c.out, from, cmd.Follow)
		fmt.Fprintln(c.err, "next: --from", quote(to.String()))
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	})
}
