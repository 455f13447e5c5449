package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"signet/internal/app"
	"signet/internal/config"
)

// store are the flags of every command that works on an installation's own store.
type store struct {
	Config string `help:"Configuration file." env:"SIGNET_CONFIG" placeholder:"FILE" type:"path"`
	Data   string `help:"Data directory: keeps the SQLite store and the master key unless the configuration says otherwise." env:"SIGNET_DATA" placeholder:"DIR" type:"path"`
}

// load reads the configuration.
func (s store) load(c *console) (config.Config, error) {
	cfg, err := config.Load(s.Config, c.environ)
	if err != nil {
		return cfg, usageError{err}
	}
	if s.Data != "" {
		cfg.Server.DataDir = s.Data
	}
	return cfg, nil
}

// with opens the installation for the operator, runs fn and closes it again.
func (s store) with(ctx context.Context, c *console, fn func(ctx context.Context, a *app.App) error) error {
	slog.SetLogLoggerLevel(slog.LevelWarn) // what the command did, it says itself
	return s.opened(ctx, c, app.Open, fn)
}

// withNew is with for commands that may begin an installation.
func (s store) withNew(ctx context.Context, c *console, fn func(ctx context.Context, a *app.App) error) error {
	return s.opened(ctx, c, app.OpenOrCreate, fn)
}

type opener func(ctx context.Context, cfg config.Config) (*app.App, error)

func (s store) opened(ctx context.Context, c *console, open opener, fn func(ctx context.Context, a *app.App) error) error {
	cfg, err := s.load(c)
	if err != nil {
		return err
	}
	a, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer a.Close()
	err = fn(a.AsOperator(ctx), a)
	// Where no instance runs, nobody else links what was recorded.
	_, linkErr := a.Audit.Link(context.WithoutCancel(ctx))
	return errors.Join(err, linkErr, app.HandOver(cfg.Server.DataDir))
}

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Validate the configuration and try each dependency."`
	Show  configShowCmd  `cmd:"" help:"Print the effective configuration, secrets hidden."`
	Docs  configDocsCmd  `cmd:"" help:"Print the reference of every key."`
}

type configCheckCmd struct{ store }

// Run validates, then asks every dependency for a sign of life.
func (cmd configCheckCmd) Run(ctx context.Context, c *console) error {
	cfg, err := cmd.load(c)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, "ok    configuration")
	bad := 0
	for _, f := range app.CheckDependencies(ctx, cfg) {
		fmt.Fprintln(c.out, f)
		if f.Bad() {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("to be mended: %d", bad)
	}
	return nil
}

type configShowCmd struct{ store }

// Run prints what is in effect.
func (cmd configShowCmd) Run(c *console) error {
	cfg, err := cmd.load(c)
	if err != nil {
		return err
	}
	return cfg.WriteEffective(c.out)
}

type configDocsCmd struct{}

// Run prints the reference.
func (configDocsCmd) Run(c *console) error { return config.WriteDocs(c.out) }

// quote writes a value so that a shell takes it as one word.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
