package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
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
}

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

// headerClaim reads the header Authorization. Some clients put a comma between its
// parts, some a comma and blanks.
func headerClaim(r *http.Request, text string, o Options) (claim, error) {
	c := claim{form: Header, token: headerValue(r.Header, "x-amz-security-token")}
	scheme, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	switch scheme {
	case algorithm:
	case algorithmA:
		return c, signatureV4A()
	case "AWS":
		return c, signatureV2()
	default:
		return c, invalidArgument("Unsupported Authorization Type", "Authorization", text)
	}
	var credential string
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.Trim(part, " \t"), "=")
		var into *string
		switch name {
		case "Credential":
			into = &credential
		case "SignedHeaders":
			into = &c.signed
		case "Signature":
			into = &c.signature
		}
		if into == nil || *into != "" || value == "" {
			return c, needsParts()
		}
		*into = value
	}
	if credential == "" || c.signed == "" || c.signature == "" {
		return c, needsParts()
	}
	if err := c.readDate(r.Header); err != nil {
		return c, err
	}
	return c, c.check(credential, "", o)
}

func needsParts() error {
	return malformed(Header, "", "the authorization header requires three components: Credential, SignedHeaders, and Signature.")
}

// readDate reads the time of a request from X-Amz-Date, or else from Date.
func (c *claim) readDate(h http.Header) error {
	c.stamp = headerValue(h, "x-amz-date")
	if at, err := time.Parse(longDate, c.stamp); err == nil {
		c.at = at
		return nil
	}
	date := headerValue(h, "date")
	if at, err := time.Parse(longDate, date); err == nil && c.stamp == "" {
		c.at, c.stamp = at, date
		return nil
	}
	if at, err := http.ParseTime(date); err == nil && c.stamp == "" {
		c.at, c.stamp = at, at.UTC().Format(longDate)
		return nil
	}
	return denied("AWS authentication requires a valid Date or x-amz-date header")
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
	switch {
	case accessKeyID == "":
		return malformed(c.form, part, "a non-empty Access Key (AKID) must be provided in the credential.")
	case !isDay(date):
		return malformed(c.form, part, `incorrect date format "`+date+`". This date in the credential must be in the format "yyyyMMdd".`)
	case date != c.stamp[:len("20060102")]:
		return malformed(c.form, part, `Invalid credential date "`+date+`". This date is not the same as X-Amz-Date: "`+c.stamp[:len("20060102")]+`".`)
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
	var missing []string
	if !c.covers("host") {
		missing = append(missing, "host")
	}
	for name, values := range r.Header {
		if !isAmz(name) || c.covers(name) || c.form == Query && repeated(r.URL.RawQuery, name, values) {
			continue
		}
		missing = append(missing, strings.ToLower(name))
	}
	if missing == nil {
		return nil
	}
	slices.Sort(missing)
	return notSigned(missing)
}

func isAmz(name string) bool {
	return len(name) > len("x-amz-") && strings.EqualFold(name[:len("x-amz-")], "x-amz-")
}

// covers reports whether a header is signed.
func (c *claim) covers(name string) bool {
	for signed, rest := next(c.signed); signed != ""; signed, rest = next(rest) {
		if strings.EqualFold(signed, name) {
			return true
		}
	}
	return false
}

// repeated reports whether a header says only what the signed query says.
func repeated(raw, name string, values []string) bool {
	for pair := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(value); err == nil && strings.EqualFold(key, name) {
			return len(values) == 1 && values[0] == plain
		}
	}
	return false
}

// headerValue returns the lines of a header, joined, as they are signed.
func headerValue(h http.Header, name string) string {
	values := headerValues(h, name)
	if len(values) == 1 {
		return values[0]
	}
	return strings.Join(values, ",")
}

func (c *claim) message(r *http.Request, o Options) message {
	m := message{host: o.hostOf(r), signed: c.signed, hash: c.hashText(r)}
	if c.form == Query {
		m.without = querySignature
	}
	return m
}

// hashText returns what stands for the payload in the canonical request.
func (c *claim) hashText(r *http.Request) string {
	text := headerValue(r.Header, "x-amz-content-sha256")
	if text == "" && c.form == Query {
		text = queryValue(r.URL.RawQuery, queryHash)
	}
	if text == "" {
		return unsignedPayload
	}
	return text
}
