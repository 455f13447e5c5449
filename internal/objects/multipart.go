package objects

import (
	"cmp"
	"encoding/xml"
	"strconv"
	"strings"
)

type initiateResult struct {
	XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
	Bucket   string
	Key      string
	UploadID string `xml:"UploadId"`
}

func (d *Door) createUpload(q *request) error {
	a, err := readAttributes(q.r.Header)
	if err != nil {
		return err
	}
	if len(a.Tags) > 0 {
		if err := d.mayTag(q); err != nil {
			return err
		}
	}
	u := Upload{Attributes: a, Bucket: q.target.bucket, Key: q.key, By: q.caller.AccessKeyID}
	if u.Checksum, err = readChecksumType(q.r.Header.Get("X-Amz-Checksum-Algorithm"), q.r.Header.Get("X-Amz-Checksum-Type")); err != nil {
		return err
	}
	if u.ID, err = d.store.CreateUpload(q.Context(), u); err != nil {
		return err
	}
	if u.Checksum.Algorithm != "" {
		q.w.Header().Set("X-Amz-Checksum-Algorithm", u.Checksum.Algorithm)
		q.w.Header().Set("X-Amz-Checksum-Type", u.Checksum.Type)
	}
	return q.answerXML(initiateResult{Bucket: u.Bucket, Key: u.Key, UploadID: u.ID})
}

