package objects

import (
	"encoding/xml"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"signet/internal/web"
)

func (d *Door) deleteObject(q *request) error {
	for _, name := range []string{"X-Amz-If-Match-Last-Modified-Time", "X-Amz-If-Match-Size"} { // of directory buckets
		if q.r.Header.Get(name) != "" {
			return errHeader.At(strings.ToLower(name))
		}
	}
	r := Ref{q.target.bucket, q.key, q.query.Get("versionId")}
	gone, err := d.store.Delete(q.Context(), r, Conditions{IfMatch: q.r.Header.Get("If-Match")})
	if err != nil {
		return err
	}
	if gone.DeleteMarker {
		q.w.Header().Set("X-Amz-Delete-Marker", strconv.FormatBool(true))
	}
	q.writeVersion(gone.VersionID)
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

type deleteRequest struct {
	XMLName xml.Name `xml:"Delete"`
	Quiet   bool
	Objects []struct {
		Key       string
		VersionID string `xml:"VersionId"`
		ETag      string
	} `xml:"Object"`
}

type deleteResult struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
	Deleted []deletedElement
	Errors  []deleteError `xml:"Error"`
}

type deletedElement struct {
	Key                   string
	VersionID             string `xml:"VersionId,omitempty"`
	DeleteMarker          bool   `xml:",omitempty"`
	DeleteMarkerVersionID string `xml:"DeleteMarkerVersionId,omitempty"`
}

type deleteError struct {
	Key       string
	VersionID string `xml:"VersionId,omitempty"`
	Code      string
	Message   string
}

// deleteObjects deletes up to 1,000 keys. Each is asked for and answered by itself.
func (d *Door) deleteObjects(q *request) error {
	var in deleteRequest
	if err := q.readXML(&in); err != nil {
		return err
	}
	if len(in.Objects) == 0 || len(in.Objects) > MaxListed {
		return ErrMalformedXML.Because("it must name 1 to 1000 objects")
	}
	var out deleteResult
	for _, o := range in.Objects {
		gone, err := d.deleteOne(q, Ref{q.target.bucket, o.Key, o.VersionID}, o.ETag)
		switch {
		case err != nil:
			out.Errors = append(out.Errors, d.deleteError(q, o.Key, o.VersionID, err))
		case !in.Quiet:
			e := deletedElement{Key: o.Key, VersionID: o.VersionID, DeleteMarker: gone.DeleteMarker}
			if gone.DeleteMarker {
				e.DeleteMarkerVersionID = gone.VersionID
			}
			out.Deleted = append(out.Deleted, e)
		}
	}
	return q.answerXML(out)
}

func (d *Door) deleteOne(q *request, r Ref, etag string) (Deleted, error) {
	if err := checkKey(r.Key); err != nil {
		return Deleted{}, err
	}
	if err := d.may(q, q.op, q.bucket, r.Key, r.VersionID); err != nil {
		d.deny(q, web.ProblemOf(q.Context(), err))
		return Deleted{}, err
	}
	return d.store.Delete(q.Context(), r, Conditions{IfMatch: etag})
}

func (d *Door) deleteError(q *request, key, version string, err error) deleteError {
	p := web.ProblemOf(q.Context(), err)
	e := deleteError{Key: key, VersionID: version, Code: codeOf(p), Message: p.Detail}
	if p.Status >= http.StatusInternalServerError {
		slog.ErrorContext(q.Context(), "an object was not deleted", "request", p.RequestID, "bucket", q.target.bucket, "error", err)
	}
	return e
}
