package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"signet/internal/config"
	"signet/internal/db"
	"signet/internal/notify"
	"signet/internal/once"
	"signet/internal/seal"
)

// Finding is what a check found: nothing wrong, something to know, or something to mend.
type Finding struct {
	Level string // ok, warn, fail
	What  string
	Text  string // what was seen
	Fix   string // what to do; empty where nothing is wrong
}

// Bad reports whether something has to be mended.
func (f Finding) Bad() bool { return f.Level == "fail" }

// String returns the finding as one or two lines.
func (f Finding) String() string {
	line := fmt.Sprintf("%-5s %s", f.Level, f.What)
	if f.Text != "" {
		line += ": " + f.Text
	}
	if f.Fix != "" {
		line += "\n      -> " + f.Fix
	}
	return line
}

func found(what string, err error, fix string) Finding {
	if err != nil {
		return Finding{"fail", what, err.Error(), fix}
	}
	return Finding{Level: "ok", What: what}
}

// CheckDependencies asks everything that cfg names for a sign of life, and changes nothing.
func CheckDependencies(ctx context.Context, cfg config.Config) []Finding {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	all := []Finding{checkStore(ctx, cfg)}
	if cfg.Seal.Key.Reveal() == "" {
		all = append(all, checkKeyFile(ctx, cfg))
	}
	if url := cfg.Redis.URL.Reveal(); url != "" {
		r, err := once.OpenRedis(ctx, url, "signet:")
		if err == nil {
			err = r.Close()
		}
		all = append(all, found("redis", err, "see redis.url; Redis must run with maxmemory-policy noeviction"))
	}
	if cfg.Server.TLSCertFile != "" {
		_, err := tlsConfig("server.tlsCertFile", cfg.Server.TLSCertFile, cfg.Server.TLSKeyFile)
		all = append(all, found("TLS certificate", err, "see server.tlsCertFile and server.tlsKeyFile"))
	}
	if cfg.Server.MTLS.Listen != "" {
		all = append(all, checkMTLS(cfg.Server))
	}
	all = append(all, checkSenders(ctx, cfg, time.Now())...)
	all = append(all, checkObjects(ctx, cfg)...)
	if server := cfg.Account.Mail.Server; server != "" {
		o := smtpOptions(cfg)
		o.Timeout = 5 * time.Second
		all = append(all, found("mail server", notify.CheckSMTP(ctx, o), "see account.mail: is "+server+" reachable, and are tls, user and password right?"))
	}
	return all
}

// checkMTLS looks into the files of the listener that asks for certificates.
func checkMTLS(s config.Server) Finding {
	const what = "certificates of the mTLS listener"
	if _, err := tlsConfig("server.mtls.tlsCertFile", cmp.Or(s.MTLS.TLSCertFile, s.TLSCertFile), cmp.Or(s.MTLS.TLSKeyFile, s.TLSKeyFile)); err != nil {
		return found(what, err, "see server.mtls.tlsCertFile and server.mtls.tlsKeyFile")
	}
	if s.MTLS.ClientCAs == "" {
		return found(what, nil, "")
	}
	_, err := readCAs(s.MTLS.ClientCAs)
	return found(what, err, "see server.mtls.clientCAFile")
}

func checkStore(ctx context.Context, cfg config.Config) Finding {
	const what = "database"
	if !cfg.StoreExists() {
		return Finding{"ok", what, "a new SQLite store will be made at " + cfg.StoreURL(), ""}
	}
	d, err := db.Open(ctx, cfg.StoreURL())
	if err != nil {
		return found(what, err, "see store.url; is the server running and reachable?")
	}
	defer d.Close()
	err = d.CheckMigrated(ctx)
	if errors.Is(err, db.ErrPending) && cfg.Store.Migrate == "auto" {
		return Finding{"ok", what, "migrations will run at start", ""}
	}
	return found(what, err, "run signet migrate")
}

// checkKeyFile tells whether the master key is there, and is that of the store.
func checkKeyFile(ctx context.Context, cfg config.Config) Finding {
	const what = "master key"
	if !cfg.StoreExists() {
		return Finding{"ok", what, "will be made at " + cfg.KeyFile(), ""}
	}
	d, err := db.Open(ctx, cfg.StoreURL())
	if err != nil {
		return Finding{"warn", what, "not compared: the database does not answer", ""}
	}
	defer d.Close()
	if v, err := d.SchemaVersion(ctx); err != nil || v == 0 {
		return Finding{"ok", what, "nothing is sealed yet", ""}
	}
	inUse, err := seal.InUse(ctx, d)
	if err != nil {
		return found(what, err, "run signet migrate")
	}
	ring, err := seal.LoadOrCreate(cfg.KeyFile(), false)
	if err == nil {
		err = ring.Holds(inUse)
	}
	if errors.Is(err, seal.ErrNoFile) && len(inUse) == 0 && d.Dialect() == db.SQLite {
		return Finding{"ok", what, "will be made at " + cfg.KeyFile(), ""}
	}
	if errors.Is(err, seal.ErrNoFile) && len(inUse) == 0 {
		return found(what, err, "make it once with signet seal new-key, and give every instance a copy")
	}
	return found(what, err, "restore "+cfg.KeyFile()+" from where you keep it: without it nothing sealed opens")
}

// Migrate brings the store to this release's schema and returns the versions before and after.
func Migrate(ctx context.Context, cfg config.Config) (from, to int64, err error) {
	d, err := db.Open(ctx, cfg.StoreURL())
	if err != nil {
		return 0, 0, err
	}
	defer d.Close()
	if from, err = d.SchemaVersion(ctx); err != nil {
		return 0, 0, err
	}
	if err := d.Migrate(ctx); err != nil {
		return from, 0, err
	}
	to, err = d.SchemaVersion(ctx)
	return from, to, err
}
