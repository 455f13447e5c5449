package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"signet/internal/app"
	"signet/internal/backup"
)

type backupCmd struct {
	store
	To      string `arg:"" help:"Directory to make; its parent must exist." type:"path"`
	WithKey bool   `help:"Add the master key. Whoever has the backup then has every secret."`
}

// Run backs up the store of an installation that may be serving meanwhile.
func (cmd backupCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		m, err := a.Backup(ctx, cmd.To, cmd.WithKey, progressBar(c.err, "objects"))
		if err != nil {
			return err
		}
		size := int64(0)
		for _, f := range m.Files {
			size += f.Size
		}
		fmt.Fprintf(c.out, "%s: %s, schema %d, %d files, %d KiB\n", cmd.To, m.Engine, m.Schema, len(m.Files), (size+1023)/1024)
		if m.Objects.Files > 0 {
			fmt.Fprintf(c.out, "%d bodies of objects, %s\n", m.Objects.Files, bytesOf(m.Objects.Bytes))
		}
		if !cmd.WithKey {
			fmt.Fprintln(c.out, "The master key is not in it: keep that apart. Without both nothing sealed opens.")
		}
		return nil
	})
}

type restoreCmd struct {
	store
	From  string `arg:"" help:"Directory that signet backup has made." type:"path"`
	Force bool   `help:"Replace a store that is not empty."`
	Check bool   `help:"Only check that the backup is whole."`
}

// Run restores; no instance may be serving.
func (cmd restoreCmd) Run(ctx context.Context, c *console) error {
	if cmd.Check {
		m, err := backup.Check(cmd.From)
		if err != nil {
			return err
		}
		return said(c, nil, "%s is whole: %s, schema %d, written %s", cmd.From, m.Engine, m.Schema, m.CreatedAt.Format(time.RFC3339))
	}
	cfg, err := cmd.load(c)
	if err != nil {
		return err
	}
	m, err := app.Restore(ctx, cfg, cmd.From, cmd.Force, progressBar(c.err, "objects"))
	if err = errors.Join(err, app.HandOver(cfg.Server.DataDir)); err != nil {
		return err
	}
	return said(c, nil, "restored what was written %s.\nKeys that were revoked after it are live again: revoke them anew.\nThen start the instances, and run signet audit verify.", m.CreatedAt.Format(time.RFC3339))
}
