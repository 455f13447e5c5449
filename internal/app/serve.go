package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"signet/internal/account"
	"signet/internal/authapi"
	"signet/internal/authroute"
	"signet/internal/config"
	"signet/internal/objects"
	"signet/internal/ops"
	"signet/internal/token"
	"signet/internal/web"
)

// Listening says where an instance listens.
type Listening struct {
	Public, MTLS, Internal, Operations, Policy, Objects []string
}

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
	checks    []ops.Check // of readiness
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
	in.checks = append(in.checks, ops.Check{Name: "database", Run: a.DB.Ping})
	if a.guard, err = a.newGuard(ctx, in); err != nil {
		return in, err
	}
	var m *mail
	if roles.has(PolicyRole, AccountRole, ConsoleRole) {
		if m, err = a.newMail(ctx, in); err != nil {
			return in, err
		}
	}
	oauth, err := a.newOAuth(ctx, in)
	if err != nil {
		return in, err
	}
	if err := a.openDoors(ctx, in, roles, m, oauth, observe); err != nil {
		return in, err
	}
	if roles.has(ObjectsRole) && a.Config.Objects.Listen != "" {
		if err := a.openObjects(ctx, in, oauth, observe); err != nil {
			return in, err
		}
	}
	err = a.openHTTP(ctx, in, listener{name: "operations", addresses: []string{a.Config.Server.OperationsListen}, bound: &in.listening.Operations},
		ops.Routes(a.metrics, notes(oauth), in.checks...), observe)
	if err != nil || !roles.has(PolicyRole) {
		return in, err
	}
	return in, m.openPolicy(ctx, in, a.Config.Authroute.Policy)
}

// openDoors binds the listeners of people and programs: public and internal.
func (a *App) openDoors(ctx context.Context, in *instance, roles Roles, m *mail, oauth *token.OAuth, observe *ops.HTTP) error {
	if roles.has(AccountRole) {
		if err := a.offerFirst(ctx); err != nil {
			return err
		}
		in.workers = append(in.workers, a.Sessions.Run, a.Gate.Run)
		internal := http.NewServeMux()
		authapi.Routes(internal, a.Gate, a.Gate.Person) //nolint:contextcheck // each request has its own
		l := listener{name: "internal", addresses: []string{a.Config.Server.InternalListen}, bound: &in.listening.Internal}
		if err := a.openHTTP(ctx, in, l, internal, observe); err != nil {
			return err
		}
	}
	if !roles.has(AccountRole, LoginRole, TokenRole) {
		return nil
	}
	public := http.NewServeMux()
	l := listener{name: "public", addresses: a.Config.Server.Listen, bound: &in.listening.Public, oauth: oauth}
	if err := a.mountPublic(public, in, &l, roles, m, oauth); err != nil { //nolint:contextcheck // each request has its own
		return err
	}
	if mtls := a.Config.Server.MTLS; mtls.Listen != "" && roles.has(TokenRole) {
		own := listener{name: "mtls", addresses: []string{mtls.Listen}, bound: &in.listening.MTLS, oauth: oauth, outer: []web.Middleware{token.AtMTLS}}
		if err := a.openHTTP(ctx, in, own, forCertificates(public, oauth), observe); err != nil {
			return err
		}
	}
	return a.openHTTP(ctx, in, l, public, observe)
}

// mountPublic mounts what the public listener serves in these roles.
func (a *App) mountPublic(mux *http.ServeMux, in *instance, l *listener, roles Roles, m *mail, oauth *token.OAuth) error {
	in.workers = append(in.workers, a.Tokens.Run, a.Codes.Run)
	if roles.has(AccountRole) {
		api := web.API(mux, "Signet", Version())
		account.AdminRoutes(api, account.Administration{Users: a.Accounts, Identities: a.Identities, Sessions: a.Sessions, Inviter: a.Gate})
		token.AdminRoutes(api, a.Clients)
		objects.AdminRoutes(api, objects.Administration{Keys: a.ObjectKeys, Access: a.ObjectAccess, Denials: a.Denials})
		authroute.Routes(api, mux, authroute.Services{
			Registry: a.Registry, Keys: a.Keys, Verdicts: m.verdicts, Domains: a.Domains, Bypass: a.Bypass,
			List: authroute.NewPublisher(a.Keys, a.Node), Now: time.Now,
		})
	}
	if roles.has(TokenRole) {
		token.Routes(mux, a.Tokens)
		token.HandoffRoutes(mux, a.Codes, a.Clients)
		token.OAuthRoutes(mux, oauth)
		if err := token.MetadataRoutes(mux, oauth); err != nil {
			return err
		}
	}
	if roles.has(LoginRole) {
		pages, outside, err := a.newLogin(oauth)
		if err != nil {
			return err
		}
		pages.Routes(mux)
		a.Site.Routes(mux)
		in.workers = append(in.workers, pages.Run, outside.Run)
		l.inner = append(l.inner, pages.Sessions)
		l.errors = pages.WriteProblem
		if roles.has(ConsoleRole) {
			return a.mountConsole(mux, pages, m, oauth)
		}
	}
	return nil
}

// listener is one HTTP listener with its addresses.
type listener struct {
	name      string
	addresses []string
	bound     *[]string        // gets what they are bound to
	outer     []web.Middleware // around what proves callers
	inner     []web.Middleware // around the mux, after API tokens and service keys
	errors    web.ErrorWriter  // nil: problems as JSON
	oauth     *token.OAuth     // whose access tokens prove callers; nil for none
}

// openHTTP binds the addresses of one mux; their servers are doors.
func (a *App) openHTTP(ctx context.Context, in *instance, l listener, mux *http.ServeMux, observe *ops.HTTP) error {
	s := a.Config.Server
	h, err := web.Wrap(mux, web.Options{
		Hosts: a.hosts(), Proxies: config.Prefixes(s.TrustedProxies),
		Observe: observe.Of(l.name), Limiter: newEdge(edgeRate), Errors: l.errors,
		Inner: slices.Concat(l.outer, []web.Middleware{
			recordRefusals(a.Audit, http.StatusUnauthorized), // nobody is proven yet
			web.Authenticate(a.callers(l.oauth)...),
		}, l.inner, []web.Middleware{recordRefusals(a.Audit, http.StatusForbidden)}),
	})
	if err != nil {
		return err
	}
	o := web.ServerOptions{Drain: s.Drain.D()}
	if o.TLS, err = a.tlsOf(l.name); err != nil {
		return err
	}
	for _, address := range l.addresses {
		bound, err := bind(ctx, in, "server listener "+l.name, "tcp", address)
		if err != nil {
			return err
		}
		*l.bound = append(*l.bound, bound.Addr().String())
		in.doors = append(in.doors, web.NewServer(l.name, bound, h, o).Run) //nolint:contextcheck // Run gets it
	}
	return nil
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
