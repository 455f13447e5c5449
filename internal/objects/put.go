package objects

import (
	"io"
	"net/http"
	"strings"
	"time"

	"signet/internal/sigv4"
)

func (d *Door) putObject(q *request) error {
	a, err := readAttributes(q.r.Header)
	if err != nil {
		return err
	}
	p := Put{Attributes: a, Bucket: q.target.bucket, Key: q.key, Body: q.upload()}
	if p.Conditions, err = writeConditions(q.r.Header); err != nil {
		return err
	}
	if len(a.Tags) > 0 {
		if err := d.mayTag(q); err != nil {
			return err
		}
	}
	o, err := d.store.Put(q.Context(), p)
	if err != nil {
		return err
	}
	q.taken = o.Size
	q.written(o)
	return nil
}

// mayTag asks for what tags beside an object take.
func (d *Door) mayTag(q *request) error {
	return d.may(q, &operation{action: "s3:PutObjectTagging", needs: Write, level: object}, q.bucket, q.key, "")
}

// writeConditions reads the preconditions of a write: an entity tag that must be there,
// or * for none.
func writeConditions(h http.Header) (Conditions, error) {
	c := Conditions{IfMatch: h.Get("If-Match"), IfNoneMatch: h.Get("If-None-Match")}
	if c.IfNoneMatch != "" && strings.TrimSpace(c.IfNoneMatch) != "*" {
		return c, errHeader.At("if-none-match").Because("only * is possible here")
	}
	if h.Get("If-Modified-Since") != "" || h.Get("If-Unmodified-Since") != "" {
		return c, errHeader.At("if-unmodified-since").Because("use If-Match or If-None-Match")
	}
	return c, nil
}

// written answers an object that was kept.
func (q *request) written(o Object) {
	q.w.Header()["Etag"] = []string{quoted(o.ETag)}
	q.writeNew(o.VersionID)
	q.writeChecksum(o.Checksum)
	q.w.WriteHeader(http.StatusOK)
}

// upload is the request's body as stores take it.
func (q *request) upload() Body {
	return &upload{Body: q.body, pace: newPace(q.w)}
}

// upload is a body whose client must send something every so often.
type upload struct {
	*sigv4.Body
	pace
}

// pace moves the deadlines of a connection as a body goes on.
type pace struct {
	deadlines *http.ResponseController
	next      time.Time
}

func newPace(w http.ResponseWriter) pace { return pace{deadlines: http.NewResponseController(w)} }

// A client must send something within quietTime; deadlines are moved each stepTime, that
// of the answer, too.
const (
	quietTime = 60 * time.Second
	stepTime  = 5 * time.Second
)

// What a server of the door allows; longer bodies move the deadlines as they go on.
const (
	RequestTime = time.Minute      // for a request without the body of an object
	AnswerTime  = 10 * time.Minute // from there to the end of the answer
)

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	u.goOn()
	return u.Body.Read(p)
}

// goOn gives the client another while.
func (p *pace) goOn() {
	now := time.Now() // real time: the connection's
	if !now.After(p.next) {
		return
	}
	p.next = now.Add(stepTime)
	_ = p.deadlines.SetReadDeadline(now.Add(quietTime))
	_ = p.deadlines.SetWriteDeadline(now.Add(AnswerTime))
}

// Checksums implements [Body].
func (u *upload) Checksums() []Checksum { return checksums(u.Body.Checksums()) }

func checksums(declared []sigv4.Checksum) []Checksum {
	all := make([]Checksum, 0, len(declared))
	for _, c := range declared {
		all = append(all, Checksum{Algorithm: c.Algorithm, Value: c.Value})
	}
	return all
}

var _ io.Reader = (*upload)(nil)
