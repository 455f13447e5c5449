package upstream

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"signet/internal/fault"
	"signet/internal/objects"
	"signet/internal/sigv4"
)

// maxDocument is how long an answer that is no object may be, in bytes.
const maxDocument = 16 << 20

// call is one request to the service.
type call struct {
	method      string
	bucket, key string
	query       url.Values
	header      http.Header
	body        io.Reader
	length      int64
}

func (s *Store) address(c call) *url.URL {
	u := *s.endpoint
	path := "/" + c.bucket
	if s.o.HostStyle && c.bucket != "" {
		u.Host, path = c.bucket+"."+u.Host, ""
	}
	if c.key != "" || path == "" {
		path += "/" + c.key
	}
	u.Path, u.RawPath = path, sigv4.EscapePath(path)
	u.RawQuery = strings.ReplaceAll(c.query.Encode(), "+", "%20")
	return &u
}

// do sends a call. An answer of 300 and more is an error, and its body is read.
func (s *Store) do(ctx context.Context, c call) (*http.Response, error) {
	if err := checkKey(c.key); err != nil {
		return nil, err
	}
	u := s.address(c)
	r, err := http.NewRequestWithContext(ctx, c.method, u.String(), c.body)
	if err != nil {
		return nil, err
	}
	r.URL = u // with the path as it is signed
	r.ContentLength = c.length
	if c.length == 0 {
		r.Body = http.NoBody
	}
	maps.Copy(r.Header, c.header)
	r.Header.Set("User-Agent", "signet")
	sigv4.Sign(r, s.key, "UNSIGNED-PAYLOAD", sigv4.Options{Now: s.o.Now(), Region: s.o.Region, Service: "s3"})
	resp, err := s.http.Do(r)
	if err != nil {
		return nil, away(err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		defer resp.Body.Close()
		return resp, refusal(resp)
	}
	return resp, nil
}

// away is a service that does not answer. What the body's own proof says wins: it is why
// the request ended.
func away(err error) error {
	if proof, ok := errors.AsType[*sigv4.Error](err); ok {
		return proof
	}
	if _, ok := fault.As(err); ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", objects.ErrUnavailable, err)
}

// refusals are those of the service that are the client's to hear.
func refusals() []*fault.Error {
	return []*fault.Error{
		objects.ErrBucketOwned, objects.ErrBucketExists, objects.ErrNoSuchBucket, objects.ErrNoSuchKey, objects.ErrNoSuchVersion, objects.ErrNoSuchUpload, objects.ErrBucketNotEmpty,
		objects.ErrConflict, objects.ErrKeyTooLong, objects.ErrInvalidPart, objects.ErrPartOrder, objects.ErrTooSmall, objects.ErrTooLarge,
		objects.ErrMetaTooLarge, objects.ErrPrecondition, objects.ErrRange, objects.ErrPartOfObject, objects.ErrMethod, objects.ErrNotImplemented,
		objects.ErrInvalidTag, objects.ErrBucketState, objects.ErrSlowDown, objects.ErrArgument, objects.ErrRequest, objects.ErrMalformedXML,
	}
}

// refusal is what the service said no with. That it does not take our key is ours to
// know, and no client's.
func refusal(resp *http.Response) error {
	var doc struct{ Code, Message string }
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // what cannot be read has no code
	_ = xml.Unmarshal(b, &doc)
	for _, e := range refusals() {
		if e.Word == doc.Code {
			return e
		}
	}
	switch resp.StatusCode {
	case http.StatusNotModified:
		return objects.ErrNotModified
	case http.StatusPreconditionFailed:
		return objects.ErrPrecondition
	case http.StatusNotFound:
		return objects.ErrNoSuchKey // HEAD has no body that tells more
	case http.StatusRequestedRangeNotSatisfiable:
		return objects.ErrRange
	case http.StatusMethodNotAllowed:
		return objects.ErrMethod
	}
	err := fmt.Errorf("the upstream answered %d %s %s", resp.StatusCode, doc.Code, doc.Message)
	if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests {
		return fmt.Errorf("%w: %w", objects.ErrUnavailable, err)
	}
	return err
}

// ask sends a call whose answer is a document, and reads it into out where there is one.
func (s *Store) ask(ctx context.Context, c call, out any) (http.Header, error) {
	resp, err := s.do(ctx, c)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument))
	if err != nil {
		return nil, away(err)
	}
	if out == nil {
		return resp.Header, nil
	}
	// CompleteMultipartUpload and CopyObject may answer 200 and then an error.
	if bytes.Contains(b, []byte("<Error>")) {
		resp.StatusCode, resp.Body = http.StatusInternalServerError, io.NopCloser(bytes.NewReader(b))
		return nil, refusal(resp)
	}
	if err := xml.Unmarshal(b, out); err != nil {
		return nil, fmt.Errorf("the upstream's answer cannot be read: %w", err)
	}
	return resp.Header, nil
}

// sendXML is a call whose body is a document.
func sendXML(c call, doc any) (call, error) {
	b, err := xml.Marshal(doc)
	c.body, c.length = bytes.NewReader(b), int64(len(b))
	return c, err
}
