package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxWindow bounds how long a captured proof may be of use.
const maxWindow = time.Hour

// validate checks what no single value shows.
func (c *Config) validate() []error {
	return slices.Concat(c.Server.validate(), c.Account.validate(), c.Login.validate(), c.Security.validate(time.Now()), c.validateUsed(), c.Authroute.validate(), c.validateObjects())
}

// validateUsed checks that used proofs are kept where every instance sees them.
func (c *Config) validateUsed() []error {
	const key = "security.senderConstraints.dpop.nonce.store: "
	switch store := c.Security.SenderConstraints.DPoP.Nonce.Store; {
	case store == "redis" && c.Redis.URL.Reveal() == "":
		return []error{errors.New(key + "redis needs redis.url")}
	case store == "memory" && !strings.HasPrefix(c.StoreURL(), "sqlite:"):
		return []error{errors.New(key + "memory is for one instance on SQLite: take auto")}
	}
	return nil
}

func (s *Server) validate() (problems []error) {
	u, err := url.Parse(s.Origin)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		problems = append(problems, fmt.Errorf("server.origin: %q is not an origin (try https://auth.example.org)", s.Origin))
	}
	for _, addr := range s.Listen {
		problems = appendIf(problems, checkListen("server.listen", addr))
		if s.TLSCertFile == "" && len(s.TrustedProxies) == 0 && !loopback(addr) {
			problems = append(problems, fmt.Errorf("server.listen: %s is reachable from outside without TLS: set server.tlsCertFile and tlsKeyFile, or server.trustedProxies where a proxy ends TLS", addr))
		}
	}
	problems = appendIf(problems, checkListen("server.internalListen", s.InternalListen))
	problems = appendIf(problems, checkListen("server.operationsListen", s.OperationsListen))
	if (s.TLSCertFile == "") != (s.TLSKeyFile == "") {
		problems = append(problems, errors.New("server.tlsCertFile, server.tlsKeyFile: want both or neither"))
	}
	return append(problems, s.validateMTLS()...)
}

func (s *Server) validateMTLS() (problems []error) {
	m := s.MTLS
	if m.Listen == "" {
		return nil
	}
	problems = appendIf(problems, checkListen("server.mtls.listen", m.Listen))
	if u, err := url.Parse(m.Origin); err != nil || u.Scheme != "https" || u.Host == "" || strings.TrimSuffix(u.Path, "/") != "" {
		problems = append(problems, fmt.Errorf("server.mtls.origin: %q is not an https origin (try https://mtls.auth.example.org)", m.Origin))
	}
	if (m.TLSCertFile == "") != (m.TLSKeyFile == "") {
		problems = append(problems, errors.New("server.mtls.tlsCertFile, server.mtls.tlsKeyFile: want both or neither"))
	}
	if m.TLSCertFile == "" && s.TLSCertFile == "" {
		problems = append(problems, errors.New("server.mtls.tlsCertFile: the listener needs a certificate of its own"))
	}
	return problems
}

func (a *Authroute) validate() (problems []error) {
	if a.Policy.Listen != "" {
		problems = appendIf(problems, checkListen("authroute.policy.listen", a.Policy.Listen))
		if !loopback(a.Policy.Listen) && len(a.Policy.Allow) == 0 {
			problems = append(problems, fmt.Errorf("authroute.policy.allow: %s is reachable from outside and the policy protocol has no authentication: list the networks that may ask", a.Policy.Listen))
		}
	}
	for domain := range a.Domains {
		if !isDomain(domain) {
			problems = append(problems, fmt.Errorf("authroute.domains: %q is not a domain in lower case (try example.org)", domain))
		}
	}
	if a.Window <= 0 || a.Window.D() > maxWindow {
		problems = append(problems, fmt.Errorf("authroute.window: must be more than 0 and at most %s (try 5m)", Duration(maxWindow)))
	}
	for key, list := range map[string][]Prefix{"authroute.trustedRelays": a.TrustedRelays, "authroute.exemptClients": a.ExemptClients} {
		if slices.ContainsFunc(list, func(p Prefix) bool { return p.Bits() == 0 }) {
			problems = append(problems, fmt.Errorf("%s: a network of all addresses would switch verification off: use mode monitor for that", key))
		}
	}
	if a.Policy.Deadline <= 0 {
		problems = append(problems, errors.New("authroute.policy.deadline: must be more than 0 (try 1s)"))
	}
	if a.DNS.Resolver != "" {
		problems = appendIf(problems, checkListen("authroute.dns.resolver", a.DNS.Resolver))
	}
	return problems
}

func appendIf(problems []error, err error) []error {
	if err != nil {
		problems = append(problems, err)
	}
	return problems
}

func checkListen(key, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil || port == "" {
		return fmt.Errorf("%s: %q is not HOST:PORT (try 127.0.0.1:8080)", key, addr)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%s: %q is not a port", key, port)
	}
	return nil
}

// loopback reports whether only this machine reaches a listen address.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && ip.Unmap().IsLoopback())
}
