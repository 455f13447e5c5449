package upstream

import (
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"signet/internal/objects"
)

type entry struct {
	XMLName      xml.Name
	Key          string
	VersionID    string `xml:"VersionId"`
	IsLatest     bool
	LastModified time.Time
	ETag         string
	Size         int64
}

type prefixEntry struct{ Prefix string }

// pageQuery is what all lists ask. Keys come back encoded: XML cannot carry every one.
func pageQuery(l objects.List, most string) url.Values {
	q := url.Values{"encoding-type": {"url"}, most: {strconv.Itoa(l.Max)}}
	if l.Prefix != "" {
		q.Set("prefix", l.Prefix)
	}
	if l.Delimiter != "" {
		q.Set("delimiter", l.Delimiter)
	}
	return q
}

// decoder reads what a service encoded, where it says that it did.
type decoder struct{ encoded bool }

func (d decoder) text(s string) (string, error) {
	if !d.encoded {
		return s, nil
	}
	return url.QueryUnescape(s)
}

func (d decoder) prefixes(list []prefixEntry) (all []string, err error) {
	for _, p := range list {
		s, err := d.text(p.Prefix)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func (d decoder) object(bucket string, e entry) (objects.Object, error) {
	key, err := d.text(e.Key)
	return objects.Object{
		Bucket: bucket, Key: key, VersionID: e.VersionID, Size: e.Size, ETag: unquote(e.ETag), Modified: e.LastModified,
		Latest: e.IsLatest, DeleteMarker: e.XMLName.Local == "DeleteMarker",
	}, err
}

// List implements [objects.Store].
func (s *Store) List(ctx context.Context, l objects.List) (page objects.Listing, err error) {
	q := pageQuery(l, "max-keys")
	q.Set("list-type", "2")
	if l.After != "" {
		q.Set("start-after", behind(l))
	}
	var doc struct {
		IsTruncated  bool
		EncodingType string
		Contents     []entry
		Prefixes     []prefixEntry `xml:"CommonPrefixes"`
	}
	if _, err := s.ask(ctx, call{method: http.MethodGet, bucket: l.Bucket, query: q}, &doc); err != nil {
		return page, noBucket(err)
	}
	d := decoder{doc.EncodingType == "url"}
	for _, e := range doc.Contents {
		o, err := d.object(l.Bucket, e)
		if err != nil {
			return page, err
		}
		page.Objects = append(page.Objects, o)
	}
	if page.Prefixes, err = d.prefixes(doc.Prefixes); err != nil {
		return page, err
	}
	if doc.IsTruncated {
		page.Next = last(page)
	}
	return page, nil
}

// behind is where a list goes on. After a common prefix that is behind all keys below it:
// asked to start after the prefix itself, services begin with it again.
func behind(l objects.List) string {
	rest, ok := strings.CutPrefix(l.After, l.Prefix)
	if ok && l.Delimiter != "" && strings.Index(rest, l.Delimiter) == len(rest)-len(l.Delimiter) {
		return l.After + string(utf8.MaxRune)
	}
	return l.After
}

// last is the greatest key or prefix of a page: where the next one begins.
func last(p objects.Listing) string {
	var end string
	if n := len(p.Objects); n > 0 {
		end = p.Objects[n-1].Key
	}
	if n := len(p.Prefixes); n > 0 {
		end = max(end, p.Prefixes[n-1])
	}
	return end
}

// ListVersions implements [objects.Store].
func (s *Store) ListVersions(ctx context.Context, l objects.List) (page objects.Listing, err error) {
	q := pageQuery(l, "max-keys")
	q.Set("versions", "")
	if l.After != "" {
		q.Set("key-marker", l.After)
	}
	if l.AfterID != "" {
		q.Set("version-id-marker", l.AfterID)
	}
	var doc struct {
		IsTruncated  bool
		EncodingType string
		NextKey      string        `xml:"NextKeyMarker"`
		NextID       string        `xml:"NextVersionIdMarker"`
		Prefixes     []prefixEntry `xml:"CommonPrefixes"`
		Entries      []entry       `xml:",any"`
	}
	if _, err := s.ask(ctx, call{method: http.MethodGet, bucket: l.Bucket, query: q}, &doc); err != nil {
		return page, noBucket(err)
	}
	d := decoder{doc.EncodingType == "url"}
	for _, e := range doc.Entries {
		if e.XMLName.Local != "Version" && e.XMLName.Local != "DeleteMarker" {
			continue
		}
		o, err := d.object(l.Bucket, e)
		if err != nil {
			return page, err
		}
		page.Objects = append(page.Objects, o)
	}
	if page.Prefixes, err = d.prefixes(doc.Prefixes); err != nil || !doc.IsTruncated {
		return page, err
	}
	page.NextID = doc.NextID
	page.Next, err = d.text(doc.NextKey)
	return page, err
}
