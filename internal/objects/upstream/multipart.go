package upstream

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"signet/internal/objects"
)

// CreateUpload implements [objects.Store]. Checksums are verified at the door and not
// asked of the service: it would want them with each part before the part.
func (s *Store) CreateUpload(ctx context.Context, u objects.Upload) (string, error) {
	c := call{method: http.MethodPost, bucket: u.Bucket, key: u.Key, query: url.Values{"uploads": {""}}, header: http.Header{}}
	say(c.header, u.Attributes)
	var doc struct {
		ID string `xml:"UploadId"`
	}
	_, err := s.ask(ctx, c, &doc)
	return doc.ID, err
}

func (s *Store) part(u objects.Upload, number int) call {
	return call{
		method: http.MethodPut, bucket: u.Bucket, key: u.Key, header: http.Header{},
		query: url.Values{"uploadId": {u.ID}, "partNumber": {strconv.Itoa(number)}},
	}
}

// noUpload tells what is missing where an upload was asked for.
func noUpload(err error) error {
	if errors.Is(err, objects.ErrNoSuchKey) {
		return objects.ErrNoSuchUpload
	}
	return err
}

// PutPart implements [objects.Store].
func (s *Store) PutPart(ctx context.Context, u objects.Upload, number int, b objects.Body) (objects.Part, error) {
	h, size, err := s.send(ctx, s.part(u, number), b)
	if err != nil {
		return objects.Part{}, noUpload(err)
	}
	return objects.Part{Number: number, Size: size, ETag: unquote(h.Get("Etag")), Modified: s.o.Now()}, nil
}

// CopyPart implements [objects.Store].
func (s *Store) CopyPart(ctx context.Context, u objects.Upload, number int, from objects.Get) (objects.Part, error) {
	if err := checkKey(from.Key); err != nil {
		return objects.Part{}, err
	}
	c := s.part(u, number)
	c.header.Set("X-Amz-Copy-Source", source(from.Ref))
	conditions(c.header, "X-Amz-Copy-Source-", from.Conditions)
	if from.Range != nil {
		c.header.Set("X-Amz-Copy-Source-Range", rangeOf(*from.Range))
	}
	var doc copyDocument
	_, err := s.ask(ctx, c, &doc)
	return objects.Part{Number: number, ETag: unquote(doc.ETag), Modified: doc.LastModified}, err
}

type completeDocument struct {
	XMLName xml.Name               `xml:"CompleteMultipartUpload"`
	Space   string                 `xml:"xmlns,attr"`
	Parts   []completeDocumentPart `xml:"Part"`
}

type completeDocumentPart struct {
	PartNumber int
	ETag       string
}

// Complete implements [objects.Store].
func (s *Store) Complete(ctx context.Context, c objects.Completion) (objects.Object, error) {
	out := call{method: http.MethodPost, bucket: c.Bucket, key: c.Key, query: url.Values{"uploadId": {c.UploadID}}, header: http.Header{}}
	conditions(out.header, "", c.Conditions)
	doc := completeDocument{Space: namespace}
	for _, p := range c.Parts {
		doc.Parts = append(doc.Parts, completeDocumentPart{p.Number, `"` + p.ETag + `"`})
	}
	out, err := sendXML(out, doc)
	if err != nil {
		return objects.Object{}, err
	}
	var done struct{ ETag string }
	h, err := s.ask(ctx, out, &done)
	if err != nil {
		return objects.Object{}, noUpload(err)
	}
	return objects.Object{Bucket: c.Bucket, Key: c.Key, ETag: unquote(done.ETag), VersionID: h.Get("X-Amz-Version-Id"), Modified: s.o.Now()}, nil
}

// Abort implements [objects.Store].
func (s *Store) Abort(ctx context.Context, u objects.Upload) error {
	_, err := s.ask(ctx, call{method: http.MethodDelete, bucket: u.Bucket, key: u.Key, query: url.Values{"uploadId": {u.ID}}}, nil)
	return noUpload(err)
}

// Parts implements [objects.Store].
func (s *Store) Parts(ctx context.Context, u objects.Upload, after, limit int) (objects.Upload, []objects.Part, bool, error) {
	q := url.Values{"uploadId": {u.ID}, "max-parts": {strconv.Itoa(limit)}}
	if after > 0 {
		q.Set("part-number-marker", strconv.Itoa(after))
	}
	var doc struct {
		IsTruncated bool
		Initiator   struct{ ID string }
		Parts       []struct {
			PartNumber   int
			LastModified time.Time
			ETag         string
			Size         int64
		} `xml:"Part"`
	}
	if _, err := s.ask(ctx, call{method: http.MethodGet, bucket: u.Bucket, key: u.Key, query: q}, &doc); err != nil {
		return u, nil, false, noUpload(err)
	}
	var parts []objects.Part
	for _, p := range doc.Parts {
		parts = append(parts, objects.Part{Number: p.PartNumber, Size: p.Size, ETag: unquote(p.ETag), Modified: p.LastModified})
	}
	u.By = doc.Initiator.ID
	return u, parts, doc.IsTruncated, nil
}

// Uploads implements [objects.Store].
func (s *Store) Uploads(ctx context.Context, l objects.List) (page objects.Uploads, err error) {
	q := pageQuery(l, "max-uploads")
	q.Set("uploads", "")
	if l.After != "" {
		q.Set("key-marker", l.After)
	}
	if l.AfterID != "" {
		q.Set("upload-id-marker", l.AfterID)
	}
	var doc struct {
		IsTruncated  bool
		EncodingType string
		NextKey      string `xml:"NextKeyMarker"`
		NextID       string `xml:"NextUploadIdMarker"`
		Uploads      []struct {
			Key       string
			UploadID  string `xml:"UploadId"`
			Initiated time.Time
		} `xml:"Upload"`
		Prefixes []prefixEntry `xml:"CommonPrefixes"`
	}
	if _, err := s.ask(ctx, call{method: http.MethodGet, bucket: l.Bucket, query: q}, &doc); err != nil {
		return page, noBucket(err)
	}
	d := decoder{doc.EncodingType == "url"}
	for _, u := range doc.Uploads {
		key, err := d.text(u.Key)
		if err != nil {
			return page, err
		}
		page.Uploads = append(page.Uploads, objects.Upload{Bucket: l.Bucket, Key: key, ID: u.UploadID, Begun: u.Initiated})
	}
	if page.Prefixes, err = d.prefixes(doc.Prefixes); err != nil || !doc.IsTruncated {
		return page, err
	}
	page.NextID = doc.NextID
	page.Next, err = d.text(doc.NextKey)
	return page, err
}
