package dpop

import (
	"errors"
	"net/url"
	"strings"
)

// errURL repeats nothing of the address.
var errURL = errors.New("it is not an address with scheme http or https and a host")

// Normalize returns an address as it is compared (RFC 9449, section 4.3; RFC 3986,
// sections 6.2.2 and 6.2.3): without query and fragment, scheme and host in lower case,
// without the default port, dot segments resolved, unreserved characters not
// percent-encoded and other escapes in upper case, the path at least "/". An address with
// userinfo is refused.
func Normalize(htu string) (string, error) {
	if strings.ContainsFunc(htu, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"<>\^{|}`+"`", r) }) {
		return "", errURL // RFC 3986, section 2
	}
	u, err := url.Parse(htu)
	if err != nil || u.Opaque != "" || u.Hostname() == "" {
		return "", errURL
	}
	if u.User != nil {
		return "", errors.New("it has userinfo")
	}
	port := map[string]string{"http": ":80", "https": ":443"}[u.Scheme] // Parse has lowered it
	// Names in Unicode are written as A-labels (RFC 5890), and no zone is of a public address.
	if port == "" || strings.ContainsFunc(u.Host, func(r rune) bool { return r > '~' || r == '%' }) {
		return "", errURL
	}
	host := strings.ToLower(u.Host)
	host = strings.TrimSuffix(strings.TrimSuffix(host, port), ":")
	return u.Scheme + "://" + host + resolve(unescape(u.EscapedPath())), nil
}

const upper = "0123456789ABCDEF"

// unescape takes the percent-encoding from unreserved characters, and writes that of
// others in upper case.
func unescape(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' { // url.Parse has found two digits after each
			b.WriteByte(path[i])
			continue
		}
		c := digit(path[i+1])<<4 | digit(path[i+2])
		i += 2
		if isUnreserved(c) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upper[c>>4])
		b.WriteByte(upper[c&15])
	}
	return b.String()
}

func digit(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return b&^0x20 - 'A' + 10
}

// isUnreserved is RFC 3986, section 2.3.
func isUnreserved(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c&^0x20 && c&^0x20 <= 'Z' || strings.IndexByte("-._~", c) >= 0
}

// resolve removes dot segments (RFC 3986, section 5.2.4) and makes an empty path "/".
func resolve(path string) string {
	if !strings.Contains(path, "/.") {
		if path == "" {
			return "/"
		}
		return path
	}
	var out []string
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".", "..":
			if s == ".." && len(out) > 0 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	return "/" + strings.Join(out, "/")
}
