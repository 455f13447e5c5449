package objects

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"signet/internal/sigv4"
)

const (
	metaPrefix  = "X-Amz-Meta-"
	maxMeta     = 2 << 10 // bytes of names and values, as S3's
	maxTags     = 10
	maxTagKey   = 128 // characters
	maxTagValue = 256

	defaultType = "binary/octet-stream"
)

// refused are the headers whose meaning the door has not. Ignoring them would be a
// silent success: an object that is not encrypted, locked or forwarded as was asked.
var refused = []string{
	"X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "X-Amz-Server-Side-Encryption-Context",
	"X-Amz-Server-Side-Encryption-Customer-Algorithm", "X-Amz-Server-Side-Encryption-Customer-Key",
	"X-Amz-Copy-Source-Server-Side-Encryption-Customer-Algorithm",
	"X-Amz-Object-Lock-Mode", "X-Amz-Object-Lock-Retain-Until-Date", "X-Amz-Object-Lock-Legal-Hold", "X-Amz-Bucket-Object-Lock-Enabled",
	"X-Amz-Website-Redirect-Location", "X-Amz-Write-Offset-Bytes",
}

var grants = []string{"X-Amz-Grant-Full-Control", "X-Amz-Grant-Read", "X-Amz-Grant-Read-Acp", "X-Amz-Grant-Write", "X-Amz-Grant-Write-Acp"}

// readAttributes reads what a request says of the object that it writes.
func readAttributes(h http.Header) (Attributes, error) {
	a := Attributes{
		ContentType: cmp.Or(h.Get("Content-Type"), defaultType), CacheControl: h.Get("Cache-Control"),
		ContentDisposition: h.Get("Content-Disposition"), ContentEncoding: sigv4.ContentEncoding(h),
		ContentLanguage: h.Get("Content-Language"), Expires: h.Get("Expires"),
	}
	if err := onlyKnown(h); err != nil {
		return a, err
	}
	size := 0
	for name, values := range h {
		if rest, ok := strings.CutPrefix(name, metaPrefix); ok && rest != "" {
			if a.Meta == nil {
				a.Meta = map[string]string{}
			}
			value := strings.Join(values, ",")
			a.Meta[strings.ToLower(rest)] = value
			size += len(rest) + len(value)
		}
	}
	if size > maxMeta {
		return a, ErrMetaTooLarge
	}
	for _, text := range append(mapValues(a.Meta), a.ContentType, a.CacheControl, a.ContentDisposition, a.ContentEncoding, a.ContentLanguage, a.Expires) {
		if !utf8.ValidString(text) {
			return a, ErrArgument.Because("headers must be UTF-8")
		}
	}
	var err error
	a.Tags, err = readTagHeader(h.Get("X-Amz-Tagging"))
	return a, err
}

func mapValues(m map[string]string) []string {
	all := make([]string, 0, len(m)+6)
	for k, v := range m {
		all = append(all, k, v)
	}
	return all
}

// onlyKnown refuses headers that ask for what the door cannot do.
func onlyKnown(h http.Header) error {
	for _, name := range refused {
		if h.Get(name) != "" {
			return errHeader.At(strings.ToLower(name))
		}
	}
	for _, name := range grants {
		if h.Get(name) != "" {
			return ErrNoACL
		}
	}
	switch h.Get("X-Amz-Acl") {
	case "", "private", "bucket-owner-full-control", "bucket-owner-read": // what objects are anyhow
	default:
		return ErrNoACL.Because("open the bucket, or share the object by a presigned link")
	}
	if c := h.Get("X-Amz-Storage-Class"); c != "" && c != "STANDARD" {
		return errStorageClass
	}
	return nil
}

// readTagHeader reads tags in the form of a query (x-amz-tagging).
func readTagHeader(s string) ([]Tag, error) {
	if s == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(s)
	if err != nil {
		return nil, ErrArgument.Because("x-amz-tagging is not URL-encoded").At("x-amz-tagging")
	}
	var tags []Tag
	for k, list := range values {
		for _, v := range list {
			tags = append(tags, Tag{k, v})
		}
	}
	return tags, checkTags(tags)
}

