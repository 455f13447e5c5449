package login

import (
	"net/url"
	"slices"
	"strings"

	"signet/internal/fault"
)

// ErrNext is a place that nobody is sent to after a sign-in.
var ErrNext = fault.New(fault.Invalid, "is neither a page of this server nor of the app that asks for the sign-in").Named("bad-next")

// maxNext bounds an address, in bytes.
const maxNext = 2048

// CheckNext returns next where somebody may be sent there: a path of this server,
// such as /console?tab=keys, or an address whose scheme, host and port are exactly
// those of one in registered, the redirect URIs of the app that asks. An empty next
// is the page that follows by default. Everything else is ErrNext.
//
// Text that browsers and servers read differently is refused, not made right: what
// is returned is what came in, byte by byte. The parameter nonce is ours to add.
func CheckNext(next string, registered []string) (string, error) {
	if next == "" {
		return "", nil
	}
	if len(next) > maxNext || strings.ContainsFunc(next, notInURI) {
		return "", ErrNext
	}
	if strings.HasPrefix(next, "/") {
		if !isLocal(next) {
			return "", ErrNext
		}
		return next, nil
	}
	origin, rest := cutOrigin(next)
	allowed := slices.ContainsFunc(registered, func(r string) bool {
		o, _ := cutOrigin(r)
		return o != "" && o == origin
	})
	if !allowed || !isPlain(rest) {
		return "", ErrNext
	}
	u, err := url.Parse(next)
	if err != nil || u.User != nil || u.Scheme+"://"+u.Host != origin {
		return "", ErrNext
	}
	return next, nil
}

// notInURI reports what stands in no URI unescaped (RFC 3986, section 2), or is read
// in different ways: controls, spaces, backslashes and all beyond ASCII. A fragment
// would swallow the parameter that is added.
func notInURI(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\\\"<>^`{|}#", r) }

// cutOrigin returns scheme, host and port of an absolute address as they are written,
// and what follows. The origin is empty unless it is one in lower case, without a
// user, and a host in its plain form.
func cutOrigin(address string) (origin, rest string) {
	scheme, after, ok := strings.Cut(address, "://")
	if !ok || scheme != "https" && scheme != "http" {
		return "", ""
	}
	end := strings.IndexAny(after, "/?")
	if end < 0 {
		end = len(after)
	}
	host := after[:end]
	if strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-.:[]") != "" || host == "" || strings.HasSuffix(host, ".") {
		return "", ""
	}
	return scheme + "://" + host, after[end:]
}

func isLocal(next string) bool {
	u, err := url.Parse(next)
	return err == nil && u.Scheme == "" && u.Host == "" && u.User == nil && u.Opaque == "" && isPlain(next)
}

// isPlain refuses a path that changes when it is resolved or unescaped: empty and
// dot segments, and escaped slashes, backslashes, percents and controls.
func isPlain(rest string) bool {
	path, query, _ := strings.Cut(rest, "?")
	plain, err := url.PathUnescape(path)
	if err != nil || strings.Contains(path, "//") || strings.Count(plain, "/") != strings.Count(path, "/") || strings.ContainsFunc(plain, notPlain) {
		return false
	}
	for segment := range strings.SplitSeq(plain, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	values, err := url.ParseQuery(query)
	return err == nil && !values.Has("nonce")
}

// notPlain reports what a path may not have even when escaped.
func notPlain(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\\' || r == '%' || r == 0xfffd
}
