package sigv4

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// A variant is a request as it may have been when it was signed.
type variant struct {
	reason string
	change func(r *http.Request, m *message)
}

// guess finds out what happened to a request on its way: which change of it makes the
// signature right.
func guess(r *http.Request, cred *Credential, c *claim, m message) string {
	for _, v := range variants(r, m) {
		was, with := *r, m
		u := *r.URL
		was.URL = &u
		was.Header = r.Header.Clone()
		v.change(&was, &with)
		if matches(&was, cred, c, with) {
			return v.reason
		}
	}
	for _, secret := range []string{strings.TrimSpace(cred.secret), cred.secret + "\n", cred.secret + " ", cred.secret + "\r\n"} {
		if matches(r, NewCredential(cred.accessKeyID, secret, "", nil), c, m) {
			return "the client's secret has a blank or a line end that does not belong to it"
		}
	}
	return "the secret of the client is another, or what it signed is not what came: " +
		"compare its canonical request, which most clients log, with this one line by line"
}

func matches(r *http.Request, cred *Credential, c *claim, m message) bool {
	text := appendStringToSign(nil, c.stamp, c.scope, m.appendCanonical(nil, r))
	return cred.keyFor(c.scope).signed(text, c.signature)
}

func variants(r *http.Request, m message) []variant {
	all := append(pathVariants(r), hostVariants(r, m)...)
	all = append(all, headerVariants(m)...)
	all = append(all,
		variant{
			"the client signed + in the query as a plus; in a query it is a blank, and a plus is %2B",
			func(r *http.Request, _ *message) { r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "+", "%2B") },
		},
		variant{
			"the client signed the query as it is sent, where S3 has it sorted and encoded (curl before 8.3 does)",
			func(r *http.Request, m *message) { m.query = r.URL.RawQuery },
		},
		variant{
			"the query was dropped when the client signed, or was added by a proxy",
			func(r *http.Request, _ *message) { r.URL.RawQuery = "" },
		},
		variant{"a proxy made GET of HEAD", method(http.MethodGet, http.MethodHead)},
		variant{"a proxy made HEAD of GET", method(http.MethodHead, http.MethodGet)},
		variant{"the client signed the payload as " + unsignedPayload + ", and x-amz-content-sha256 says otherwise", payloadHash(unsignedPayload)},
		variant{"the client signed the hash of an empty payload, and x-amz-content-sha256 says otherwise", payloadHash(emptyHash)},
	)
	return all
}

func method(from, to string) func(*http.Request, *message) {
	return func(r *http.Request, _ *message) {
		if r.Method == from {
			r.Method = to
		}
	}
}

func payloadHash(text string) func(*http.Request, *message) {
	return func(_ *http.Request, m *message) { m.hash = text }
}

func setPath(p string) func(*http.Request, *message) {
	return func(r *http.Request, _ *message) { r.URL.Path = p }
}

// pathVariants are the spellings of a path that clients sign and proxies make.
func pathVariants(r *http.Request) []variant {
	p := r.URL.Path
	all := []variant{
		{
			"the client signed the path as it is sent (" + r.URL.EscapedPath() + "), without encoding it as S3 does",
			func(r *http.Request, m *message) { m.path = r.URL.EscapedPath() },
		},
		{
			"the client signed the path with + for a blank, where S3 has %20",
			func(r *http.Request, m *message) {
				m.path = strings.ReplaceAll(string(appendEncoded(nil, r.URL.Path, true)), "%20", "+")
			},
		},
		{"the client encoded the path twice, as services other than S3 want it", setPath(r.URL.EscapedPath())},
		{"a proxy added a slash to the path", setPath(strings.TrimSuffix(p, "/"))},
		{"a proxy cut the slash off the path", setPath(p + "/")},
		{"the client signed the path cleaned of //, . and ..; in S3 it is signed as it is", setPath(path.Clean(p))},
		{"a proxy cleaned the path: the client signed it with // at its beginning", setPath("/" + p)},
	}
	if once, err := url.PathUnescape(p); err == nil && once != p {
		all = append(all, variant{"a proxy encoded the path once more than the client", setPath(once)})
	}
	return append(all, splitVariants(p)...)
}

// splitVariants are the paths with one slash more, which a proxy may have cleaned away.
func splitVariants(p string) []variant {
	var all []variant
	for i := 1; i < len(p) && len(all) < 32; i++ {
		if p[i] == '/' {
			all = append(all, variant{"a proxy cleaned the path: the client signed " + p[:i] + "/" + p[i:], setPath(p[:i] + "/" + p[i:])})
		}
	}
	return all
}

func setHost(h string) func(*http.Request, *message) {
	return func(_ *http.Request, m *message) { m.host = h }
}

func hostVariants(r *http.Request, m message) []variant {
	var all []variant
	add := func(reason, host string) { all = append(all, variant{reason + ": " + host, setHost(host)}) }
	if port := (&url.URL{Host: m.host}).Port(); port != "" {
		add("the client signed the host without its port", strings.TrimSuffix(m.host, ":"+port))
	} else {
		for _, port := range []string{"443", "80"} {
			add("the client signed the host with a port", m.host+":"+port)
		}
	}
	for _, name := range []string{"X-Forwarded-Host", "X-Original-Host"} {
		if h := r.Header.Get(name); h != "" {
			add("a proxy changed the host, and is not trusted to say what it was", h)
		}
	}
	if r.Host != m.host {
		add("the client signed the host that the proxy sent", r.Host)
	}
	return all
}

// headerVariants are what clients send and proxies are known to change.
func headerVariants(m message) []variant {
	var all []variant
	for name, rest := next(m.signed); name != ""; name, rest = next(rest) {
		for _, value := range formerly(name) {
			all = append(all, variant{
				"a proxy changed the signed header " + name + ", which was: " + value,
				func(r *http.Request, _ *message) { r.Header.Set(name, value) },
			})
		}
		all = append(all, variant{
			"a proxy added the signed header " + name + ", which was empty or not there",
			func(r *http.Request, _ *message) { r.Header.Del(name) },
		})
	}
	return all
}

// formerly lists values that a header often has when a client sends it.
func formerly(name string) []string {
	switch name {
	case "accept-encoding":
		return []string{"identity", "gzip", "gzip, deflate", "gzip,deflate", "gzip, br, zstd"}
	case "connection":
		return []string{"keep-alive", "Keep-Alive", "close"}
	case "accept":
		return []string{"*/*"}
	case "expect":
		return []string{"100-continue"}
	case "te":
		return []string{"trailers"}
	case "content-type":
		return []string{"application/octet-stream", "binary/octet-stream", "application/xml", "text/plain"}
	}
	return nil
}
