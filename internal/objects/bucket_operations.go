package objects

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"strings"
)

// maxBuckets is how many a page of ListBuckets has at most.
const maxBuckets = 10_000

type bucketsResult struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	Owner   ownerElement
	Buckets []bucketElement `xml:"Buckets>Bucket"`
	Prefix  string          `xml:",omitempty"`
	Next    string          `xml:"ContinuationToken,omitempty"`
}

type bucketElement struct {
	Name         string
	CreationDate string
}

func (d *Door) listBuckets(q *request) error {
	list, err := d.o.Visible(q.Context(), q.caller)
	if err != nil {
		return err
	}
	most, err := optional(q, "max-buckets", maxBuckets)
	if err != nil || most < 1 || most > maxBuckets {
		return ErrArgument.Because("must be an integer from 1 to 10000").At("max-buckets")
	}
	after := ""
	if token := q.query.Get("continuation-token"); token != "" {
		if after, err = readToken(token); err != nil {
			return err
		}
	}
	out := bucketsResult{Owner: ownerElement{q.caller.Owner, q.caller.Name}, Buckets: []bucketElement{}, Prefix: q.query.Get("prefix")}
	for _, b := range list {
		if b.Name <= after || !strings.HasPrefix(b.Name, out.Prefix) {
			continue
		}
		if len(out.Buckets) == most {
			out.Next = writeToken(out.Buckets[most-1].Name)
			break
		}
		out.Buckets = append(out.Buckets, bucketElement{b.Name, stamp(b.Created)})
	}
	return q.answerXML(out)
}

type createRequest struct {
	XMLName  xml.Name `xml:"CreateBucketConfiguration"`
	Location string   `xml:"LocationConstraint"`
	Others   []struct {
		XMLName xml.Name
	} `xml:",any"` // tags and directory buckets
}

