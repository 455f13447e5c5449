package objects

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"

	"signet/internal/sigv4"
)

type postResult struct {
	XMLName  xml.Name `xml:"PostResponse"`
	Location string
	Bucket   string
	Key      string
	ETag     string
}

// formHeaders are the fields of a form that stand for headers of PutObject.
var formHeaders = []string{"Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Expires"}

// proveForm finds out who signed the policy of a form, which stands before its file.
func (d *Door) proveForm(q *request, open bool, o sigv4.Options) (id sigv4.Identity, err error) {
	leave, err := d.unknown.enter(q.w)
	if err != nil {
		return id, err
	}
	defer leave()
	if open {
		id, q.form, err = sigv4.UnverifiedForm(q.r, o)
	} else {
		id, q.form, err = sigv4.VerifyForm(q.r, d.o.Lookup, o)
	}
	return id, err
}

// postObject keeps what a browser's form uploads ("Browser-based uploads using POST").
func (d *Door) postObject(q *request) error {
	key := q.form.Fields["key"]
	if err := checkKey(key); err != nil {
		return err
	}
	if err := d.may(q, q.op, q.bucket, key, ""); err != nil {
		return err
	}
	q.key = key
	a, err := q.formAttributes()
	if err != nil {
		return err
	}
	if len(a.Tags) > 0 {
		if err := d.mayTag(q); err != nil {
			return err
		}
	}
	target, err := redirectOf(q.form.Fields)
	if err != nil {
		return err
	}
	o, err := d.store.Put(q.Context(), Put{Attributes: a, Bucket: q.target.bucket, Key: key, Body: &posted{PostedForm: q.form, pace: newPace(q.w)}})
	if err != nil {
		return err
	}
	q.taken = o.Size
	return q.answerForm(o, target)
}

func (q *request) formAttributes() (Attributes, error) {
	h := http.Header{}
	for _, name := range formHeaders {
		if v := q.form.Fields[strings.ToLower(name)]; v != "" {
			h.Set(name, v)
		}
	}
	for name, v := range q.form.Fields {
		if strings.HasPrefix(name, "x-amz-") {
			h.Set(name, v)
		}
	}
	if v := q.form.Fields["acl"]; v != "" {
		h.Set("X-Amz-Acl", v)
	}
	a, err := readAttributes(h)
	if err != nil {
		return a, err
	}
	if doc := q.form.Fields["tagging"]; doc != "" {
		var in tagging
		if err := decodeXML([]byte(doc), &in); err != nil {
			return a, err
		}
		a.Tags = in.tags()
		return a, checkTags(a.Tags)
	}
	return a, nil
}

// redirectOf is where the browser goes afterwards; empty: nowhere.
func redirectOf(fields map[string]string) (string, error) {
	s := fields["success_action_redirect"]
	if s == "" {
		s = fields["redirect"]
	}
	if s == "" {
		return "", nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", ErrArgument.Because("must be an http or https URL").At("success_action_redirect")
	}
	return s, nil
}

func (q *request) answerForm(o Object, to string) error {
	location := q.origin + "/" + q.target.bucket + "/" + encodeKey(q.key)
	q.w.Header()["Etag"] = []string{quoted(o.ETag)}
	q.writeNew(o.VersionID)
	if to != "" {
		u, err := url.Parse(to)
		if err != nil {
			return err
		}
		more := u.Query()
		more.Set("bucket", q.target.bucket)
		more.Set("key", q.key)
		more.Set("etag", quoted(o.ETag))
		u.RawQuery = more.Encode()
		q.w.Header().Set("Location", u.String())
		q.w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	q.w.Header().Set("Location", location)
	switch q.form.Fields["success_action_status"] {
	case "200":
		q.w.WriteHeader(http.StatusOK)
	case "201":
		return q.answerStatus(http.StatusCreated, postResult{Location: location, Bucket: q.target.bucket, Key: q.key, ETag: quoted(o.ETag)})
	default:
		q.w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

// posted is the file of a form as stores take it.
type posted struct {
	*sigv4.PostedForm
	pace
}

// Read implements [Body].
func (p *posted) Read(b []byte) (int, error) {
	p.goOn()
	return p.File.Read(b)
}

// Length implements [Body]: a form does not say how long its file is.
func (p *posted) Length() int64 { return -1 }

// Checksums implements [Body].
func (p *posted) Checksums() []Checksum { return nil }
