package objects

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// level is what a request's address names.
type level int

const (
	service level = iota // all buckets
	bucket
	object
)

// target is what a request's address names.
type target struct {
	bucket string
	key    string
}

func (t target) level() level {
	switch {
	case t.bucket == "":
		return service
	case t.key == "":
		return bucket
	default:
		return object
	}
}

// readTarget reads the address of a request: /bucket/key, or /key where Host is a
// bucket's name under one of hosts. The path is decoded once and never cleaned: "//",
// "." and ".." are legal in keys. The host is the one that the client signed: where a
// trusted proxy changed it, Host might name another bucket.
func readTarget(r *http.Request, host string, hosts []string) (target, error) {
	path, found := strings.CutPrefix(r.URL.EscapedPath(), "/")
	if !found && path != "" {
		return target{}, ErrArgument.Because("the address has no path")
	}
	name := bucketOfHost(host, hosts)
	if name == "" {
		var rest string
		name, rest, _ = strings.Cut(path, "/")
		path = rest
	}
	name, err := url.PathUnescape(name)
	if err != nil {
		return target{}, errURI
	}
	key, err := url.PathUnescape(path)
	if err != nil {
		return target{}, errURI
	}
	if (name != "" || path != "") && !goodBucketName(name) {
		return target{}, ErrBucketName
	}
	if err := checkKey(key); key != "" && err != nil {
		return target{}, err
	}
	return target{bucket: name, key: key}, nil
}

func bucketOfHost(host string, hosts []string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	for _, h := range hosts {
		if name, ok := strings.CutSuffix(strings.ToLower(host), "."+h); ok {
			return name
		}
	}
	return ""
}

// checkKey returns nil where an object may have the key: 1 to MaxKeyLength bytes of
// UTF-8 without NUL, which no database keeps.
func checkKey(key string) error {
	switch {
	case key == "":
		return ErrArgument.Because("the key is empty")
	case len(key) > MaxKeyLength:
		return ErrKeyTooLong
	case !utf8.ValidString(key), strings.ContainsRune(key, 0):
		return ErrArgument.Because("the key is not UTF-8 without NUL")
	}
	return nil
}

// goodBucketName is the rule of S3 for general purpose buckets ("Bucket naming rules").
func goodBucketName(name string) bool {
	if len(name) < 3 || len(name) > 63 || strings.Contains(name, "..") || net.ParseIP(name) != nil {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || i == len(name)-1 || c != '-' && c != '.') {
			return false
		}
	}
	return !strings.HasPrefix(name, "xn--")
}
