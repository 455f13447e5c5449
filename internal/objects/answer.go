package objects

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"

	"signet/internal/sigv4"
	"signet/internal/ticket"
	"signet/internal/web"
)

// namespace is of all documents of the API.
const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// maxDocument is how long a document that a client sends may be, in bytes: 10,000
// parts with their checksums, 1,000 keys of 1,024 bytes.
const maxDocument = 4 << 20

// words are the codes of what the listener refuses before the door, or the platform
// beneath it.
var words = map[string]string{
	"internal": "InternalError", "misdirected": "InvalidRequest", "too-many": "SlowDown", "too-large": "EntityTooLarge",
	"unavailable": "ServiceUnavailable", "timeout": "ServiceUnavailable", "no-space": "InsufficientStorage",
	"request-timeout": "RequestTimeout", "malformed": "IncompleteBody",
}

// statuses are of the codes whose status is not that of their fault's kind.
var statuses = map[string]int{
	"MethodNotAllowed": http.StatusMethodNotAllowed, "PreconditionFailed": http.StatusPreconditionFailed, "NotModified": http.StatusNotModified,
	"InvalidRange": http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber": http.StatusRequestedRangeNotSatisfiable,
	"NotImplemented": http.StatusNotImplemented, "SlowDown": http.StatusServiceUnavailable, "EntityTooLarge": http.StatusBadRequest,
	"RequestTimeout": http.StatusBadRequest, "ServiceUnavailable": http.StatusServiceUnavailable,
}

// answerXML answers 200 with a document.
func (q *request) answerXML(v any) error { return q.answerStatus(http.StatusOK, v) }

// answerStatus answers with a document.
func (q *request) answerStatus(status int, v any) error {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	if err := xml.NewEncoder(&b).Encode(v); err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("Content-Type", "application/xml")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	q.w.WriteHeader(status)
	_, _ = b.WriteTo(q.w) // the client may be gone
	return nil
}

// readXML reads the document that the request sends, after its proof holds.
func (q *request) readXML(v any) error {
	b, err := q.document()
	if err != nil {
		return err
	}
	return decodeXML(b, v)
}

// document is what the request sends, as it is.
func (q *request) document() ([]byte, error) {
	if q.body.Length() > maxDocument {
		return nil, errMessageTooLong
	}
	return io.ReadAll(io.LimitReader(q.body, maxDocument+1))
}

func decodeXML(b []byte, v any) error {
	dec := xml.NewDecoder(bytes.NewReader(b)) //nolint:gosec // into our own types; encoding/xml expands no entities
	if err := dec.Decode(v); err != nil {
		return ErrMalformedXML
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) && !onlySpace(b[dec.InputOffset():]) {
		return ErrMalformedXML.Because("something follows the document")
	}
	return nil
}

func onlySpace(b []byte) bool { return len(bytes.TrimSpace(b)) == 0 }

// errorDocument is S3's form of an error ("REST error responses").
type errorDocument struct {
	XMLName   xml.Name `xml:"Error"`
	Code      string
	Message   string
	Details   []detail
	Resource  string `xml:",omitempty"`
	RequestID string `xml:"RequestId"`
	HostID    string `xml:"HostId"`
}

type detail struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

// refuse answers with an error, and returns the status.
func (d *Door) refuse(q *request, err error) int {
	proof, ok := errors.AsType[*sigv4.Error](err)
	if !ok {
		p := web.ProblemOf(q.Context(), err)
		d.deny(q, p)
		web.Fail(q.w, q.r, err)
		return statusOf(p)
	}
	d.denyProof(q, proof)
	doc := errorDocument{Code: proof.Code, Message: proof.Message}
	if d.o.Uniform && proof.Status == http.StatusForbidden {
		doc.Code, doc.Message = ErrAccessDenied.Word, ErrAccessDenied.Text
	} else {
		for _, more := range proof.Details {
			doc.Details = append(doc.Details, detail{xml.Name{Local: more.Name}, more.Value})
		}
	}
	writeError(q.w, q.r, proof.Status, doc)
	return proof.Status
}

// codeOf is S3's code of a problem.
func codeOf(p *web.Problem) string {
	if code, ok := words[p.Word()]; ok {
		return code
	}
	return p.Word()
}

func statusOf(p *web.Problem) int {
	if status, ok := statuses[codeOf(p)]; ok {
		return status
	}
	return p.Status
}

// WriteProblem answers with p as S3 does. It is the door's [web.ErrorWriter].
func WriteProblem(w http.ResponseWriter, r *http.Request, p *web.Problem) {
	doc, status := errorDocument{Code: codeOf(p), Message: p.Detail}, statusOf(p)
	if p.Field != "" {
		doc.Details = append(doc.Details, detail{xml.Name{Local: "ArgumentName"}, p.Field})
	}
	if status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "1")
	}
	writeError(w, r, status, doc)
}

func writeError(w http.ResponseWriter, r *http.Request, status int, doc errorDocument) {
	if status == http.StatusNotModified { // RFC 9110, section 15.4.5: no content, and the headers of what was meant
		w.WriteHeader(status)
		return
	}
	h := w.Header()
	for _, name := range []string{"Content-Length", "Etag", "Last-Modified", "Cache-Control", "Content-Range", "Content-Encoding", "Content-Disposition"} {
		h.Del(name) // of the answer that was meant
	}
	h.Set("Content-Type", "application/xml")
	doc.Resource, doc.RequestID = r.URL.EscapedPath(), ticket.RequestFrom(r.Context()).ID
	b, err := xml.Marshal(doc)
	if err != nil { // strings alone
		b = nil
	}
	b = append([]byte(xml.Header), b...)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b) // the client may be gone
	}
}
