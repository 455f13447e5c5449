// Package app is the only wiring: it opens an installation, builds its services,
// mounts their routes and starts what runs.
package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"signet/internal/account"
	"signet/internal/audit"
	"signet/internal/authroute"
	"signet/internal/config"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/limit"
	"signet/internal/locale"
	"signet/internal/node"
	"signet/internal/notify"
	"signet/internal/objects"
	"signet/internal/once"
	"signet/internal/ops"
	"signet/internal/page"
	"signet/internal/push"
	"signet/internal/seal"
	"signet/internal/ticket"
	"signet/internal/token"
)

// App is an open installation: its store and its services. Nothing runs yet.
type App struct {
	Config      config.Config
	DB          *db.DB
	Seal        *seal.Sealer
	Node        *node.Node
	Audit       *audit.Log
	Bus         *push.Bus
	Accounts    *account.Service
	Identities  *account.Identities
	Registry    *authroute.Registry
	Domains     *authroute.Domains
	Bypass      *authroute.Bypass
	Keys        *authroute.Keyset
	Tokens      *token.Authority
	Clients     *token.Clients
	Codes       *token.Codes
	Passkeys    *account.Passkeys
	Gate        *account.Gate
	Site        *page.Site
	Credentials *account.Credentials
	Sessions    *account.Sessions
	Limits      *limit.SQL
	Texts       *locale.Bundle
	Post        *notify.Post

	Buckets      *objects.Buckets
	Denials      *objects.Denials
	ObjectKeys   *objects.Keys
	ObjectAccess *objects.Access

	guard       *once.Guard // of a running instance
	flush       func()
	metrics     *prometheus.Registry
	mailMetrics *authroute.Metrics

	storage func() (storage, error) // of objects

	tokenMetrics  *token.Metrics
	objectMetrics *objects.Metrics
}

// Permissions is the catalogue of all capabilities.
func Permissions() []ticket.Permission {
	var all []ticket.Permission
	for _, list := range [][]ticket.Permission{account.Permissions(), authroute.Permissions(), token.Permissions(), objects.Permissions()} {
		all = append(all, list...)
	}
	return append(all, ticket.Permission{Name: "audit:read", Node: true, Text: "read the audit log"})
}

// Open opens the installation that cfg describes: the database, migrated unless
// store.migrate is manual, the master key, the installation's own keys, and the
// services. The caller closes it. It returns ErrNoStore where there is none: a
// mistyped directory must not pass for an empty installation.
func Open(ctx context.Context, cfg config.Config) (*App, error) {
	if path, file := strings.CutPrefix(cfg.StoreURL(), "sqlite:"); file {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("%w: run it as the user that signet serve runs as", err)
		}
	}
	if !cfg.StoreExists() {
		return nil, ErrNoStore.Because("%s", strings.TrimPrefix(cfg.StoreURL(), "sqlite:"))
	}
	return OpenOrCreate(ctx, cfg)
}

// ErrNoStore says that there is no installation where the configuration points.
var ErrNoStore = fault.New(fault.NotFound, "no store here: give --data DIR or --config FILE (signet serve and bootstrap-admin make a new one)")

