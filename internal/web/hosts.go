package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Hosts answers 421 unless Host is one of names, so that a page of another site
// whose name was pointed at this server (DNS rebinding) gets nothing.
//
// A name is an origin (https://auth.example.org), a host (auth.example.org, with
// the listener's own port or none), or a host with a port; "*.s3.example.org"
// stands for every name with one more label. On connections to a loopback address, localhost,
// 127.0.0.1 and [::1] with the listener's port are names too.
func Hosts(names ...string) (Middleware, error) {
	known := hostSet{exact: map[string]bool{}}
	for _, name := range names {
		if err := known.add(name); err != nil {
			return nil, err
		}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !known.has(r) {
				Fail(w, r, errMisdirected)
				return
			}
			next.ServeHTTP(w, r)
		})
	}, nil
}

type hostSet struct {
	exact map[string]bool // lower case, with the port where one was named
	under []string        // ".s3.example.org"
}

func (s *hostSet) add(name string) error {
	if strings.Contains(name, "://") {
		u, err := url.Parse(name)
		if err != nil || u.Host == "" {
			return fmt.Errorf("%q is not an origin (try https://auth.example.org)", name)
		}
		host := strings.ToLower(u.Host)
		s.exact[host] = true
		// A client may name the scheme's own port.
		if port := map[string]string{"http": "80", "https": "443"}[u.Scheme]; u.Port() == "" && port != "" {
			s.exact[host+":"+port] = true
		}
		return nil
	}
	name = strings.ToLower(name)
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		s.under = append(s.under, "."+rest)
		return nil
	}
	if name == "" || strings.ContainsAny(name, "/ *") {
		return fmt.Errorf("%q is not a host name", name)
	}
	s.exact[name] = true
	return nil
}

func (s *hostSet) has(r *http.Request) bool {
	host := strings.ToLower(r.Host)
	if s.exact[host] {
		return true
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	name := withoutPort(host, local)
	if s.exact[name] || s.covers(name) {
		return true
	}
	return loopback(local) && name != host && (name == "localhost" || name == "127.0.0.1" || name == "[::1]")
}

func (s *hostSet) covers(name string) bool {
	for _, suffix := range s.under {
		label, ok := strings.CutSuffix(name, suffix)
		if ok && label != "" && !strings.Contains(label, ".") {
			return true
		}
	}
	return false
}

// withoutPort cuts the listener's own port from host, and no other.
func withoutPort(host string, local net.Addr) string {
	if local == nil {
		return host
	}
	_, port, err := net.SplitHostPort(local.String())
	if err != nil {
		return host
	}
	return strings.TrimSuffix(host, ":"+port)
}

func loopback(a net.Addr) bool {
	if a == nil {
		return false
	}
	ap, err := netip.ParseAddrPort(a.String())
	return err == nil && ap.Addr().Unmap().IsLoopback()
}
