package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
)

// Payload is how a body is tied to the signature.
type Payload int

// The payloads.
const (
	Unsigned                 Payload = iota // UNSIGNED-PAYLOAD
	Hashed                                  // its SHA-256 is signed
	StreamingSigned                         // STREAMING-AWS4-HMAC-SHA256-PAYLOAD
	StreamingSignedTrailer                  // the same, with a signed trailer
	StreamingUnsignedTrailer                // STREAMING-UNSIGNED-PAYLOAD-TRAILER
)

const (
	unsignedPayload = "UNSIGNED-PAYLOAD"
	// emptyHash is the SHA-256 of nothing.
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// payload is what x-amz-content-sha256 says.
type payload struct {
	kind Payload
	hash string // in lower case hex, of Hashed
}

func (p payload) chunked() bool { return p.kind >= StreamingSigned }

// signed reports whether the chunks of a body have signatures.
func (p payload) signed() bool { return p.kind == StreamingSigned || p.kind == StreamingSignedTrailer }

// trailer reports whether a trailer comes after the chunks.
func (p payload) trailer() bool { return p.kind >= StreamingSignedTrailer }

// payloadOf reads what a request says of its payload, and refuses what it may not say.
func (c *claim) payloadOf(r *http.Request, o Options) (payload, error) {
	c.hash = c.statedHash(r)
	if c.hash == "" {
		if err := c.impliedHash(r, o); err != nil {
			return payload{}, err
		}
	}
	return parsePayload(c.hash)
}

// statedHash returns x-amz-content-sha256, which a presigned URL may have in its query.
func (c *claim) statedHash(r *http.Request) string {
	if text := headerValue(r.Header, "x-amz-content-sha256"); text != "" || c.form != Query {
		return text
	}
	return queryValue(r.URL.RawQuery, queryHash)
}

// impliedHash sets what is signed where the request does not say it.
func (c *claim) impliedHash(r *http.Request, o Options) error {
	switch {
	case c.form == None:
		c.hash = unsignedPayload
	case o.Service != "" && o.Service != "s3":
		return c.hashBody(r, o)
	case c.form == Query:
		c.hash = unsignedPayload
	default:
		return invalidRequest("Missing required header for this request: x-amz-content-sha256")
	}
	return nil
}

// maxOther is the longest body of a service that is not S3, where MaxBody is not set.
const maxOther = 128 << 10

// hashBody hashes the body of a service that is not S3: it is signed, and its hash is in
// no header. The body is read whole, and put back.
func (c *claim) hashBody(r *http.Request, o Options) error {
	limit := o.MaxBody
	if limit == 0 {
		limit = maxOther
	}
	switch {
	case r.ContentLength < 0:
		return missingLength()
	case r.ContentLength > limit:
		return tooLarge(r.ContentLength, limit)
	case r.Body == nil:
		c.hash = emptyHash
		return nil
	}
	data := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, data); err != nil {
		return broken(err)
	}
	sum := sha256.Sum256(data)
	c.hash = hex.EncodeToString(sum[:])
	r.Body = struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(data), r.Body}
	return nil
}

func parsePayload(text string) (payload, error) {
	switch text {
	case unsignedPayload:
		return payload{kind: Unsigned}, nil
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD":
		return payload{kind: StreamingSigned}, nil
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
		return payload{kind: StreamingSignedTrailer}, nil
	case "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
		return payload{kind: StreamingUnsignedTrailer}, nil
	case "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER":
		return payload{}, signatureV4A()
	}
	if !isSHA256(text) {
		return payload{}, invalidArgument("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "+
			"STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "+
			"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.", "x-amz-content-sha256", text)
	}
	return payload{kind: Hashed, hash: strings.ToLower(text)}, nil
}

func isSHA256(text string) bool {
	var sum [32]byte
	if len(text) != 2*len(sum) {
		return false
	}
	_, err := hex.Decode(sum[:], []byte(text))
	return err == nil
}
