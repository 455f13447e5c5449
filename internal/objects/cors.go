package objects

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxCORS is how many rules a bucket may have, as S3's.
const maxCORS = 100

var corsMethods = []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodHead}

type corsDocument struct {
	XMLName xml.Name   `xml:"CORSConfiguration"`
	Space   string     `xml:"xmlns,attr,omitempty"`
	Rules   []corsRule `xml:"CORSRule"`
}

type corsRule struct {
	ID      string   `xml:",omitempty"`
	Headers []string `xml:"AllowedHeader"`
	Methods []string `xml:"AllowedMethod"`
	Origins []string `xml:"AllowedOrigin"`
	Expose  []string `xml:"ExposeHeader"`
	MaxAge  int      `xml:"MaxAgeSeconds,omitempty"`
}

func (d *Door) getCORS(q *request) error {
	if q.bucket.CORS == "" {
		return ErrNoSuchCORS
	}
	return q.answerXML(corsDocument{Space: namespace, Rules: q.bucket.rules()})
}

func (d *Door) putCORS(q *request) error {
	var in corsDocument
	if err := q.readXML(&in); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	text, err := json.Marshal(in.Rules)
	if err != nil {
		return err
	}
	return d.set(q, http.StatusOK, Setting{Action: "objects.put_cors", Apply: func(b *Bucket) { b.CORS = string(text) }})
}

func (d *Door) deleteCORS(q *request) error {
	return d.set(q, http.StatusNoContent, Setting{Action: "objects.delete_cors", Apply: func(b *Bucket) { b.CORS = "" }})
}

// rules are those of CORS.
func (b Bucket) rules() []corsRule {
	if b.CORS == "" {
		return nil
	}
	var all []corsRule
	_ = json.Unmarshal([]byte(b.CORS), &all) // it was read before it was kept
	return all
}

func (doc corsDocument) check() error {
	if len(doc.Rules) == 0 || len(doc.Rules) > maxCORS {
		return ErrMalformedXML.Because("it must have 1 to 100 rules")
	}
	for _, r := range doc.Rules {
		if len(r.Methods) == 0 || len(r.Origins) == 0 {
			return ErrMalformedXML.Because("a rule needs an AllowedMethod and an AllowedOrigin")
		}
		for _, m := range r.Methods {
			if !slices.Contains(corsMethods, m) {
				return ErrRequest.Saying("Found unsupported HTTP method in CORS config. Unsupported method is %.20q", m)
			}
		}
		for _, o := range slices.Concat(r.Origins, r.Headers) {
			if strings.Count(o, "*") > 1 {
				return ErrRequest.Saying("AllowedOrigin and AllowedHeader can not have more than one wildcard.")
			}
		}
	}
	return nil
}

// matches is a pattern of CORS: at most one * for any text.
func matches(pattern, s string) bool {
	before, after, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == s
	}
	return len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after)
}

func (r corsRule) allows(origin, method string, headers []string) bool {
	if !slices.Contains(r.Methods, method) || !slices.ContainsFunc(r.Origins, func(p string) bool { return matches(p, origin) }) {
		return false
	}
	for _, h := range headers {
		if !slices.ContainsFunc(r.Headers, func(p string) bool { return matches(strings.ToLower(p), strings.ToLower(h)) }) {
			return false
		}
	}
	return true
}

// rule is the first of a bucket's rules that allows what a browser asks.
func (b Bucket) rule(origin, method string, headers []string) *corsRule {
	if origin == "" {
		return nil
	}
	for _, r := range b.rules() {
		if r.allows(origin, method, headers) {
			return &r
		}
	}
	return nil
}

func (r corsRule) write(h http.Header, origin string) {
	if slices.Contains(r.Origins, "*") {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(r.Methods, ", "))
	if len(r.Expose) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(r.Expose, ", "))
	}
	if r.MaxAge > 0 {
		h.Set("Access-Control-Max-Age", strconv.Itoa(r.MaxAge))
	}
}

// preflight answers what a browser asks before it sends another site's request (Fetch
// standard, "CORS-preflight request"). It carries no proof.
func (d *Door) preflight(q *request) error {
	q.r.Pattern = "S3 preflight"
	q.w.Header().Add("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	origin, method := q.r.Header.Get("Origin"), q.r.Header.Get("Access-Control-Request-Method")
	switch {
	case origin == "":
		return errPreflight.Saying("Insufficient information. Origin request header needed.")
	case !slices.Contains(corsMethods, method):
		return errPreflight.Saying("Invalid Access-Control-Request-Method: %.20q", method)
	case q.target.bucket == "":
		return errCORS
	}
	b, err := d.buckets.Get(q.Context(), q.target.bucket)
	if err != nil {
		return errCORS // whether there is such a bucket, a preflight does not tell
	}
	var headers []string
	for h := range strings.SplitSeq(q.r.Header.Get("Access-Control-Request-Headers"), ",") {
		if h = strings.TrimSpace(h); h != "" {
			headers = append(headers, h)
		}
	}
	r := b.rule(origin, method, headers)
	if r == nil {
		return errCORS
	}
	r.write(q.w.Header(), origin)
	if len(headers) > 0 {
		q.w.Header().Set("Access-Control-Allow-Headers", strings.ToLower(strings.Join(headers, ", ")))
	}
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// allowOrigin lets a page of another site read the answer, where the bucket says so.
func (d *Door) allowOrigin(q *request) {
	if q.bucket.CORS == "" {
		return
	}
	q.w.Header().Add("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	origin := q.r.Header.Get("Origin")
	if r := q.bucket.rule(origin, q.r.Method, nil); r != nil {
		r.write(q.w.Header(), origin)
	}
}

// foreign reports whether a browser sends the request for a page of another site, which
// the bucket's CORS rules do not let in. Such a page must prove a key also where
// authentication is off: else any page could write to what its reader can reach.
func (d *Door) foreign(q *request) bool {
	if http.NewCrossOriginProtection().Check(q.r) == nil {
		return false
	}
	b, err := d.buckets.Get(q.Context(), q.target.bucket)
	return err != nil || b.rule(q.r.Header.Get("Origin"), q.r.Method, nil) == nil
}
