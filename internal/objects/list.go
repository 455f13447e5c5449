package objects

import (
	"encoding/base64"
	"encoding/xml"
	"net/url"
	"strconv"
	"strings"
)

type objectElement struct {
	Key               string
	LastModified      string
	ETag              string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
	Size              int64
	Owner             *ownerElement
	StorageClass      string
}

type ownerElement struct {
	ID          string
	DisplayName string
}

type prefixElement struct{ Prefix string }

type listResult struct {
	XMLName   xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name      string
	Prefix    string
	Marker    *string `xml:",omitempty"`
	Next      string  `xml:"NextMarker,omitempty"`
	StartFrom string  `xml:"StartAfter,omitempty"`
	Token     string  `xml:"ContinuationToken,omitempty"`
	NextToken string  `xml:"NextContinuationToken,omitempty"`
	KeyCount  *int
	MaxKeys   int
	Delimiter string `xml:",omitempty"`
	Encoding  string `xml:"EncodingType,omitempty"`
	Truncated bool   `xml:"IsTruncated"`
	Contents  []objectElement
	Prefixes  []prefixElement `xml:"CommonPrefixes"`
}

// listQuery is what all lists are asked with.
type listQuery struct {
	List

	encode func(string) string // keys, where encoding-type=url
	word   string              // of encoding-type
}

func readList(q *request, most string) (listQuery, error) {
	l := listQuery{encode: func(s string) string { return s }}
	l.Bucket, l.Prefix, l.Delimiter, l.Max = q.target.bucket, q.query.Get("prefix"), q.query.Get("delimiter"), MaxListed
	switch l.word = q.query.Get("encoding-type"); l.word {
	case "":
	case "url":
		l.encode = encodeKey
	default:
		return l, errEncoding.At("encoding-type")
	}
	if s := q.query.Get(most); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return l, ErrArgument.Because("must be an integer from 0 to 2147483647").At(most)
		}
		l.Max = min(n, MaxListed)
	}
	for _, text := range []string{l.Prefix, l.Delimiter} {
		if err := checkKey(text); text != "" && err != nil {
			return l, err
		}
	}
	return l, nil
}

// encodeKey is S3's encoding of keys in lists: as in queries, with the slashes kept.
func encodeKey(s string) string {
	return strings.NewReplacer("%2F", "/", "+", "%20").Replace(url.QueryEscape(s))
}

func (d *Door) listObjects(q *request) error {
	l, err := readList(q, "max-keys")
	if err != nil {
		return err
	}
	marker := q.query.Get("marker")
	l.After = marker
	page, err := d.list(q, l.List)
	if err != nil {
		return err
	}
	out := l.result(page)
	encoded := l.encode(marker)
	out.Marker = &encoded
	out.Next = l.encode(page.Next)
	out.addOwner(q.bucket)
	return q.answerXML(out)
}

func (d *Door) listObjectsV2(q *request) error {
	if q.query.Get("list-type") != "2" {
		return ErrArgument.Because("must be 2").At("list-type")
	}
	l, err := readList(q, "max-keys")
	if err != nil {
		return err
	}
	start, token := q.query.Get("start-after"), q.query.Get("continuation-token")
	if l.After = start; token != "" {
		if l.After, err = readToken(token); err != nil {
			return err
		}
	}
	page, err := d.list(q, l.List)
	if err != nil {
		return err
	}
	out := l.result(page)
	count := len(page.Objects) + len(page.Prefixes)
	out.KeyCount, out.StartFrom, out.Token = &count, l.encode(start), token
	if page.Next != "" {
		out.NextToken = writeToken(page.Next)
	}
	if q.query.Get("fetch-owner") == "true" {
		out.addOwner(q.bucket)
	}
	return q.answerXML(out)
}

// list returns a page; of none at all it asks no store.
func (d *Door) list(q *request, l List) (Listing, error) {
	if l.Max == 0 {
		return Listing{}, nil
	}
	return d.store.List(q.Context(), l)
}

func writeToken(after string) string { return base64.RawURLEncoding.EncodeToString([]byte(after)) }

func readToken(s string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = checkKey(string(b))
	}
	if err != nil {
		return "", ErrArgument.Because("The continuation token provided is incorrect").At("continuation-token")
	}
	return string(b), nil
}

