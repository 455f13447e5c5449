package token

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func unprintable(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfffd }

// notURI reports what stands in no URI unescaped, and is read differently by
// browsers: controls, spaces, backslashes and all beyond ASCII (RFC 3986, section 2).
func notURI(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\\\"<>^`{|}", r) }

// isRedirect reports whether a client may register uri (RFC 6749, section 3.1.2;
// RFC 9700, sections 2.1 and 2.6).
func isRedirect(uri string) bool {
	if len(uri) > maxURI || strings.ContainsFunc(uri, notURI) || strings.Contains(uri, "#") {
		return false
	}
	u, err := url.Parse(uri)
	if err != nil || u.User != nil || u.Opaque != "" || !isHost(u) || strings.Contains(u.Host, "@") {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())
}

func isHost(u *url.URL) bool {
	host := u.Hostname()
	if strings.HasSuffix(u.Host, ":") {
		return false
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return false
		}
	}
	if strings.HasPrefix(u.Host, "[") {
		a, err := netip.ParseAddr(host)
		return err == nil && a.Zone() == ""
	}
	return host != "" && strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}

// hasRedirect reports whether uri is one of the registered ones.
func hasRedirect(registered []string, uri string) bool {
	return slices.ContainsFunc(registered, func(r string) bool { return r == uri || sameButPort(r, uri) })
}

// sameButPort reports whether a registered loopback URI without a port is uri but for its
// port (RFC 8252, section 7.3), octet by octet.
func sameButPort(registered, uri string) bool {
	u, err := url.Parse(registered)
	if err != nil || u.Scheme != "http" || u.Port() != "" || !isLoopbackAddress(u.Hostname()) {
		return false
	}
	origin := "http://" + u.Host
	path, ok := strings.CutPrefix(registered, origin)
	if !ok {
		return false
	}
	port, ok := strings.CutPrefix(uri, origin+":")
	if !ok {
		return false
	}
	port, ok = strings.CutSuffix(port, path)
	n, err := strconv.ParseUint(port, 10, 16)
	return ok && err == nil && n > 0 && strconv.FormatUint(n, 10) == port
}

// isLoopbackAddress reports whether apps on a device may listen there on a port of the
// moment.
func isLoopbackAddress(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// sharesOrigin reports whether uri is one that a client could register and has scheme,
// host and port, as they are written, of one that it did.
func sharesOrigin(uri string, registered []string) bool {
	return isRedirect(uri) && slices.ContainsFunc(registered, func(r string) bool { return originOf(r) == originOf(uri) })
}

// originOf returns scheme, host and port of a redirect URI.
func originOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// isLoopback reports whether http to host stays on the machine (RFC 8252, section 7.3;
// RFC 6761, section 6.3).
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && a.IsLoopback()
}
