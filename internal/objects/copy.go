package objects

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

type copyResult struct {
	XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CopyObjectResult"`
	LastModified string
	ETag         string
	checksumElements
}

// checksumElements are the checksums of documents.
type checksumElements struct {
	ChecksumCRC32     string `xml:",omitempty"`
	ChecksumCRC32C    string `xml:",omitempty"`
	ChecksumCRC64NVME string `xml:",omitempty"`
	ChecksumSHA1      string `xml:",omitempty"`
	ChecksumSHA256    string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

func elementsOf(c Checksum) checksumElements {
	e := checksumElements{ChecksumType: c.Type}
	for _, f := range e.fields() {
		if f.algorithm == c.Algorithm {
			*f.value = c.Value
		}
	}
	return e
}

type checksumField struct {
	algorithm string
	value     *string
}

func (e *checksumElements) fields() []checksumField {
	return []checksumField{
		{"CRC32", &e.ChecksumCRC32},
		{"CRC32C", &e.ChecksumCRC32C},
		{"CRC64NVME", &e.ChecksumCRC64NVME},
		{"SHA1", &e.ChecksumSHA1},
		{"SHA256", &e.ChecksumSHA256},
	}
}

// only is the one checksum that e names, if any.
func (e checksumElements) only() (c Checksum, err error) {
	for _, f := range e.fields() {
		if *f.value == "" {
			continue
		}
		if c.Algorithm != "" {
			return c, ErrRequest.Saying("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		c = Checksum{Algorithm: f.algorithm, Value: *f.value, Type: e.ChecksumType}
	}
	return c, nil
}

func (d *Door) copyObject(q *request) error {
	source, err := d.copySource(q)
	if err != nil {
		return err
	}
	c := Copy{Source: source, Conditions: readConditions(q.r.Header, "X-Amz-Copy-Source-"), Bucket: q.target.bucket, Key: q.key}
	if err := d.copyAttributes(q, &c); err != nil {
		return err
	}
	if c.Checksum, err = readAlgorithm(q.r.Header.Get("X-Amz-Checksum-Algorithm")); err != nil {
		return err
	}
	if source == (Ref{q.target.bucket, q.key, ""}) && c.Attributes == nil {
		return ErrRequest.Saying("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata")
	}
	o, err := d.store.Copy(q.Context(), c)
	if err != nil {
		return err
	}
	q.writeNew(o.VersionID)
	if source.VersionID != "" {
		q.w.Header().Set("X-Amz-Copy-Source-Version-Id", source.VersionID)
	}
	return q.answerXML(copyResult{LastModified: stamp(o.Modified), ETag: quoted(o.ETag), checksumElements: elementsOf(o.Checksum)})
}

// copyAttributes reads what the copy shall not have from its source.
func (d *Door) copyAttributes(q *request, c *Copy) error {
	a, err := readAttributes(q.r.Header)
	if err != nil {
		return err
	}
	replace, err := directive(q.r.Header, "X-Amz-Metadata-Directive")
	if err != nil {
		return err
	}
	if replace {
		c.Attributes = &a
	}
	if replace, err = directive(q.r.Header, "X-Amz-Tagging-Directive"); err != nil || !replace {
		return err
	}
	c.Tags = &a.Tags
	return d.mayTag(q)
}

func directive(h http.Header, name string) (replace bool, err error) {
	switch h.Get(name) {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	}
	return false, ErrArgument.Because("must be COPY or REPLACE").At(strings.ToLower(name))
}

// copySource reads x-amz-copy-source, and asks whether the caller may read it: the
// address of the request names only where the copy goes.
func (d *Door) copySource(q *request) (Ref, error) {
	s := q.r.Header.Get("X-Amz-Copy-Source")
	path, query, _ := strings.Cut(s, "?")
	var version string
	if query != "" {
		name, value, _ := strings.Cut(query, "=")
		value, err := url.QueryUnescape(value)
		if name != "versionId" || value == "" || err != nil {
			return Ref{}, errCopySource
		}
		version = value
	}
	path, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	if err != nil {
		return Ref{}, errCopySource
	}
	name, key, ok := strings.Cut(path, "/")
	if !ok || key == "" || !goodBucketName(name) {
		return Ref{}, errCopySource
	}
	if err := checkKey(key); err != nil {
		return Ref{}, err
	}
	from, err := d.buckets.Get(q.Context(), name)
	if err != nil {
		return Ref{}, err
	}
	if want := q.r.Header.Get("X-Amz-Source-Expected-Bucket-Owner"); want != "" && want != from.Account {
		return Ref{}, ErrAccessDenied
	}
	read := &operation{action: "s3:GetObject", needs: Read, level: object}
	return Ref{name, key, version}, d.may(q, read, from, key, version)
}

// readAlgorithm reads the name of a checksum's algorithm.
func readAlgorithm(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	var e checksumElements
	for _, f := range e.fields() {
		if strings.EqualFold(f.algorithm, s) {
			return f.algorithm, nil
		}
	}
	return "", ErrRequest.Saying("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
}

// partNumber reads the number of a part.
func partNumber(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > MaxParts {
		return 0, ErrPartNumber.At("partNumber")
	}
	return n, nil
}
