package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/miekg/dns"

	"signet/internal/authroute"
	"signet/internal/config"
)

// mail is what judges mail in a running instance.
type mail struct {
	verdicts *authroute.Verdicts
	policy   *authroute.Policy
}

// newMail adds to in what judging needs beside the listeners.
func (a *App) newMail(ctx context.Context, in *instance) (m *mail, err error) {
	c, now := a.Config.Authroute, time.Now
	m = &mail{}
	dns := authroute.NewResolver(authroute.ResolverConfig{Server: resolver(c.DNS), Timeout: c.DNS.Timeout.D()}, a.mailMetrics)
	verifier := authroute.NewVerifier(authroute.VerifierConfig{
		Window: c.Window.D(), Audiences: c.Audiences, TrustedRelays: config.Prefixes(c.TrustedRelays),
		ExemptClients: config.Prefixes(c.ExemptClients), ExemptSenders: c.ExemptSenders,
	}, a.Domains, a.Bypass, a.Keys, dns, authroute.NewReplay(a.guard, c.Window.D(), now))
	m.verdicts, err = authroute.NewVerdicts(a.DB, a.Audit, a.mailMetrics, authroute.VerdictsConfig{
		CounterFile: filepath.Join(a.Config.Server.DataDir, "verdicts.count"),
		Keep:        c.KeepVerdicts.D(), KeepNone: c.KeepNone.D(), Drain: a.Config.Server.Drain.D(),
	})
	if err != nil {
		return nil, err
	}
	in.closers = append(in.closers, m.verdicts.Close)
	m.policy = authroute.NewPolicy(authroute.PolicyConfig{
		Host: a.name(), Allow: config.Prefixes(c.Policy.Allow), Tagged: c.TaggedSender,
		MaxConnections: c.Policy.MaxConnections, Deadline: c.Policy.Deadline.D(), Drain: a.Config.Server.Drain.D(), Domain: a.Domains.OfSender,
	}, verifier, m.verdicts, a.mailMetrics)
	in.workers = append(in.workers, a.Keys.Run, a.Domains.Run, a.Bypass.Run, m.verdicts.Run)
	for _, load := range []func(context.Context) error{a.Keys.Load, a.Domains.Load, a.Bypass.Load} {
		if err := load(ctx); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// policyAddress is one that the policy service answers on.
type policyAddress struct{ key, network, address string }

// policyAddresses returns those that are configured.
func policyAddresses(p config.Policy) []policyAddress {
	return slices.DeleteFunc([]policyAddress{
		{"authroute.policy.listen", "tcp", p.Listen}, {"authroute.policy.socket", "unix", p.Socket},
	}, func(a policyAddress) bool { return a.address == "" })
}

// postfix returns the names that main.cf may have for the address, the best first. A
// socket in the queue directory is named from there, which holds whether or not smtpd
// runs in a chroot; one that does finds nothing by the whole path.
func (a policyAddress) postfix(queueDir string) []string {
	if a.network == "tcp" {
		return []string{"inet:" + a.address}
	}
	if inside, err := filepath.Rel(queueDir, a.address); err == nil && filepath.IsLocal(inside) {
		return []string{"unix:" + inside, "unix:/" + inside, "unix:" + a.address}
	}
	return []string{"unix:" + a.address}
}

// openPolicy binds the policy service's listeners; they are doors.
func (m *mail) openPolicy(ctx context.Context, in *instance, p config.Policy) error {
	for _, l := range policyAddresses(p) {
		if l.network == "unix" {
			removeStaleSocket(ctx, l.address)
		}
		bound, err := bind(ctx, in, l.key, l.network, l.address)
		if err != nil {
			return err
		}
		if l.network == "unix" {
			// Postfix is another user. Whoever is on this machine may ask, as on TCP.
			if err := os.Chmod(l.address, 0o666); err != nil { //nolint:gosec // see above
				return fmt.Errorf("%s: %w", l.key, err)
			}
		}
		in.listening.Policy = append(in.listening.Policy, bound.Addr().String())
		in.doors = append(in.doors, func(ctx context.Context) error { return m.policy.Serve(ctx, bound) })
	}
	return nil
}

// removeStaleSocket removes the socket that a killed instance has left. One that
// somebody answers on stays, and binding fails.
func removeStaleSocket(ctx context.Context, path string) {
	if c, err := new(net.Dialer).DialContext(ctx, "unix", path); err == nil {
		_ = c.Close()
		return
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		_ = os.Remove(path) // where that fails, binding says so
	}
}

// ZoneLines returns what belongs into the DNS now. The caller is the operator.
func (a *App) ZoneLines(ctx context.Context) ([]string, error) {
	if err := a.Keys.Load(ctx); err != nil {
		return nil, err
	}
	treated, err := a.Domains.List(ctx)
	if err != nil {
		return nil, err
	}
	z := authroute.Zone{Keys: a.Keys.AllLive(time.Now()), Node: a.Node.Public(), Origin: a.Config.Server.Origin}
	for _, d := range treated {
		z.Domains = append(z.Domains, d.Domain)
	}
	return z.Lines()
}

// domains returns the hosted domains of the configuration.
func domains(c config.Authroute) authroute.DomainsConfig {
	all := map[string]authroute.Domain{}
	for name, d := range c.Domains {
		all[name] = authroute.Domain{
			Name: name, Mode: authroute.Mode(d.Mode), RefuseV1: d.V1 == "refuse", DeferStale: d.Stale == "defer", Hosted: true,
		}
	}
	return authroute.DomainsConfig{Domains: all, Default: authroute.Mode(c.DefaultMode)}
}

// resolver returns the configured resolver, or the first one of this machine.
func resolver(c config.DNS) string {
	if c.Resolver != "" {
		return c.Resolver
	}
	return systemResolver()
}

// systemResolver returns the first resolver of /etc/resolv.conf, and where there is
// none the one that most machines run themselves.
func systemResolver() string {
	c, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil || len(c.Servers) == 0 {
		return "127.0.0.1:53"
	}
	return net.JoinHostPort(c.Servers[0], c.Port)
}

// name tells this instance from others, for people.
func (a *App) name() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return host
}
