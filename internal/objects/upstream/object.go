package upstream

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"signet/internal/objects"
	"signet/internal/sigv4"
)

const metaPrefix = "X-Amz-Meta-"

// say writes what a client said of an object.
func say(h http.Header, a objects.Attributes) {
	for name, value := range map[string]string{
		"Content-Type": a.ContentType, "Cache-Control": a.CacheControl, "Content-Disposition": a.ContentDisposition,
		"Content-Encoding": a.ContentEncoding, "Content-Language": a.ContentLanguage, "Expires": a.Expires,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	for name, value := range a.Meta {
		h.Set(metaPrefix+name, value)
	}
	sayTags(h, a.Tags)
}

func sayTags(h http.Header, tags []objects.Tag) {
	if len(tags) == 0 {
		return
	}
	v := url.Values{}
	for _, t := range tags {
		v.Set(t.Key, t.Value)
	}
	h.Set("X-Amz-Tagging", v.Encode())
}

// conditions writes preconditions; prefix is that of those on a copy's source.
func conditions(h http.Header, prefix string, c objects.Conditions) {
	if c.IfMatch != "" {
		h.Set(prefix+"If-Match", c.IfMatch)
	}
	if c.IfNoneMatch != "" {
		h.Set(prefix+"If-None-Match", c.IfNoneMatch)
	}
	for name, at := range map[string]time.Time{"If-Modified-Since": c.IfModifiedSince, "If-Unmodified-Since": c.IfUnmodifiedSince} {
		if !at.IsZero() {
			h.Set(prefix+name, at.UTC().Format(http.TimeFormat))
		}
	}
}

// Put implements [objects.Store].
func (s *Store) Put(ctx context.Context, p objects.Put) (objects.Object, error) {
	c := call{method: http.MethodPut, bucket: p.Bucket, key: p.Key, header: http.Header{}}
	say(c.header, p.Attributes)
	conditions(c.header, "", p.Conditions)
	h, size, err := s.send(ctx, c, p.Body)
	if err != nil {
		return objects.Object{}, err
	}
	o := objects.Object{Attributes: p.Attributes, Bucket: p.Bucket, Key: p.Key, Size: size, ETag: unquote(h.Get("Etag")), VersionID: h.Get("X-Amz-Version-Id"), Modified: s.o.Now()}
	if sums := p.Body.Checksums(); len(sums) > 0 {
		o.Checksum = sums[0]
	}
	return o, nil
}

// send streams a body. S3 wants its length first: a body that does not say is written
// to a file before.
func (s *Store) send(ctx context.Context, c call, b objects.Body) (http.Header, int64, error) {
	c.body, c.length = io.NopCloser(b), b.Length()
	if c.length < 0 {
		f, n, err := spool(b)
		if err != nil {
			return nil, 0, err
		}
		defer f.Close()
		c.body, c.length = f, n
	}
	if c.length == 0 { // nothing is sent, but the proof of nothing must hold, too
		if _, err := io.Copy(io.Discard, b); err != nil {
			return nil, 0, err
		}
	}
	h, err := s.ask(ctx, c, nil)
	return h, c.length, err
}

// spool keeps a body in a file that is gone once it is closed.
func spool(b io.Reader) (f *os.File, n int64, err error) {
	if f, err = os.CreateTemp("", "signet-form-*"); err != nil {
		return nil, 0, err
	}
	if err = os.Remove(f.Name()); err == nil {
		n, err = io.Copy(f, b)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, n, nil
}

// Get implements [objects.Store].
func (s *Store) Get(ctx context.Context, g objects.Get) (*objects.Content, error) {
	return s.read(ctx, http.MethodGet, g)
}

// Head implements [objects.Store].
func (s *Store) Head(ctx context.Context, g objects.Get) (*objects.Content, error) {
	c, err := s.read(ctx, http.MethodHead, g)
	if c != nil && c.Body != nil {
		err = errors.Join(err, c.Body.Close())
		c.Body = nil
	}
	return c, err
}

func (s *Store) read(ctx context.Context, method string, g objects.Get) (*objects.Content, error) {
	c := call{method: method, bucket: g.Bucket, key: g.Key, query: version(g.Ref), header: http.Header{}}
	conditions(c.header, "", g.Conditions)
	if g.Range != nil {
		c.header.Set("Range", rangeOf(*g.Range))
	}
	if g.Part > 0 {
		c.query.Set("partNumber", strconv.Itoa(g.Part))
	}
	resp, err := s.do(ctx, c) //nolint:bodyclose // the content's reader closes it
	if resp != nil && resp.Header.Get("X-Amz-Delete-Marker") == "true" {
		return &objects.Content{Object: objects.Object{Bucket: g.Bucket, Key: g.Key, VersionID: resp.Header.Get("X-Amz-Version-Id"), DeleteMarker: true}}, nil
	}
	if errors.Is(err, objects.ErrNotModified) {
		return &objects.Content{Object: objectOf(g.Ref, resp)}, err
	}
	if err != nil {
		return nil, err
	}
	out := &objects.Content{Object: objectOf(g.Ref, resp), Length: resp.ContentLength, Body: resp.Body}
	out.Size = resp.ContentLength
	if first, whole, ok := contentRange(resp.Header.Get("Content-Range")); ok && resp.StatusCode == http.StatusPartialContent {
		out.Partial, out.First, out.Size = true, first, whole
	}
	return out, nil
}

// version is the query that names a version.
func version(r objects.Ref) url.Values {
	v := url.Values{}
	if r.VersionID != "" {
		v.Set("versionId", r.VersionID)
	}
	return v
}

func rangeOf(r objects.Range) string {
	switch {
	case r.First < 0:
		return "bytes=" + strconv.FormatInt(r.First, 10)
	case r.Last < 0:
		return "bytes=" + strconv.FormatInt(r.First, 10) + "-"
	}
	return "bytes=" + strconv.FormatInt(r.First, 10) + "-" + strconv.FormatInt(r.Last, 10)
}

// contentRange reads Content-Range (RFC 9110, section 14.4).
func contentRange(s string) (first, whole int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	span, size, both := strings.Cut(s, "/")
	begin, _, dash := strings.Cut(span, "-")
	first, err := strconv.ParseInt(begin, 10, 64)
	whole, err2 := strconv.ParseInt(size, 10, 64)
	return first, whole, ok && both && dash && err == nil && err2 == nil
}

func objectOf(r objects.Ref, resp *http.Response) objects.Object {
	h := resp.Header
	o := objects.Object{
		Bucket: r.Bucket, Key: r.Key, VersionID: h.Get("X-Amz-Version-Id"), ETag: unquote(h.Get("Etag")),
		Attributes: objects.Attributes{
			ContentType: h.Get("Content-Type"), CacheControl: h.Get("Cache-Control"), ContentDisposition: h.Get("Content-Disposition"),
			ContentEncoding: h.Get("Content-Encoding"), ContentLanguage: h.Get("Content-Language"), Expires: h.Get("Expires"),
		},
	}
	o.Modified, _ = http.ParseTime(h.Get("Last-Modified"))
	o.Parts, _ = strconv.Atoi(h.Get("X-Amz-Mp-Parts-Count"))
	for name, values := range h {
		if rest, ok := strings.CutPrefix(name, metaPrefix); ok {
			if o.Meta == nil {
				o.Meta = map[string]string{}
			}
			o.Meta[strings.ToLower(rest)] = strings.Join(values, ",")
		}
	}
	if n, _ := strconv.Atoi(h.Get("X-Amz-Tagging-Count")); n > 0 && n <= 10 {
		o.Tags = make([]objects.Tag, n) // how many is all that this answer tells
	}
	return o
}

func unquote(etag string) string { return strings.Trim(etag, `"`) }

type copyDocument struct {
	LastModified time.Time
	ETag         string
}

// source is x-amz-copy-source.
func source(r objects.Ref) string {
	s := "/" + r.Bucket + "/" + sigv4.EscapePath(r.Key)
	if r.VersionID != "" {
		s += "?versionId=" + url.QueryEscape(r.VersionID)
	}
	return s
}

// Copy implements [objects.Store].
func (s *Store) Copy(ctx context.Context, c objects.Copy) (objects.Object, error) {
	if err := checkKey(c.Source.Key); err != nil {
		return objects.Object{}, err
	}
	out := call{method: http.MethodPut, bucket: c.Bucket, key: c.Key, header: http.Header{"X-Amz-Copy-Source": {source(c.Source)}}}
	conditions(out.header, "X-Amz-Copy-Source-", c.Conditions)
	if c.Attributes != nil {
		a := *c.Attributes
		a.Tags = nil
		say(out.header, a)
		out.header.Set("X-Amz-Metadata-Directive", "REPLACE")
	}
	if c.Tags != nil {
		sayTags(out.header, *c.Tags)
		out.header.Set("X-Amz-Tagging-Directive", "REPLACE")
	}
	var doc copyDocument
	h, err := s.ask(ctx, out, &doc)
	return objects.Object{Bucket: c.Bucket, Key: c.Key, ETag: unquote(doc.ETag), Modified: doc.LastModified, VersionID: h.Get("X-Amz-Version-Id")}, err
}

// Delete implements [objects.Store].
func (s *Store) Delete(ctx context.Context, r objects.Ref, c objects.Conditions) (objects.Deleted, error) {
	out := call{method: http.MethodDelete, bucket: r.Bucket, key: r.Key, query: version(r), header: http.Header{}}
	conditions(out.header, "", c)
	h, err := s.ask(ctx, out, nil)
	if errors.Is(err, objects.ErrNoSuchKey) {
		return objects.Deleted{}, nil
	}
	return objects.Deleted{VersionID: h.Get("X-Amz-Version-Id"), DeleteMarker: h.Get("X-Amz-Delete-Marker") == "true"}, err
}

type tagsDocument struct {
	XMLName xml.Name      `xml:"Tagging"`
	Space   string        `xml:"xmlns,attr,omitempty"`
	Tags    []objects.Tag `xml:"TagSet>Tag"`
}

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// Tags implements [objects.Store].
func (s *Store) Tags(ctx context.Context, r objects.Ref) ([]objects.Tag, string, error) {
	q := version(r)
	q.Set("tagging", "")
	var doc tagsDocument
	h, err := s.ask(ctx, call{method: http.MethodGet, bucket: r.Bucket, key: r.Key, query: q}, &doc)
	return doc.Tags, h.Get("X-Amz-Version-Id"), err
}

// SetTags implements [objects.Store].
func (s *Store) SetTags(ctx context.Context, r objects.Ref, tags []objects.Tag) (string, error) {
	c := call{method: http.MethodPut, bucket: r.Bucket, key: r.Key, query: version(r)}
	c.query.Set("tagging", "")
	c, err := sendXML(c, tagsDocument{Space: namespace, Tags: tags})
	if err != nil {
		return "", err
	}
	h, err := s.ask(ctx, c, nil)
	return h.Get("X-Amz-Version-Id"), err
}
