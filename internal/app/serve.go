package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"signet/internal/account"
	"signet/internal/authroute"
	"signet/internal/config"
	"signet/internal/ops"
	"signet/internal/token"
	"signet/internal/web"
)

// Listening says where an instance listens.
type Listening struct {
	Public, Internal, Operations, Policy []string
}

// Roles are the parts that an instance runs.
type Roles string

// The roles that there are.
const (
	AllRoles   Roles = "all"
	PolicyRole Roles = "policy" // only Postfix is answered
)

// Serve runs the instance until ctx ends, then drains: listeners close, work in
// hand ends, queues are flushed, all within server.drain. ready is called once
// everything listens.
func (a *App) Serve(ctx context.Context, roles Roles, ready func(Listening) error) error {
	release, err := a.DB.Serve()
	if err != nil {
		return err
	}
	defer release()
	in, err := a.newInstance(ctx, roles)
	if err != nil {
		return err
	}
	defer in.close()

	// Two groups: what answers callers stops first, then what it hands work to.
	behind, stopBehind := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBehind()
	workers, behind := errgroup.WithContext(behind)
	for _, w := range in.workers {
		workers.Go(func() error { return w(behind) })
	}
	doors, front := errgroup.WithContext(ctx)
	for _, d := range in.doors {
		doors.Go(func() error { return d(front) })
	}
	doors.Go(func() error { // a worker that failed ends the instance
		select {
		case <-front.Done():
			return nil
		case <-behind.Done():
			return errors.New("background work ended")
		}
	})
	if err := ready(in.listening); err != nil {
		doors.Go(func() error { return err })
	}
	err = doors.Wait()
	slog.InfoContext(ctx, "instance draining")
	stopBehind()
	return errors.Join(err, workers.Wait())
}

// instance is one running process: its listeners and its workers.
type instance struct {
	listening Listening
	doors     []func(ctx context.Context) error // answer callers
	workers   []func(ctx context.Context) error // do what was handed to them
	closers   []func() error
}

func (in *instance) close() {
	for _, c := range in.closers {
		if err := c(); err != nil && !errors.Is(err, net.ErrClosed) {
			slog.Warn("a part of the instance was not closed", "error", err)
		}
	}
}

func (a *App) newInstance(ctx context.Context, roles Roles) (in *instance, err error) {
	in = &instance{}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	observe := ops.NewHTTP(a.metrics)
	in.workers = append(in.workers, a.Bus.Run, a.Audit.Run, a.Limits.Run, a.Post.Run)
	mail, err := a.newMail(ctx, in)
	if err != nil {
		return in, err
	}
	if roles == AllRoles {
		if err := a.openDoors(ctx, in, mail, observe); err != nil {
			return in, err
		}
	}
	err = a.openHTTP(ctx, in, "operations", []string{a.Config.Server.OperationsListen}, ops.Routes(a.metrics, mail.checks...),
		observe, &in.listening.Operations)
	if err != nil {
		return in, err
	}
	return in, mail.openPolicy(ctx, in, a.Config.Authroute.Policy)
}

// openDoors binds the listeners of people and programs: public and internal.
func (a *App) openDoors(ctx context.Context, in *instance, m *mail, observe *ops.HTTP) error {
	public := http.NewServeMux()
	a.mountPublic(public, m)
	in.workers = append(in.workers, a.Tokens.Run, a.Sessions.Run, a.Codes.Run)
	err := a.openHTTP(ctx, in, "public", a.Config.Server.Listen, public, observe, &in.listening.Public)
	if err != nil {
		return err
	}
	// The service API of login and accounts comes here; until then every path is unknown.
	return a.openHTTP(ctx, in, "internal", []string{a.Config.Server.InternalListen}, http.NewServeMux(), observe, &in.listening.Internal)
}

// openHTTP binds the listeners of one mux; their servers are doors.
func (a *App) openHTTP(ctx context.Context, in *instance, name string, listen []string, mux *http.ServeMux, observe *ops.HTTP, bound *[]string) error {
	s := a.Config.Server
	h, err := web.Wrap(mux, web.Options{
		Hosts: append([]string{s.Origin}, s.Names...), Proxies: config.Prefixes(s.TrustedProxies),
		Observe: observe.Of(name), Limiter: newEdge(),
		Inner: []web.Middleware{
			recordRefusals(a.Audit, http.StatusUnauthorized), // nobody is proven yet
			web.Authenticate(account.NewAuthenticator(a.Accounts)),
			recordRefusals(a.Audit, http.StatusForbidden),
		},
	})
	if err != nil {
		return err
	}
	o := web.ServerOptions{Drain: s.Drain.D()}
	if name == "public" && s.TLSCertFile != "" {
		if o.TLS, err = tlsConfig(s.TLSCertFile, s.TLSKeyFile); err != nil {
			return err
		}
	}
	for _, address := range listen {
		l, err := bind(ctx, in, "server listener "+name, "tcp", address)
		if err != nil {
			return err
		}
		*bound = append(*bound, l.Addr().String())
		in.doors = append(in.doors, web.NewServer(name, l, h, o).Run) //nolint:contextcheck // Run gets it
	}
	return nil
}

// mountPublic mounts everything that the public listener serves.
func (a *App) mountPublic(mux *http.ServeMux, m *mail) {
	authroute.Routes(web.API(mux, "Signet", Version()), mux, authroute.Services{
		Registry: a.Registry, Keys: a.Keys, Verdicts: m.verdicts, Domains: a.Domains, Bypass: a.Bypass,
		List: authroute.NewPublisher(a.Keys, a.Node), Now: time.Now,
	})
	token.Routes(mux, a.Tokens)
	token.HandoffRoutes(mux, a.Codes, a.Clients)
}

// bind opens a listener that closes with the instance.
func bind(ctx context.Context, in *instance, key, network, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	in.closers = append(in.closers, l.Close)
	return l, nil
}
