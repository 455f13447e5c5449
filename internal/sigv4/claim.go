package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A claim is what a request says of its own signature.
type claim struct {
	form        Form
	accessKeyID string
	scope       string // DATE/REGION/SERVICE/aws4_request
	stamp       string // the time as it was signed
	at          time.Time
	expires     time.Duration
	signed      string // names of the signed headers, with ; between them
	signature   string
	token       string
	hash        string // what stands for the payload in the canonical request
}

// claimOf reads the claim of a request, from the place where it has one.
func claimOf(r *http.Request, o Options) (claim, error) {
	if err := checkEscapes(r.URL.RawQuery); err != nil {
		return claim{}, err
	}
	header := r.Header["Authorization"]
	form, v2 := queryForm(r.URL.RawQuery)
	switch {
	case len(header) > 0 && (form == Query || v2):
		return claim{}, invalidArgument("Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "+
			"Signature query string parameter or the Authorization header should be specified",
			"Authorization", header[0])
	case len(header) > 1:
		return claim{}, malformed(Header, "", "there is more than one.")
	case len(header) == 1:
		return headerClaim(r, header[0], o)
	case form == Query:
		return queryClaim(r, o)
	case v2:
		return claim{}, signatureV2()
	}
	return claim{}, nil
}

// looseClaim reads only who a request says it is of, and never refuses it.
func looseClaim(r *http.Request) claim {
	c := claim{}
	credential := queryValue(r.URL.RawQuery, queryScope)
	if credential != "" {
		c.form = Query
	}
	if a := r.Header.Get("Authorization"); a != "" {
		c.form = Header
		_, credential, _ = strings.Cut(a, "Credential=")
	}
	c.accessKeyID, _, _ = strings.Cut(credential, "/")
	return c
}

// check reads the credential, AKID/DATE/REGION/SERVICE/aws4_request, and holds it to
// what this service is. The part is the parameter or field that it stands in.
func (c *claim) check(credential, part string, o Options) error {
	parts := strings.Count(credential, "/")
	accessKeyID, scope, _ := strings.Cut(credential, "/")
	if parts != 4 {
		return malformed(c.form, part, `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`)
	}
	date, rest, _ := strings.Cut(scope, "/")
	region, rest, _ := strings.Cut(rest, "/")
	service, end, _ := strings.Cut(rest, "/")
	day := c.stamp[:len("20060102")]
	switch {
	case accessKeyID == "":
		return malformed(c.form, part, "a non-empty Access Key (AKID) must be provided in the credential.")
	case date != day && !isDay(date):
		return malformed(c.form, part, `incorrect date format "`+date+`". This date in the credential must be in the format "yyyyMMdd".`)
	case date != day:
		return malformed(c.form, part, `Invalid credential date "`+date+`". This date is not the same as X-Amz-Date: "`+day+`".`)
	case o.Region != "" && region != o.Region:
		return wrongRegion(c.form, part, region, o.Region)
	case o.Service != "" && service != o.Service:
		return malformed(c.form, part, `incorrect service "`+service+`". This endpoint belongs to "`+o.Service+`".`)
	case end != terminal:
		return malformed(c.form, part, `incorrect terminal "`+end+`". This endpoint uses "aws4_request".`)
	}
	c.accessKeyID, c.scope = accessKeyID, scope
	if c.form != PostForm && !isHeaderList(c.signed) {
		return malformed(c.form, "", "SignedHeaders must be names in lower case, sorted, with semicolons between them.")
	}
	return nil
}

// SDKs read Region and sign again for it.
func wrongRegion(f Form, part, got, want string) error {
	return malformed(f, part, "the region '"+got+"' is wrong; expecting '"+want+"'").with("Region", want)
}

func isDay(s string) bool {
	_, err := time.Parse("20060102", s)
	return err == nil
}

// isHeaderList reports whether list is as the standard wants it, which also means that
// no header stands in it twice.
func isHeaderList(list string) bool {
	last := ""
	for name := range strings.SplitSeq(list, ";") {
		if name <= last || strings.ContainsFunc(name, notInName) {
			return false
		}
		last = name
	}
	return true
}

func notInName(r rune) bool {
	return r <= ' ' || r >= 0x7f || 'A' <= r && r <= 'Z' || r == ':' || r == ','
}

// checkTime refuses what was signed too early or too late.
func (c *claim) checkTime(now time.Time) error {
	early := c.at.Sub(now)
	switch {
	case c.form == Query && early > MaxSkew:
		return denied("Request is not valid yet").
			with("X-Amz-Date", c.stamp).with("ServerTime", now.UTC().Format(time.RFC3339))
	case c.form == Query && now.After(c.at.Add(c.expires)):
		return expired(c.at, c.expires, now)
	case c.form == Header && (early > MaxSkew || -early > MaxSkew):
		return tooSkewed(c.at, now)
	}
	return nil
}

// checkHeaders refuses a request with a header that changes what it means and that is
// not signed: host, and all x-amz-*. Those of a presigned URL may stand in its query.
func (c *claim) checkHeaders(r *http.Request) error {
	if c.coversAll(r.Header) {
		return nil
	}
	signed := strings.Split(c.signed, ";")
	var query url.Values
	if c.form == Query {
		query = lowerQuery(r.URL.RawQuery)
	}
	var missing []string
	if _, ok := slices.BinarySearch(signed, "host"); !ok {
		missing = append(missing, "host")
	}
	for name, values := range r.Header {
		lower := strings.ToLower(name)
		_, ok := slices.BinarySearch(signed, lower)
		if !ok && isAmz(name) && !slices.Equal(query[lower], values) {
			missing = append(missing, lower)
		}
	}
	if missing == nil {
		return nil
	}
	slices.Sort(missing)
	return notSigned(missing)
}

// coversAll reports whether host and all x-amz-* headers are signed. It counts: names
// are in the list once each, and in the request too.
func (c *claim) coversAll(h http.Header) bool {
	host, left := false, 0
	for name := range h {
		if isAmz(name) {
			left++
		}
	}
	for name, rest := next(c.signed); name != ""; name, rest = next(rest) {
		switch {
		case name == "host":
			host = true
		case isAmz(name) && headerValues(h, name) != nil:
			left--
		}
	}
	return host && left == 0
}

// isAmz reports whether a header is one of AWS, which says what a request means.
func isAmz(name string) bool {
	return len(name) > len("x-amz-") && strings.EqualFold(name[:len("x-amz-")], "x-amz-")
}

func (c *claim) message(r *http.Request, o Options) message {
	m := message{host: o.hostOf(r), signed: c.signed, hash: c.hash}
	if c.form == Query {
		m.without = querySignature
	}
	return m
}
