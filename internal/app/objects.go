package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"signet/internal/config"
	"signet/internal/objects"
	"signet/internal/objects/disk"
	"signet/internal/objects/upstream"
	"signet/internal/ops"
	"signet/internal/sigv4"
	"signet/internal/token"
	"signet/internal/web"
)

// storage is what keeps the objects, with its worker where it has one.
type storage struct {
	objects.Store

	run func(context.Context) error // nil: it has no work of its own
}

// newStorage opens the store that objects.store names. App.storage does it once.
func (a *App) newStorage() (storage, error) {
	o := a.Config.Objects
	if o.Store == "upstream" {
		s, err := upstream.New(upstreamOptions(o))
		if err != nil {
			return storage{}, fmt.Errorf("objects.upstream: %w", err)
		}
		return storage{Store: s}, nil
	}
	d, err := disk.New(a.DB, a.Config.ObjectsPath(), disk.Options{
		Sync: disk.Sync(o.Disk.Sync), AbortAfter: o.Disk.AbortAfter.D(), Now: time.Now,
	})
	if err != nil {
		return storage{}, fmt.Errorf("objects.disk.path: %w", err)
	}
	return storage{d, d.Run}, nil
}

// buildObjects makes the services of the S3 API.
func (a *App) buildObjects(now func() time.Time) {
	o := a.Config.Objects
	a.storage = sync.OnceValues(a.newStorage) // commands that need none make no directory
	a.objectMetrics = objects.NewMetrics(a.metrics)
	a.Buckets = objects.NewBuckets(a.DB, a.Audit, now)
	a.Denials = objects.NewDenials(a.DB, a.Audit, now)
	a.ObjectKeys = objects.NewKeys(a.DB, a.Seal, a.Audit, objects.KeyOptions{
		Accounts: a.Accounts, Alive: a.alive, Rate: o.KeyRate, Overlap: o.Overlap.D(), Now: now,
	})
	a.ObjectAccess = objects.NewAccess(a.DB, a.Buckets, a.Audit, a.ObjectKeys, now)
}

// openObjects binds the listener of the S3 API.
func (a *App) openObjects(ctx context.Context, in *instance, oauth *token.OAuth, observe *ops.HTTP) error {
	o := a.Config.Objects
	if o.Auth == "off" {
		slog.WarnContext(ctx, "authentication of the S3 API is off: whoever reaches it may do everything", "listen", o.Listen)
	}
	if o.AccessKeyID != "" {
		if err := a.ObjectKeys.First(a.AsOperator(ctx), o.AccessKeyID, o.SecretAccessKey.Reveal()); err != nil {
			return fmt.Errorf("objects.accessKeyId: %w", err)
		}
	}
	store, err := a.storage()
	if err != nil {
		return err
	}
	if store.run != nil {
		in.workers = append(in.workers, store.run)
	}
	in.workers = append(in.workers, a.Denials.Run, a.ObjectKeys.Run)
	sts, err := a.newSTS(oauth)
	if err != nil {
		return err
	}
	h, err := web.Around(a.door(store, sts), web.Options{
		Hosts: a.objectsHosts(), Proxies: config.Prefixes(a.Config.Server.TrustedProxies), Observe: observe.Of("objects"),
		Limiter: newEdge(objectsRate), Errors: objects.WriteProblem, AnyURL: true, MaxBody: -1, Deadline: -1,
		Inner: []web.Middleware{objects.AtMost(o.MaxRequests)},
	})
	if err != nil {
		return err
	}
	bound, err := bind(ctx, in, "objects.listen", "tcp", o.Listen)
	if err != nil {
		return err
	}
	in.listening.Objects = []string{bound.Addr().String()}
	so := web.ServerOptions{Drain: a.Config.Server.Drain.D(), ReadTimeout: objects.RequestTime, WriteTimeout: objects.AnswerTime}
	if so.TLS, err = a.tlsOf("objects"); err != nil {
		return err
	}
	in.doors = append(in.doors, web.NewServer("objects", bound, h, so).Run) //nolint:contextcheck // Run gets it
	return nil
}

func (a *App) door(s objects.Store, sts http.Handler) http.Handler {
	o := a.Config.Objects
	return objects.NewDoor(s, a.Buckets, objects.DoorOptions{
		Region: o.Region, Hosts: o.Hosts, Open: o.Auth == "off", Uniform: o.Errors == "uniform", AllowPublic: o.AllowPublic,
		MaxBody: int64(o.MaxBody), Proxies: config.Prefixes(a.Config.Server.TrustedProxies),
		Lookup: sigv4.KeyLookup(a.ObjectKeys.Lookup), Admit: a.ObjectKeys.Admit,
		Allow: a.ObjectAccess.Allow, Visible: a.ObjectAccess.Visible, CheckPolicy: objects.CheckPolicy,
		STS: sts, Denied: a.Denials.Note, Now: time.Now, Metrics: a.objectMetrics,
	})
}

// objectsHosts are the names that requests to the S3 API may carry.
func (a *App) objectsHosts() []string {
	o := a.Config.Objects
	all := []string{a.Config.ObjectsOrigin()}
	for _, h := range o.Hosts {
		all = append(all, h, "*."+h)
	}
	return all
}

// newBrowser is how people at the console look into buckets; nil where there is no S3 API.
func (a *App) newBrowser() (*objects.Browser, error) {
	if a.Config.Objects.Listen == "" {
		return nil, nil
	}
	store, err := a.storage()
	return objects.NewBrowser(store, a.Buckets, a.ObjectAccess, a.ObjectKeys, a.Config.ObjectsOrigin(), a.Config.Objects.Region, time.Now), err
}
