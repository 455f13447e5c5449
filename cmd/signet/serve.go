package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"signet/internal/app"
	"signet/internal/config"
)

type serveCmd struct {
	store
	Roles     string `help:"Parts that this instance runs: all, or some of account,login,token,policy,console." default:"all" placeholder:"all"`
	ReadyFile string `help:"Write a file once everything listens." placeholder:"FILE" type:"path"`
}

// Run serves until it is told to stop.
func (cmd serveCmd) Run(ctx context.Context, c *console) error {
	cfg, err := cmd.load(c)
	if err != nil {
		return err
	}
	roles, err := app.ParseRoles(cmd.Roles)
	if err != nil {
		return usageError{err}
	}
	level := startLog(c.err, cfg)
	defer collectLess()()
	a, err := app.OpenOrCreate(ctx, cfg)
	if err != nil {
		return err
	}
	defer a.Close()
	stop := onHangup(ctx, func() { cmd.reload(a, c, level) })
	defer stop()
	return a.Serve(ctx, roles, func(l app.Listening) error {
		slog.InfoContext(ctx, "instance started", "version", app.Version(), "store", a.DB.Dialect().String(),
			"public", addrs(l.Public), "internal", addrs(l.Internal), "operations", addrs(l.Operations), "policy", addrs(l.Policy))
		if cmd.ReadyFile == "" {
			return nil
		}
		return os.WriteFile(cmd.ReadyFile, []byte("ready\n"), 0o600)
	})
}

// collectLess has the collector wait until there are 64 MiB to collect, unless the
// operator has set GOGC or GOMEMLIMIT, until restore is called. What lives is so little beside what a
// password hash (19 MiB) or a thousand requests leave behind that it would run all the
// time, and give memory back to the system that is needed again at once. So a ballast
// counts as living: address space that nobody writes to, and which takes no memory, though
// the metrics of the heap have it. The collector runs at one and a half of what counts, not
// at twice: where much lives, with thousands of connections, the ballast shall not come on top.
func collectLess() (restore func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" { // which would count the ballast
		return func() {}
	}
	ballast, percent := make([]byte, 128<<20), debug.SetGCPercent(50)
	return func() {
		debug.SetGCPercent(percent)
		runtime.KeepAlive(ballast)
	}
}

// reload applies what SIGHUP can change, and says so.
func (cmd serveCmd) reload(a *app.App, c *console, level *slog.LevelVar) {
	cfg, err := cmd.load(c)
	if err != nil {
		slog.Error("configuration was not reloaded", "error", err)
		return
	}
	level.Set(levelOf(cfg))
	a.Reload(cfg)
}

func addrs(list []string) string { return strings.Join(list, " ") }

// onHangup calls fn at each SIGHUP until stopped.
func onHangup(ctx context.Context, fn func()) (stop func()) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				fn()
			}
		}
	}()
	return func() {
		signal.Stop(hup)
		cancel()
	}
}

func levelOf(cfg config.Config) slog.Level {
	var l slog.Level
	_ = l.UnmarshalText([]byte(cfg.Telemetry.LogLevel)) // config allows only levels
	return l
}

// startLog makes the process log in the configured form.
func startLog(w io.Writer, cfg config.Config) *slog.LevelVar {
	level := new(slog.LevelVar)
	level.Set(levelOf(cfg))
	o := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(w, o)
	if cfg.Telemetry.LogFormat == "json" {
		h = slog.NewJSONHandler(w, o)
	}
	slog.SetDefault(slog.New(h))
	return level
}

type devCmd struct {
	Data      string `help:"Keep state between runs in this directory; else it is temporary and removed." placeholder:"DIR" type:"path"`
	BasePort  int    `help:"Port of the public listener; the others follow it." default:"8080"`
	ReadyFile string `help:"Write what was seeded to this file, as JSON, once everything answers." placeholder:"FILE" type:"path"`
	Quiet     bool   `help:"Print nothing but errors."`
}

// Run starts a seeded server.
func (cmd devCmd) Run(ctx context.Context, c *console) error {
	begun := time.Now()
	if cmd.BasePort < 1 || cmd.BasePort > 65535-9 {
		return usagef("--base-port: %d leaves no room for ten ports (try 8080)", cmd.BasePort)
	}
	if cmd.Data == "" {
		dir, err := os.MkdirTemp("", "signet-dev-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		cmd.Data = dir
	}
	cfg, err := app.DevConfig(ctx, app.DevOptions{Data: cmd.Data, BasePort: cmd.BasePort})
	if err != nil {
		return err
	}
	cfg.Telemetry.LogLevel = "warn"
	startLog(c.err, cfg)
	defer collectLess()()
	a, err := app.OpenOrCreate(ctx, cfg)
	if err != nil {
		return err
	}
	defer a.Close()
	seeded, err := a.Seed(ctx)
	if err != nil {
		return err
	}
	if cmd.ReadyFile == "" {
		cmd.ReadyFile = filepath.Join(cmd.Data, "ready.json")
	}
	wrote := false
	err = a.ServeDev(ctx, func() error {
		if err := app.WriteReady(cmd.ReadyFile, seeded); err != nil {
			return err
		}
		wrote = true
		if !cmd.Quiet {
			cmd.welcome(c, seeded, time.Since(begun))
		}
		return nil
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: stop what listens there, or choose ten other ports with --base-port", err)
	}
	if wrote { // else it may be that of a server which runs
		if gone := os.Remove(cmd.ReadyFile); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// welcome prints what to try first. Every line is executed by a test.
func (cmd devCmd) welcome(c *console, r app.Ready, took time.Duration) {
	self, err := os.Executable()
	if err != nil {
		self = "signet"
	}
	fmt.Fprintf(c.out, `Signet is ready (%s). It listens on this machine only; Ctrl-C stops it.

  public      %s   (people sign in here)
  policy      %s   (Postfix asks here)
  s3          %s   (files: key %s, bucket %s)
  operations  %s/metrics
  mtls        %s   (apps show a certificate here)
  state       %s

Open this once in a browser, and set up a passkey for %s:

  %s

Try, in another terminal:

  %s try mail --ready-file %s
  %s try token --ready-file %s
  %s try s3 --ready-file %s
  curl -H "Authorization: Bearer $(jq -r .api_token %s)" %s/api/v1/authroute/keys
  curl %s/ready

`, took.Round(time.Millisecond), r.Public, r.Policy, r.Objects, r.S3.AccessKeyID, r.S3.Bucket, r.Operations, r.MTLS.URL, r.Data, r.User.Email, r.AdminLink,
		self, cmd.ReadyFile, self, cmd.ReadyFile, self, cmd.ReadyFile, cmd.ReadyFile, r.Public, r.Operations)
}

type migrateCmd struct{ store }

// Run migrates, whatever store.migrate says.
func (cmd migrateCmd) Run(ctx context.Context, c *console) error {
	cfg, err := cmd.load(c)
	if err != nil {
		return err
	}
	from, to, err := app.Migrate(ctx, cfg)
	if err != nil {
		return err
	}
	if from == to {
		fmt.Fprintf(c.out, "schema is at %d already\n", to)
		return nil
	}
	fmt.Fprintf(c.out, "schema migrated from %d to %d\n", from, to)
	return nil
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(c *console) error {
	_, err := fmt.Fprintln(c.out, "signet", app.Version())
	return err
}
