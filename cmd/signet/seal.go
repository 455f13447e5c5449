package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"signet/internal/app"
	"signet/internal/seal"
)

type sealCmd struct {
	NewKey sealNewKeyCmd `cmd:"" help:"Make the master key file for instances on PostgreSQL."`
	Rotate sealRotateCmd `cmd:"" help:"Replace the master key while instances run."`
}

type sealNewKeyCmd struct{ store }

// Run makes a key file where there is none.
func (cmd sealNewKeyCmd) Run(c *console) error {
	cfg, err := cmd.load(c)
	if err != nil {
		return err
	}
	path := cfg.KeyFile()
	if _, err := os.Stat(path); err == nil {
		return usagef("%s exists already: a master key is never overwritten", path)
	}
	if err := os.MkdirAll(cfg.Server.DataDir, 0o700); err != nil {
		return err
	}
	if _, err := seal.LoadOrCreate(path, true); err != nil {
		return err
	}
	return said(c, nil, "%s\n\nGive every instance a copy (mode 0600), and keep one apart from the database's backups:\nwithout it nothing that was sealed opens.", path)
}

type sealRotateCmd struct {
	store
	Announce bool `help:"Only add the next key to the file, to copy the file to instances on other machines first."`
}

// Run rotates.
func (cmd sealRotateCmd) Run(ctx context.Context, c *console) error {
	cfg, err := cmd.load(c)
	if err != nil {
		return err
	}
	if cfg.Seal.Key.Reveal() != "" {
		return usageError{errors.New("seal.key: a key from the environment is replaced there: put both keys into it, the new one as current, restart, and run this again with the key in a file")}
	}
	if cmd.Announce {
		return said(c, seal.Announce(cfg.KeyFile()), "the next key waits in %s: copy it to every instance, then run signet seal rotate", cfg.KeyFile())
	}
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		values := 0
		bar := progressBar(c.err, "rotate")
		err := seal.Rotate(ctx, a.DB, cfg.KeyFile(), app.SealedColumns(), func(done, total int) {
			values = total
			if bar != nil {
				bar(done, total)
			}
		})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.out, "rotated: %d sealed values are under the new key in %s\n", values, cfg.KeyFile())
		return err
	})
}
