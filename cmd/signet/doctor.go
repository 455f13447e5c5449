package main

import (
	"context"
	"fmt"

	"signet/internal/app"
)

type doctorCmd struct{ store }

// Run checks everything that an installation stands on.
func (cmd doctorCmd) Run(ctx context.Context, c *console) error {
	cfg, err := cmd.load(c)
	if err != nil {
		return err
	}
	return report(c, append([]app.Finding{{Level: "ok", What: "configuration"}}, app.Doctor(ctx, cfg)...))
}

type mailDoctorCmd struct {
	store
	PostfixConfig string `help:"Directory of Postfix's main.cf." default:"/etc/postfix" type:"path"`
}

// Run checks what signed mail stands on.
func (cmd mailDoctorCmd) Run(ctx context.Context, c *console) error {
	cfg, err := cmd.load(c)
	if err != nil {
		return err
	}
	return report(c, app.MailDoctor(ctx, cfg, cmd.PostfixConfig))
}

func report(c *console, findings []app.Finding) error {
	bad := 0
	for _, f := range findings {
		fmt.Fprintln(c.out, f)
		if f.Bad() {
			bad++
		}
	}
	if bad > 0 {
		fmt.Fprintf(c.out, "\n%d to mend\n", bad)
		return errRefused
	}
	return nil
}
