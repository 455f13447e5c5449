package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The parameters of a presigned URL.
const (
	queryAlgorithm = "X-Amz-Algorithm"
	queryScope     = "X-Amz-Credential"
	queryDate      = "X-Amz-Date"
	queryExpires   = "X-Amz-Expires"
	querySigned    = "X-Amz-SignedHeaders"
	querySignature = "X-Amz-Signature"
	querySession   = "X-Amz-Security-Token"
	queryHash      = "X-Amz-Content-Sha256"
)

// queryForm says whether a query has a signature of version 4, or of version 2.
func queryForm(raw string) (f Form, v2 bool) {
	if raw == "" {
		return None, false
	}
	if has(raw, queryAlgorithm) || has(raw, querySignature) || has(raw, queryScope) {
		return Query, false
	}
	return None, has(raw, "AWSAccessKeyId") && has(raw, "Signature")
}

func has(raw, name string) bool {
	_, ok := lookUp(raw, name)
	return ok
}

// queryClaim reads the parameters of a presigned URL, each of which may stand once.
func queryClaim(r *http.Request, o Options) (claim, error) {
	raw := r.URL.RawQuery
	c := claim{form: Query}
	var method, credential, expires string
	for _, p := range []struct {
		name string
		into *string
	}{
		{queryAlgorithm, &method},
		{queryScope, &credential},
		{queryDate, &c.stamp},
		{queryExpires, &expires},
		{querySigned, &c.signed},
		{querySignature, &c.signature},
		{querySession, &c.token},
	} {
		value, ok := lookUp(raw, p.name)
		if ok && value == "" || !ok && p.name != querySession {
			return c, needsParameters()
		}
		*p.into = value
	}
	switch {
	case method == algorithmA:
		return c, signatureV4A()
	case method != algorithm:
		return c, malformed(Query, "", `X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"`)
	case twice(raw):
		return c, malformed(Query, "", "each X-Amz parameter may stand only once.")
	}
	at, err := time.Parse(longDate, c.stamp)
	if err != nil {
		return c, malformed(Query, "", `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)
	}
	c.at = at
	if c.expires, err = lifetime(expires); err != nil {
		return c, err
	}
	return c, c.check(credential, queryScope, o)
}

func needsParameters() error {
	return malformed(Query, "", "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "+
		"X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
}

func lifetime(text string) (time.Duration, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	switch limit := int64(MaxExpires / time.Second); {
	case err != nil:
		return 0, malformed(Query, "", "X-Amz-Expires should be a number")
	case n < 0:
		return 0, malformed(Query, "", "X-Amz-Expires must be non-negative")
	case n == 0:
		return 0, malformed(Query, "", "X-Amz-Expires must be at least one second")
	case n > limit:
		return 0, malformed(Query, "", "X-Amz-Expires must be less than a week (in seconds); "+
			"that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	return time.Duration(n) * time.Second, nil
}

// lookUp returns the value of the first parameter of that name, decoded.
func lookUp(raw, name string) (string, bool) {
	for pair := range strings.SplitSeq(raw, "&") {
		value, found := strings.CutPrefix(pair, name)
		if !found || value != "" && value[0] != '=' {
			continue
		}
		value = strings.TrimPrefix(value, "=")
		if strings.ContainsAny(value, "%+") {
			if plain, err := url.QueryUnescape(value); err == nil {
				return plain, true
			}
		}
		return value, true
	}
	return "", false
}

func queryValue(raw, name string) string {
	value, _ := lookUp(raw, name)
	return value
}

// twice reports whether a parameter that is a part of the signature stands twice, or
// with escapes in its name, where two readers might take different ones.
func twice(raw string) bool {
	var seen [8]bool
	names := [8]string{queryAlgorithm, queryScope, queryDate, queryExpires, querySigned, querySignature, querySession, queryHash}
	for pair := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(pair, "=")
		escaped := strings.ContainsAny(name, "%+")
		if escaped {
			name, _ = url.QueryUnescape(name)
		}
		if i := slices.Index(names[:], name); i >= 0 {
			if seen[i] || escaped {
				return true
			}
			seen[i] = true
		}
	}
	return false
}

// lowerQuery returns the parameters with their names in lower case.
func lowerQuery(raw string) url.Values {
	lower := url.Values{}
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(value); err == nil {
			name = strings.ToLower(name)
			lower[name] = append(lower[name], plain)
		}
	}
	return lower
}