// OpenOrCreate is Open for the commands that may begin an installation.
func OpenOrCreate(ctx context.Context, cfg config.Config) (a *App, err error) {
	a = &App{Config: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if err := os.MkdirAll(cfg.Server.DataDir, 0o700); err != nil {
		return a, err
	}
	if !cfg.StoreExists() {
		slog.InfoContext(ctx, "new installation begun", "directory", cfg.Server.DataDir)
	}
	if a.DB, err = openStore(ctx, cfg); err != nil {
		return a, err
	}
	ring, err := openRing(ctx, cfg, a.DB)
	if err != nil {
		return a, err
	}
	a.Seal, err = seal.Attach(ctx, a.DB, ring)
	if errors.Is(err, seal.ErrForeign) {
		return a, fmt.Errorf("%s is not the master key of this store: restore the right one from where you keep it (%w)", cfg.KeyFile(), err)
	}
	if err != nil {
		return a, fmt.Errorf("seal.keyFile: %w", err)
	}
	if a.Node, err = node.Load(ctx, a.DB, a.Seal); err != nil {
		return a, err
	}
	if a.Texts, err = locale.Load(nil); err != nil {
		return a, err
	}
	if err := a.build(); err != nil {
		return a, err
	}
	a.flush = func() { a.Post.Flush(context.WithoutCancel(ctx)) } // also where the command was interrupted
	return a, nil
}

// build makes the services, in the order in which they need each other.
func (a *App) build() error {
	now := time.Now
	post, err := appClient(a.Config.Server.Origin)
	if err != nil {
		return err
	}
	a.metrics = ops.NewRegistry(Version())
	a.mailMetrics = authroute.NewMetrics(a.metrics, authroute.Sources{
		Adoption: a.adoption, Bypassed: func() bool { return a.Bypass.On() },
	})
	a.tokenMetrics = token.NewMetrics(a.metrics)
	a.Bus = push.New(a.DB)
	a.Keys = authroute.NewKeyset(a.DB, a.Bus, now, a.mailMetrics.ObserveRevocation)
	a.Audit = audit.New(a.DB, [32]byte(a.Seal.Derive("audit")), a.Node, audit.Options{HeadsFile: a.Config.HeadsFile(), Keep: a.Config.Audit.Keep.D()})
	a.Post = notify.New(a.Texts, mailSender(a.Config), notify.Options{
		From: a.Config.MailFrom(), Origin: strings.TrimSuffix(a.Config.Server.Origin, "/"), Now: now, Metrics: a.metrics,
	})
	// Accounts and the registry need each other: the registry asks whose an address
	// is, and accounts tell it when a user or an address goes.
	a.Accounts = account.New(a.DB, a.Audit, now, Permissions(), account.Closers{
		UserDisabled: func(ctx context.Context, tx *db.Tx, user string) error {
			for _, end := range []func(context.Context, *db.Tx, string) error{a.Sessions.CloseUser, a.Registry.CloseUser, a.ObjectKeys.CloseUser} {
				if err := end(ctx, tx, user); err != nil {
					return err
				}
			}
			return nil
		},
		AddressRemoved: func(ctx context.Context, tx *db.Tx, user, address string) error {
			return a.Registry.CloseAddress(ctx, tx, user, address)
		},
		AccountSwitched: func() { a.Bus.Publish(account.SessionsTopic) },
	})
	a.Identities = account.NewIdentities(a.Accounts, account.IdentityOptions{
		SignUp:  a.Config.Account.SignUp,
		Issuers: issuers(a.Config.Login), Notifier: notifier{a},
	})
	a.Limits = limit.NewSQL(a.DB)
	a.Credentials = account.NewCredentials(a.Accounts, a.Limits, a.Seal, notifier{a})
	a.Sessions = account.NewSessions(a.Accounts, a.Seal, a.Bus, account.SessionOptions{
		Ended: func(ctx context.Context, tx *db.Tx, ids []string) error {
			return errors.Join(a.Codes.SessionsEnded(ctx, tx, ids), a.ObjectKeys.SessionsEnded(ctx, tx, ids))
		},
		Closed: func(ctx context.Context, tx *db.Tx, user string) error { return a.Codes.CloseUser(ctx, tx, user) },
	})
	a.Domains = authroute.NewDomains(a.DB, a.Bus, a.Audit, domains(a.Config.Authroute), now)
	a.Bypass = authroute.NewBypass(a.DB, a.Bus, a.Audit, now)
	a.Registry = authroute.NewRegistry(a.DB, a.Accounts, a.Audit, a.Seal, authroute.RegistryOptions{
		Origin:  a.Config.Server.Origin,
		Hosted:  func(domain string) bool { return a.Domains.Of(domain).Hosted },
		Publish: a.keysChanged, Now: now,
	})
	a.Tokens = token.New(a.DB, a.Seal, a.Bus, a.Audit, token.Options{Issuer: a.Config.Server.Origin, Now: now})
	cas, err := a.clientCAs()
	if err != nil {
		return err
	}
	a.Clients = token.NewClients(a.DB, a.Accounts, a.Audit, token.ClientOptions{
		Catalogue: Permissions(), Issuer: a.Config.Server.Origin, Once: takes{a}, Getter: post, ClientCAs: cas, Now: now,
	})
	a.buildObjects(now)
	a.Codes = token.NewCodes(a.DB, a.Tokens, token.CodeOptions{People: sessionPeople{a}, Audit: a.Audit, Post: post, Now: now})
	return a.buildGate()
}

// Close sends the mails that still wait, for a few seconds, and closes the store.
func (a *App) Close() error {
	if a.flush != nil {
		a.flush()
	}
	if a.DB == nil {
		return nil
	}
	return a.DB.Close()
}

// AsOperator returns a context of whoever has the store in hand: the command line.
func (a *App) AsOperator(ctx context.Context) context.Context {
	return ticket.With(ctx, ticket.Operator(a.Accounts.AllPermissions()))
}

// adoption is the share of users who have a mail key, 0 to 1.
func (a *App) adoption() float64 {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	users, err := a.Accounts.CountUsers(ctx)
	if err != nil || users == 0 {
		return 0
	}
	return float64(a.Keys.Owners()) / float64(users)
}

// Reload applies what a running instance can change without a restart, and logs
// what it cannot.
func (a *App) Reload(cfg config.Config) {
	c := cfg.Authroute
	a.Domains.Reload(domains(c))
	for _, key := range a.Config.NeedsRestart(cfg) {
		slog.Warn("configuration change needs a restart", "key", key)
	}
	slog.Info("configuration reloaded")
}

// keysChanged tells every instance, and has this one know before it answers: who
// registered a key may sign with it at once.
func (a *App) keysChanged(topic string) {
	a.Bus.Publish(topic)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := a.Keys.Load(ctx); err != nil {
		slog.Warn("mail keys were not refreshed", "error", err)
	}
}