// createBucket claims the name before the store makes the bucket: where the process ends
// between, asking again goes on.
func (d *Door) createBucket(q *request) error {
	if err := d.checkLocation(q); err != nil {
		return err
	}
	public, err := d.readACL(q.r.Header.Get("X-Amz-Acl"))
	if err != nil {
		return err
	}
	_, err = claim(q.Context(), d.store, d.buckets, q.caller, q.target.bucket)
	if err != nil && !errors.Is(err, ErrBucketOwned) {
		return err
	}
	owned := err
	if err := d.store.CreateBucket(q.Context(), q.target.bucket); err != nil {
		return err
	}
	if owned != nil && d.o.Region != "us-east-1" {
		return owned // as S3, which answers 200 in us-east-1 alone
	}
	if public {
		if err := d.setPublic(q, true); err != nil {
			return err
		}
	}
	q.w.Header().Set("Location", "/"+q.target.bucket)
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// claim makes the name of a bucket the caller's. Of a name that nobody has here it asks
// the store first: once it is claimed, what a bucket there has could be read.
func claim(ctx context.Context, s Store, b *Buckets, c Caller, name string) (Bucket, error) {
	if c.Anonymous() || c.Limited {
		return Bucket{}, ErrAccessDenied
	}
	if !goodBucketName(name) {
		return Bucket{}, ErrBucketName
	}
	if _, err := b.Get(ctx, name); errors.Is(err, ErrNoSuchBucket) {
		if err := s.MayMake(ctx, name); err != nil {
			return Bucket{}, err
		}
	}
	return b.Claim(ctx, c, name)
}

func (d *Door) checkLocation(q *request) error {
	if v := q.r.Header.Get("X-Amz-Bucket-Object-Lock-Enabled"); v != "" && v != "false" {
		return errHeader.At("x-amz-bucket-object-lock-enabled")
	}
	if v := q.r.Header.Get("X-Amz-Object-Ownership"); v != "" && v != "BucketOwnerEnforced" {
		return errHeader.At("x-amz-object-ownership").Because("here the bucket's owner owns all objects: BucketOwnerEnforced")
	}
	b, err := q.document()
	if err != nil || len(b) == 0 {
		return err
	}
	var in createRequest
	if err := decodeXML(b, &in); err != nil {
		return err
	}
	if len(in.Others) > 0 {
		return ErrNotImplemented.Saying("Of the configuration of a new bucket the LocationConstraint alone is possible here")
	}
	if in.Location != "" && in.Location != d.o.Region {
		return errLocation.Because("this server's region is %s", d.o.Region)
	}
	return nil
}

func (d *Door) headBucket(q *request) error {
	q.w.Header().Set("X-Amz-Bucket-Region", d.o.Region)
	q.w.WriteHeader(http.StatusOK)
	return nil
}

func (d *Door) deleteBucket(q *request) error {
	if err := d.store.DeleteBucket(q.Context(), q.target.bucket); err != nil && !errors.Is(err, ErrNoSuchBucket) {
		return err
	}
	if err := d.buckets.Remove(q.Context(), q.caller, q.target.bucket); err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

type locationResult struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
	Region  string   `xml:",chardata"`
}

func (d *Door) getLocation(q *request) error {
	out := locationResult{Region: d.o.Region}
	if out.Region == "us-east-1" {
		out.Region = "" // as S3 names it
	}
	return q.answerXML(out)
}

type versioningDocument struct {
	XMLName   xml.Name   `xml:"VersioningConfiguration"`
	Space     string     `xml:"xmlns,attr,omitempty"`
	Status    Versioning `xml:",omitempty"`
	MFADelete string     `xml:"MfaDelete,omitempty"`
}

func (d *Door) getVersioning(q *request) error {
	v, err := d.store.Versioning(q.Context(), q.target.bucket)
	if err != nil {
		return err
	}
	return q.answerXML(versioningDocument{Space: namespace, Status: v})
}

func (d *Door) putVersioning(q *request) error {
	var in versioningDocument
	if err := q.readXML(&in); err != nil {
		return err
	}
	if in.Status != VersioningEnabled && in.Status != VersioningSuspended {
		return ErrMalformedXML.Because("Status must be Enabled or Suspended")
	}
	if in.MFADelete == "Enabled" {
		return ErrNotImplemented
	}
	if err := d.store.SetVersioning(q.Context(), q.target.bucket, in.Status); err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// maxPolicy is how long a policy may be, in bytes, as S3's.
const maxPolicy = 20 << 10

func (d *Door) getPolicy(q *request) error {
	if q.bucket.Policy == "" {
		return ErrNoSuchPolicy
	}
	q.w.Header().Set("Content-Type", "application/json")
	_, _ = q.w.Write([]byte(q.bucket.Policy)) //nolint:gosec // JSON, under its media type, nosniff and a sandbox
	return nil
}

func (d *Door) putPolicy(q *request) error {
	doc, err := q.document()
	if err != nil {
		return err
	}
	if len(doc) > maxPolicy {
		return ErrMalformedPolicy.Because("it has more than %d bytes", maxPolicy)
	}
	public, err := d.o.CheckPolicy(q.target.bucket, doc)
	if err != nil {
		return err
	}
	if public && !d.o.AllowPublic {
		return ErrPublic
	}
	return d.set(q, http.StatusNoContent, Setting{Action: "objects.put_policy", Detail: map[string]any{"policy": string(doc)}, Apply: func(b *Bucket) { b.Policy = string(doc) }})
}

func (d *Door) deletePolicy(q *request) error {
	return d.set(q, http.StatusNoContent, Setting{Action: "objects.delete_policy", Apply: func(b *Bucket) { b.Policy = "" }})
}

func (d *Door) set(q *request, status int, s Setting) error {
	if err := d.buckets.Set(q.Context(), q.caller, q.target.bucket, s); err != nil {
		return err
	}
	q.w.WriteHeader(status)
	return nil
}