// readChecksumType reads how the checksum of a multipart object shall be made.
func readChecksumType(algorithm, kind string) (c Checksum, err error) {
	if c.Algorithm, err = readAlgorithm(algorithm); err != nil {
		return c, err
	}
	if c.Algorithm == "" {
		if kind != "" {
			return c, ErrRequest.Saying("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
		return c, nil
	}
	usual := "COMPOSITE"
	if c.Algorithm == "CRC64NVME" {
		usual = "FULL_OBJECT"
	}
	c.Type = cmp.Or(kind, usual)
	full := strings.HasPrefix(c.Algorithm, "CRC")
	switch {
	case c.Type != "COMPOSITE" && c.Type != "FULL_OBJECT":
		return c, ErrRequest.Saying("Value for x-amz-checksum-type header is invalid.")
	case c.Type == "FULL_OBJECT" && !full, c.Type == "COMPOSITE" && c.Algorithm == "CRC64NVME":
		return c, ErrRequest.Saying("The %s checksum type cannot be used with the %s checksum algorithm.", c.Type, strings.ToLower(c.Algorithm))
	}
	return c, nil
}

// named is the upload that the query names.
func (q *request) named() Upload {
	return Upload{Bucket: q.target.bucket, Key: q.key, ID: q.query.Get("uploadId")}
}

func (d *Door) uploadPart(q *request) error {
	n, err := partNumber(q.query.Get("partNumber"))
	if err != nil {
		return err
	}
	if err := onlyKnown(q.r.Header); err != nil {
		return err
	}
	p, err := d.store.PutPart(q.Context(), q.named(), n, q.upload())
	if err != nil {
		return err
	}
	q.taken = p.Size
	q.written(Object{ETag: p.ETag, Checksum: Checksum{Algorithm: p.Checksum.Algorithm, Value: p.Checksum.Value}})
	return nil
}

type copyPartResult struct {
	XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CopyPartResult"`
	LastModified string
	ETag         string
	checksumElements
}

func (d *Door) uploadPartCopy(q *request) error {
	n, err := partNumber(q.query.Get("partNumber"))
	if err != nil {
		return err
	}
	from := Get{Conditions: readConditions(q.r.Header, "X-Amz-Copy-Source-")}
	if from.Ref, err = d.copySource(q); err != nil {
		return err
	}
	if s := q.r.Header.Get("X-Amz-Copy-Source-Range"); s != "" {
		if from.Range = readRange(s); from.Range == nil || from.Range.First < 0 || from.Range.Last < 0 {
			return ErrArgument.Because("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy").At("x-amz-copy-source-range")
		}
	}
	p, err := d.store.CopyPart(q.Context(), q.named(), n, from)
	if err != nil {
		return err
	}
	if from.VersionID != "" {
		q.w.Header().Set("X-Amz-Copy-Source-Version-Id", from.VersionID)
	}
	return q.answerXML(copyPartResult{LastModified: stamp(p.Modified), ETag: quoted(p.ETag), checksumElements: elementsOf(Checksum{Algorithm: p.Checksum.Algorithm, Value: p.Checksum.Value})})
}

type completeRequest struct {
	XMLName xml.Name `xml:"CompleteMultipartUpload"`
	Parts   []struct {
		PartNumber int
		ETag       string
		checksumElements
	} `xml:"Part"`
}

type completeResult struct {
	XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
	Location string
	Bucket   string
	Key      string
	ETag     string
	checksumElements
}

func (d *Door) completeUpload(q *request) error {
	var in completeRequest
	if err := q.readXML(&in); err != nil {
		return err
	}
	if len(in.Parts) == 0 || len(in.Parts) > MaxParts {
		return ErrMalformedXML.Because("it must name 1 to 10000 parts")
	}
	c := Completion{Bucket: q.target.bucket, Key: q.key, UploadID: q.query.Get("uploadId"), Size: -1}
	for i, p := range in.Parts {
		if p.PartNumber < 1 || p.PartNumber > MaxParts {
			return ErrPartNumber
		}
		if i > 0 && p.PartNumber <= in.Parts[i-1].PartNumber {
			return ErrPartOrder
		}
		sum, err := p.only()
		if err != nil {
			return err
		}
		if p.ETag == "" {
			return ErrMalformedXML.Because("each part has an ETag")
		}
		c.Parts = append(c.Parts, Part{Number: p.PartNumber, ETag: strings.Trim(p.ETag, `"`), Checksum: sum})
	}
	var err error
	if c.Conditions, err = writeConditions(q.r.Header); err != nil {
		return err
	}
	if err := q.readWhole(&c); err != nil {
		return err
	}
	o, err := d.store.Complete(q.Context(), c)
	if err != nil {
		return err
	}
	q.writeNew(o.VersionID)
	return q.answerXML(completeResult{
		Location: q.origin + q.r.URL.EscapedPath(), Bucket: c.Bucket, Key: c.Key, ETag: quoted(o.ETag), checksumElements: elementsOf(o.Checksum),
	})
}

// readWhole reads what a client says of the whole object that it completes.
func (q *request) readWhole(c *Completion) error {
	var e checksumElements
	for _, f := range e.fields() {
		*f.value = q.r.Header.Get("X-Amz-Checksum-" + f.algorithm)
	}
	e.ChecksumType = q.r.Header.Get("X-Amz-Checksum-Type")
	var err error
	if c.Checksum, err = e.only(); err != nil {
		return err
	}
	if s := q.r.Header.Get("X-Amz-Mp-Object-Size"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 {
			return ErrArgument.Because("must be a number of bytes").At("x-amz-mp-object-size")
		}
		c.Size = n
	}
	return nil
}

func (d *Door) abortUpload(q *request) error {
	if err := d.store.Abort(q.Context(), q.named()); err != nil {
		return err
	}
	q.w.WriteHeader(204)
	return nil
}

type partsResult struct {
	XMLName           xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
	Bucket            string
	Key               string
	UploadID          string `xml:"UploadId"`
	Initiator         ownerElement
	Owner             *ownerElement
	StorageClass      string
	Marker            int `xml:"PartNumberMarker"`
	Next              int `xml:"NextPartNumberMarker,omitempty"`
	MaxParts          int
	IsTruncated       bool
	ChecksumAlgorithm string        `xml:",omitempty"`
	ChecksumType      string        `xml:",omitempty"`
	Parts             []partElement `xml:"Part"`
}

type partElement struct {
	PartNumber   int
	LastModified string
	ETag         string
	Size         int64
	checksumElements
}

func (d *Door) listParts(q *request) error {
	after, err := optional(q, "part-number-marker", 0)
	if err != nil {
		return err
	}
	most, err := optional(q, "max-parts", MaxListed)
	if err != nil {
		return err
	}
	most = min(most, MaxListed)
	u, parts, more, err := d.store.Parts(q.Context(), q.named(), after, most)
	if err != nil {
		return err
	}
	out := partsResult{
		Bucket: u.Bucket, Key: u.Key, UploadID: u.ID, Initiator: ownerElement{u.By, u.By}, Owner: ownerOf(q.bucket), StorageClass: "STANDARD",
		Marker: after, MaxParts: most, IsTruncated: more, ChecksumAlgorithm: u.Checksum.Algorithm, ChecksumType: u.Checksum.Type,
	}
	for _, p := range parts {
		out.Next = p.Number
		out.Parts = append(out.Parts, partElement{
			p.Number, stamp(p.Modified), quoted(p.ETag), p.Size, elementsOf(Checksum{Algorithm: p.Checksum.Algorithm, Value: p.Checksum.Value}),
		})
	}
	return q.answerXML(out)
}

// optional reads a number of the query.
func optional(q *request, name string, otherwise int) (int, error) {
	s := q.query.Get(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, ErrArgument.Because("must be an integer from 0 to 2147483647").At(name)
	}
	return n, nil
}

type uploadsResult struct {
	XMLName     xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
	Bucket      string
	KeyMarker   string
	IDMarker    string `xml:"UploadIdMarker"`
	NextKey     string `xml:"NextKeyMarker,omitempty"`
	NextID      string `xml:"NextUploadIdMarker,omitempty"`
	Prefix      string `xml:",omitempty"`
	Delimiter   string `xml:",omitempty"`
	Encoding    string `xml:"EncodingType,omitempty"`
	MaxUploads  int
	IsTruncated bool
	Uploads     []uploadElement `xml:"Upload"`
	Prefixes    []prefixElement `xml:"CommonPrefixes"`
}

type uploadElement struct {
	Key               string
	UploadID          string `xml:"UploadId"`
	Initiator         ownerElement
	Owner             *ownerElement
	StorageClass      string
	Initiated         string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

func (d *Door) listUploads(q *request) error {
	l, err := readList(q, "max-uploads")
	if err != nil {
		return err
	}
	l.After, l.AfterID = q.query.Get("key-marker"), q.query.Get("upload-id-marker")
	var page Uploads
	if l.Max > 0 {
		if page, err = d.store.Uploads(q.Context(), l.List); err != nil {
			return err
		}
	}
	out := uploadsResult{
		Bucket: l.Bucket, KeyMarker: l.encode(l.After), IDMarker: l.AfterID, NextKey: l.encode(page.Next), NextID: page.NextID, Prefix: l.encode(l.Prefix),
		Delimiter: l.encode(l.Delimiter), Encoding: l.word, MaxUploads: l.Max, IsTruncated: page.Next != "", Prefixes: l.prefixes(page.Prefixes),
	}
	for _, u := range page.Uploads {
		out.Uploads = append(out.Uploads, uploadElement{
			Key: l.encode(u.Key), UploadID: u.ID, Initiator: ownerElement{u.By, u.By}, Owner: ownerOf(q.bucket), StorageClass: "STANDARD",
			Initiated: stamp(u.Begun), ChecksumAlgorithm: u.Checksum.Algorithm, ChecksumType: u.Checksum.Type,
		})
	}
	return q.answerXML(out)
}
