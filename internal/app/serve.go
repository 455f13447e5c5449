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
	"signet/internal/web"
)

// Listening says where an instance listens.
type Listening struct {
	Public, Internal, Operations net.Addr
	Policy                       []string
}

// Serve runs the instance until ctx ends, then drains: listeners close, work in
// hand ends, queues are flushed, all within server.drain. ready is called once
// everything listens.
func (a *App) Serve(ctx context.Context, ready func(Listening) error) error {
	release, err := a.DB.Serve()
	if err != nil {
		return err
	}
	defer release()
	in, err := a.newInstance(ctx)
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
			slog.Warn("listener was not closed", "error", err)
		}
	}
}

func (a *App) newInstance(ctx context.Context) (in *instance, err error) {
	in = &instance{}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	observe := ops.NewHTTP(a.metrics)
	mail, err := a.newMail(ctx)
	if err != nil {
		return in, err
	}
	in.workers = append(in.workers, a.Bus.Run, a.Audit.Run)
	in.workers = append(in.workers, mail.workers...)

	public := http.NewServeMux()
	a.mountPublic(public, mail)
	for _, l := range []struct {
		name, listen string
		mux          *http.ServeMux
		bound        *net.Addr
	}{
		{"public", a.Config.Server.Listen, public, &in.listening.Public},
		{"internal", a.Config.Server.InternalListen, http.NewServeMux(), &in.listening.Internal},
		{"operations", a.Config.Server.OperationsListen, ops.Routes(a.metrics, mail.checks...), &in.listening.Operations},
	} {
		if *l.bound, err = a.openHTTP(ctx, in, l.name, l.listen, l.mux, observe); err != nil {
			return in, err
		}
	}
	return in, mail.openPolicy(ctx, in, a.Config.Authroute.Policy)
}

// openHTTP binds one listener; its server is a door.
func (a *App) openHTTP(ctx context.Context, in *instance, name, listen string, mux *http.ServeMux, observe *ops.HTTP) (net.Addr, error) {
	s := a.Config.Server
	h, err := web.Wrap(mux, web.Options{
		Hosts: append([]string{s.Origin}, s.Names...), Proxies: config.Prefixes(s.TrustedProxies), Observe: observe.Of(name), Limiter: newEdge(),
		Inner: []web.Middleware{web.Authenticate(account.NewAuthenticator(a.Accounts))},
	})
	if err != nil {
		return nil, err
	}
	l, err := bind(ctx, in, "server."+name+"Listen", "tcp", listen)
	if err != nil {
		return nil, err
	}
	o := web.ServerOptions{Drain: s.Drain.D()}
	if name == "public" && s.TLSCertFile != "" {
		if o.TLS, err = tlsConfig(s.TLSCertFile, s.TLSKeyFile); err != nil {
			return nil, err
		}
	}
	in.doors = append(in.doors, web.NewServer(name, l, h, o).Run)
	return l.Addr(), nil
}

// mountPublic mounts everything that the public listener serves.
func (a *App) mountPublic(mux *http.ServeMux, m *mail) {
	authroute.Routes(web.API(mux, "Signet", Version()), mux, authroute.Services{
		Registry: a.Registry, Keys: a.Keys, Verdicts: m.verdicts, Domains: a.Domains, Bypass: a.Bypass,
		Node: a.Node, Now: time.Now,
	})
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
