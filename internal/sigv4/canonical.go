package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A message is what a signature covers, as far as it does not stand in the request.
type message struct {
	host    string
	signed  string // names of the signed headers, with ; between them
	hash    string // of the payload, or the word in its place
	without string // parameter of the query that is left out
	path    string // canonical, in place of the request's; only [Explain] has use for it
	query   string // the same
}

// appendCanonical appends the canonical request.
//
// Only r.URL.Path counts of the path: the server decoded it once, and it is encoded
// again here, so that every spelling of a key has one signature. It is never cleaned:
// //, . and .. are legal in the keys of S3.
func (m *message) appendCanonical(b []byte, r *http.Request) []byte {
	b = append(b, r.Method...)
	b = append(b, '\n')
	switch {
	case m.path != "":
		b = append(b, m.path...)
	case r.URL.Path == "":
		b = append(b, '/')
	default:
		b = appendEncoded(b, r.URL.Path, true)
	}
	b = append(b, '\n')
	if m.query != "" {
		b = append(b, m.query...)
	} else {
		b = appendQuery(b, r.URL.RawQuery, m.without)
	}
	b = append(b, '\n')
	for name, rest := next(m.signed); name != ""; name, rest = next(rest) {
		b = append(b, name...)
		b = append(b, ':')
		b = m.appendHeader(b, r, name)
		b = append(b, '\n')
	}
	b = append(b, '\n')
	b = append(b, m.signed...)
	b = append(b, '\n')
	return append(b, m.hash...)
}

// next cuts the first name off a list with semicolons.
func next(list string) (first, rest string) {
	first, rest, _ = strings.Cut(list, ";")
	return first, rest
}

// appendHeader appends the value of a header, all of its lines joined by commas. The
// three that Go's server takes out of the map are read where it puts them.
func (m *message) appendHeader(b []byte, r *http.Request, name string) []byte {
	switch name {
	case "host":
		return appendTrimmed(b, m.host)
	case "content-length":
		if r.ContentLength >= 0 {
			return strconv.AppendInt(b, r.ContentLength, 10)
		}
	case "transfer-encoding":
		return appendJoined(b, r.TransferEncoding)
	}
	return appendJoined(b, headerValues(r.Header, name))
}

func appendJoined(b []byte, values []string) []byte {
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTrimmed(b, v)
	}
	return b
}

// headerValues returns the lines of a header whose name is in lower case, without the
// allocation that http.Header.Values needs to spell it.
func headerValues(h http.Header, name string) []string {
	var stack [64]byte
	key := append(stack[:0], name...)
	upper := true
	for i, c := range key {
		if upper && 'a' <= c && c <= 'z' {
			key[i] = c - 'a' + 'A'
		}
		upper = c == '-'
	}
	return h[string(key)]
}

// appendTrimmed appends a value without blanks around it, and with one in place of many.
func appendTrimmed(b []byte, v string) []byte {
	v = strings.Trim(v, " \t")
	if !strings.Contains(v, "  ") {
		return append(b, v...)
	}
	for i := range len(v) {
		if v[i] != ' ' || v[i-1] != ' ' {
			b = append(b, v[i])
		}
	}
	return b
}

// appendEncoded appends s with all but the unreserved characters (RFC 3986, section
// 2.3) as %XX; in a path, / stays.
func appendEncoded(b []byte, s string, path bool) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if unreserved(c) || path && c == '/' {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

// EscapePath is a path, or the key in one, as S3 signs it: all but the unreserved
// characters and / is %XX.
func EscapePath(s string) string { return string(appendEncoded(nil, s, true)) }

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// appendQuery appends the canonical query: each name and value decoded once and encoded
// once, sorted by name and then by value. A + is a blank, as S3 and [url.ParseQuery]
// read it: what was signed is what a handler sees. Broken escapes were refused before.
func appendQuery(b []byte, raw, without string) []byte {
	if raw == "" {
		return b
	}
	type param struct{ name, value []byte }
	params := make([]param, 0, 1+strings.Count(raw, "&"))
	text := make([]byte, 0, 2*len(raw))
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if pair == "" || without != "" && name == without {
			continue
		}
		from := len(text)
		text = appendRecoded(text, name)
		mid := len(text)
		text = appendRecoded(text, value)
		params = append(params, param{text[from:mid:mid], text[mid:len(text):len(text)]})
	}
	slices.SortFunc(params, func(a, b param) int {
		if c := bytes.Compare(a.name, b.name); c != 0 {
			return c
		}
		return bytes.Compare(a.value, b.value)
	})
	for i, p := range params {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(append(append(b, p.name...), '='), p.value...)
	}
	return b
}

func appendRecoded(b []byte, s string) []byte {
	if !strings.ContainsAny(s, "%+") {
		return appendEncoded(b, s, false)
	}
	plain, err := url.QueryUnescape(s)
	if err != nil {
		plain = s
	}
	return appendEncoded(b, plain, false)
}

// checkEscapes refuses a query with a % that no two digits follow.
func checkEscapes(raw string) error {
	for i := strings.IndexByte(raw, '%'); i >= 0; {
		if len(raw) < i+3 || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
			return refuse(http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI.")
		}
		raw = raw[i+3:]
		i = strings.IndexByte(raw, '%')
	}
	return nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// appendStringToSign appends what the signing key signs of a canonical request.
func appendStringToSign(b []byte, stamp, scope string, canonical []byte) []byte {
	sum := sha256.Sum256(canonical)
	b = append(b, algorithm...)
	b = append(b, '\n')
	b = append(b, stamp...)
	b = append(b, '\n')
	b = append(b, scope...)
	b = append(b, '\n')
	return hex.AppendEncode(b, sum[:])
}