func (l listQuery) result(page Listing) listResult {
	out := listResult{
		Name: l.Bucket, Prefix: l.encode(l.Prefix), MaxKeys: l.Max, Delimiter: l.encode(l.Delimiter), Encoding: l.word, Truncated: page.Next != "",
	}
	for _, o := range page.Objects {
		out.Contents = append(out.Contents, objectElement{
			Key: l.encode(o.Key), LastModified: stamp(o.Modified), ETag: quoted(o.ETag), Size: o.Size, StorageClass: "STANDARD",
			ChecksumAlgorithm: o.Checksum.Algorithm, ChecksumType: o.Checksum.Type,
		})
	}
	out.Prefixes = l.prefixes(page.Prefixes)
	return out
}

func (l listQuery) prefixes(list []string) []prefixElement {
	out := make([]prefixElement, 0, len(list))
	for _, p := range list {
		out = append(out, prefixElement{l.encode(p)})
	}
	return out
}

func (out *listResult) addOwner(b Bucket) {
	for i := range out.Contents {
		out.Contents[i].Owner = ownerOf(b)
	}
}

func ownerOf(b Bucket) *ownerElement { return &ownerElement{ID: b.Owner, DisplayName: b.Owner} }

type versionsResult struct {
	XMLName     xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListVersionsResult"`
	Name        string
	Prefix      string
	KeyMarker   string
	IDMarker    string `xml:"VersionIdMarker"`
	NextKey     string `xml:"NextKeyMarker,omitempty"`
	NextID      string `xml:"NextVersionIdMarker,omitempty"`
	MaxKeys     int
	Delimiter   string `xml:",omitempty"`
	Encoding    string `xml:"EncodingType,omitempty"`
	IsTruncated bool
	Versions    []versionElement
	Prefixes    []prefixElement `xml:"CommonPrefixes"`
}

// versionElement is a Version or a DeleteMarker: both stand in one order.
type versionElement struct {
	XMLName           xml.Name
	Key               string
	VersionID         string `xml:"VersionId"`
	IsLatest          bool
	LastModified      string
	ETag              string `xml:",omitempty"`
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
	Size              *int64
	Owner             *ownerElement
	StorageClass      string `xml:",omitempty"`
}

func (d *Door) listVersions(q *request) error {
	l, err := readList(q, "max-keys")
	if err != nil {
		return err
	}
	l.After, l.AfterID = q.query.Get("key-marker"), q.query.Get("version-id-marker")
	if l.After == "" && l.AfterID != "" {
		return ErrArgument.Because("A version-id marker cannot be specified without a key marker.").At("version-id-marker")
	}
	var page Listing
	if l.Max > 0 {
		if page, err = d.store.ListVersions(q.Context(), l.List); err != nil {
			return err
		}
	}
	out := versionsResult{
		Name: l.Bucket, Prefix: l.encode(l.Prefix), KeyMarker: l.encode(l.After), IDMarker: l.AfterID, NextKey: l.encode(page.Next), NextID: page.NextID,
		MaxKeys: l.Max, Delimiter: l.encode(l.Delimiter), Encoding: l.word, IsTruncated: page.Next != "", Prefixes: l.prefixes(page.Prefixes),
	}
	for _, o := range page.Objects {
		out.Versions = append(out.Versions, l.version(o, q.bucket))
	}
	return q.answerXML(out)
}

func (l listQuery) version(o Object, b Bucket) versionElement {
	id := o.VersionID
	if id == "" {
		id = NullVersion
	}
	e := versionElement{
		XMLName: xml.Name{Local: "DeleteMarker"}, Key: l.encode(o.Key), VersionID: id, IsLatest: o.Latest, LastModified: stamp(o.Modified), Owner: ownerOf(b),
	}
	if !o.DeleteMarker {
		e.XMLName.Local = "Version"
		e.ETag, e.Size, e.StorageClass = quoted(o.ETag), &o.Size, "STANDARD"
		e.ChecksumAlgorithm, e.ChecksumType = o.Checksum.Algorithm, o.Checksum.Type
	}
	return e
}