// checkTags holds tags to S3's rules, and puts them into the order of their keys.
func checkTags(tags []Tag) error {
	slices.SortFunc(tags, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
	if len(tags) > maxTags {
		return errManyTags
	}
	for i, t := range tags {
		switch {
		case !goodTag(t.Key, 1, maxTagKey), strings.HasPrefix(t.Key, "aws:"):
			return ErrInvalidTag.Because("a key has 1 to 128 letters, digits, spaces and + - = . _ : / @, and does not begin with aws:")
		case !goodTag(t.Value, 0, maxTagValue):
			return ErrInvalidTag.Because("a value has up to 256 letters, digits, spaces and + - = . _ : / @")
		case i > 0 && tags[i-1].Key == t.Key:
			return ErrInvalidTag.Because("Cannot provide multiple Tags with the same key")
		}
	}
	return nil
}

func goodTag(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	if n < least || n > most || !utf8.ValidString(s) {
		return false
	}
	for _, c := range s {
		if !unicode.IsLetter(c) && !unicode.IsNumber(c) && !strings.ContainsRune(" +-=._:/@", c) {
			return false
		}
	}
	return true
}

// overrides are the parameters that change a header of the answer to GET.
var overrides = map[string]string{
	"response-content-type": "Content-Type", "response-content-language": "Content-Language", "response-expires": "Expires",
	"response-cache-control": "Cache-Control", "response-content-disposition": "Content-Disposition", "response-content-encoding": "Content-Encoding",
}

// writeAttributes sets the headers of an object's answer.
func (q *request) writeAttributes(o Object) error {
	h := q.w.Header()
	h.Del("Cache-Control") // the listener's for its own answers; this one is the owner's to say
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{value}
		}
	}
	set("Content-Type", cmp.Or(o.ContentType, defaultType))
	set("Cache-Control", o.CacheControl)
	set("Content-Disposition", o.ContentDisposition)
	set("Content-Encoding", o.ContentEncoding)
	set("Content-Language", o.ContentLanguage)
	set("Expires", o.Expires)
	h["Etag"] = []string{quoted(o.ETag)}
	h["Last-Modified"] = []string{o.Modified.UTC().Format(http.TimeFormat)}
	h["Accept-Ranges"] = []string{"bytes"}
	h["Content-Security-Policy"] = []string{"sandbox"}
	for name, value := range o.Meta {
		h["x-amz-meta-"+name] = []string{value} // in lower case, as S3: clients take the names as they come
	}
	if len(o.Tags) > 0 {
		h["X-Amz-Tagging-Count"] = []string{strconv.Itoa(len(o.Tags))}
	}
	q.writeVersion(o.VersionID)
	for name := range q.query {
		header, ok := overrides[name]
		if !ok {
			continue
		}
		if !q.signed {
			return errResponseHeader
		}
		value := q.query.Get(name)
		if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return ErrArgument.At(name)
		}
		h[header] = []string{value}
	}
	return nil
}

func (q *request) writeVersion(id string) {
	if id != "" {
		q.w.Header()["X-Amz-Version-Id"] = []string{id}
	}
}

// writeNew names the version that a write made. While versioning is suspended there is
// none to name, as S3 has it.
func (q *request) writeNew(id string) {
	if id != NullVersion {
		q.writeVersion(id)
	}
}

// writeChecksum names the checksum of a whole object.
func (q *request) writeChecksum(c Checksum) {
	if c.Algorithm == "" {
		return
	}
	h := q.w.Header()
	h.Set("X-Amz-Checksum-"+c.Algorithm, c.Value)
	h.Set("X-Amz-Checksum-Type", cmp.Or(c.Type, "FULL_OBJECT"))
}

func quoted(etag string) string { return `"` + etag + `"` }

// readConditions reads the preconditions of a request; prefix is x-amz-copy-source- for
// those on the source of a copy.
func readConditions(h http.Header, prefix string) Conditions {
	c := Conditions{IfMatch: h.Get(prefix + "If-Match"), IfNoneMatch: h.Get(prefix + "If-None-Match")}
	// A date that cannot be read is none (RFC 9110, section 13.1.3).
	c.IfModifiedSince, _ = http.ParseTime(h.Get(prefix + "If-Modified-Since"))
	c.IfUnmodifiedSince, _ = http.ParseTime(h.Get(prefix + "If-Unmodified-Since"))
	return c
}

// readRange reads Range (RFC 9110, section 14.2). One range is served; what else it
// says is ignored, as S3 does, and the answer is the whole.
func readRange(s string) *Range {
	spec, ok := strings.CutPrefix(s, "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return nil
	}
	first, last, ok := strings.Cut(spec, "-")
	if !ok {
		return nil
	}
	if first == "" {
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil || n < 0 {
			return nil
		}
		if n == 0 {
			return &Range{First: maxOffset, Last: -1} // a suffix of nothing cannot be had
		}
		return &Range{First: -n, Last: -1}
	}
	r := Range{Last: -1}
	var err error
	if r.First, err = strconv.ParseInt(first, 10, 64); err != nil || r.First < 0 {
		return nil
	}
	if last != "" {
		if r.Last, err = strconv.ParseInt(last, 10, 64); err != nil || r.Last < r.First {
			return nil
		}
	}
	return &r
}

const maxOffset = 1<<63 - 1

// stamp is a time in documents: UTC with milliseconds (ISO 8601).
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
